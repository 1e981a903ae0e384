"""What courier and worker hand each other where each runs as a user of its own, and nothing else.

Staff says so by the work folder's mode: 3770, with a group that both users belong to. Then both may make files in it,
neither may touch what belongs to the other, and only what is handed over is readable by the group: tasks, results, the
worker's record of its health and its socket, and what a run leaves to the hospital. Any other work folder is closed to
all but its one user.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wardround.engine.basics.files import checked, private_folder, replacing
from wardround.engine.basics.problems import InputError

FOR_TWO = 0o3770
"""Set-group-ID, so that what is made within has the folder's group, and sticky, so that only its maker removes it."""
_ENTRY = 0o2770
_GROUP_READS, _OWNER_ALONE = 0o640, 0o600


def work_folder(work: Path) -> Path:
    """The work folder: as staff has made it for two users, or closed to all but its owner."""
    return work if is_for_two(work) else private_folder(work)


def is_for_two(work: Path) -> bool:
    """Whether courier and worker run here as two users."""
    return work.is_dir() and stat.S_IMODE(work.stat().st_mode) == FOR_TWO


def common_folder(work: Path, name: str) -> Path:
    """A folder of the work folder in which both processes make files that only their maker removes."""
    return _made(work_folder(work) / name, FOR_TWO)


def handed_folder(path: Path) -> Path:
    """A folder of what is handed over: the other process may remove what lies in it."""
    return _made(path, _ENTRY)


def write_handed(path: Path, content: bytes | memoryview) -> None:
    """Write durably what the other process reads: readable by the group where the folder is open to it."""
    mode = _GROUP_READS if _is_open_to_group(path.parent) else _OWNER_ALONE
    with replacing(path) as temporary:
        temporary.chmod(mode)
        temporary.write_bytes(content)


def write_handed_checked(path: Path, content: bytes) -> None:
    """`write_handed` behind the content's SHA-256, for `read_checked`."""
    write_handed(path, checked(content))


def require_overview(work: Path) -> None:
    """Raise `InputError` for one of two users who asks what only root sees: what both of them have."""
    if is_for_two(work) and os.geteuid() != 0:
        raise InputError.one(
            "courier and worker are two users here, and neither sees what is the other's",
            where=str(work),
            got=f"this is user {os.geteuid()}",
            expected="root, who sees both",
            remedy="Type the same command with `sudo` before it",
        )


@contextlib.contextmanager
def place_to_measure(work: Path) -> Iterator[Path]:
    """Where cases may be prepared to see what they take: the work folder, whose worker then has them already.

    Where two users work, neither is the one who asks, and the worker could not use what somebody else has left in its
    store. There it is a folder that goes with the block.
    """
    if not is_for_two(work):
        yield work
        return
    with tempfile.TemporaryDirectory(prefix=".measuring-", dir=work) as place:
        yield Path(place)


def _made(path: Path, mode: int) -> Path:
    """Make a folder; it has `mode` where the one around it is open to its group, and is private elsewhere."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _is_open_to_group(path.parent):
        return private_folder(path)
    if path.stat().st_uid == os.geteuid():  # one that the other process has made is its to open
        path.chmod(mode)
    return path


def _is_open_to_group(folder: Path) -> bool:
    return folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) in (FOR_TWO, _ENTRY)
