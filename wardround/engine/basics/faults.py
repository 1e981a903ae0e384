"""Faults of a machine rather than of a program: its disks, rights, memory and devices, in plain words."""

from __future__ import annotations

import errno

from wardround.engine.basics.problems import Problem

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FAILED = frozenset(
    {errno.EROFS, errno.EIO, errno.EFBIG, errno.ESTALE, errno.ENOLCK, errno.ENXIO, errno.EBADMSG, errno.EUCLEAN}
)
"""What a disk says that has failed, was taken away or is mounted for reading only."""
_RIGHTS = frozenset({errno.EACCES, errno.EPERM})
_PLACE = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.ENAMETOOLONG})
_HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
_WORDS = (
    (FULL, "the disk is full", "Free some space"),
    (_FAILED, "a file cannot be read or written", "Have the disk checked"),
    (_HANDLES, "the system opens no more files for this program", "Raise the limit (`ulimit -n`)"),
)
_WORDS_OF_A_PATH = (
    (_RIGHTS, "this user may not do that here", "Have the rights changed or choose another folder"),
    (_PLACE, "a file or folder stands where something else is needed", "Move it away or choose another folder"),
    (frozenset({errno.ENOENT}), "this was here and has gone", "Put it back"),
    (frozenset({errno.EAGAIN}), "another program has held this file for too long", "Wait until it has ended"),
)
"""Only where the system names a path: a socket may be refused as well."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "failed to allocate", "cannot allocate memory")
_DEVICE = (
    "cuda error",
    "cudnn",
    "cublas",
    "cufft",
    "cusolver",
    "nccl",
    "hip error",
    "miopen",
    "device-side assert",
    "no cuda gpus are available",
    "nvidia driver",
    "uncorrectable ecc",
    "device lost",
    "illegal memory access",
)
_LONGEST = 300
"""Of what a library says, so many characters are shown; torch explains itself at length."""


def is_out_of_memory(error: BaseException) -> bool:
    """torch's own error by its name, since a process without torch must not import it, and what libraries say."""
    if isinstance(error, MemoryError) or "OutOfMemoryError" in _names(error):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def is_of_the_device(error: BaseException) -> bool:
    """Whether an accelerator or its libraries failed, after which nothing works on it in this process."""
    text = str(error).lower()
    return "AcceleratorError" in _names(error) or (
        isinstance(error, RuntimeError | AssertionError) and any(words in text for words in _DEVICE)
    )


def memory_or_device_problem(error: BaseException) -> Problem | None:
    """What to tell of memory that is used up and of a device that failed; None for any other error."""
    said = " ".join(str(error).split())[:_LONGEST]
    if is_out_of_memory(error):
        return Problem(
            "there is not enough memory on the device or in this computer",
            got=said,
            remedy="End what else uses it, or choose another --device, and run the same command again: what is "
            "finished is kept, and a training goes on from its checkpoint. A study with smaller patches or a smaller "
            "training.batch_size needs less, and is another run in another folder; `training.accumulate: 2` with half "
            "the batch_size makes the same steps",
        )
    if is_of_the_device(error):
        return Problem(
            "the device failed",
            got=said,
            remedy="Run the same command again, or with another --device: what is finished is kept, and a training "
            "goes on from its checkpoint. If it fails again, have the device and its driver checked",
        )
    return None


def disk_problem(error: OSError) -> Problem | None:
    """What to tell of a disk, of rights and of files in the wrong place; None for any other error."""
    for codes, what, remedy in (*_WORDS, *(_WORDS_OF_A_PATH if error.filename else ())):
        if error.errno in codes:
            return Problem(
                what,
                where=str(error.filename or ""),
                got=error.strerror or "",
                remedy=f"Nothing half-written is left under its final name. {remedy} and run the same command again",
            )
    return None


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in type(error).__mro__)
