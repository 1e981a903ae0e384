"""Files that a person names: what is in the way of reading one, and which file was probably meant.

Nothing here waits: a pipe or a device in the place of a file is refused before it is opened.
"""

from __future__ import annotations

import codecs
import contextlib
import difflib
import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from wardround.engine.basics.files import is_missing
from wardround.engine.basics.problems import InputError, Problem

_LOG = logging.getLogger(__name__)
_MOST_NAMES = 20_000
"""So many names of a folder are compared with the one that is missing."""
_NOTHING_ALIKE = "Looked for"
_SHOWN = 3
_BOTH_WAYS = 0.6
_SIGNATURES = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x1f\x8b", "a compressed file, such as an image in .nii.gz"),
    (b"PK\x03\x04", "a zip archive or an Excel or Word document"),
    (b"\xd0\xcf\x11\xe0", "an Excel or Word document"),
    (b"%PDF", "a PDF document"),
    (b"NRRD", "an NRRD image"),
    (b"SQLite", "a database"),
)
_HEAD = 200
_KEYS = (
    (b"BEGIN OPENSSH PRIVATE KEY", "an SSH private key"),
    (b"PuTTY-User-Key-File", "an SSH private key"),
    (b"PRIVATE KEY-----", "a private key"),
    (b"BEGIN CERTIFICATE REQUEST", "a request for a certificate"),
    (b"BEGIN CERTIFICATE", "a certificate"),
    (b"BEGIN PGP", "a PGP key or message"),
    (b"BEGIN SSH2 PUBLIC KEY", "an SSH key"),
    (b"ssh-ed25519 ", "an SSH key"),
    (b"ssh-rsa ", "an SSH key"),
    (b"ssh-dss ", "an SSH key"),
    (b"ecdsa-sha2-", "an SSH key"),
    (b"@openssh.com ", "an SSH key"),
    (b"BEGIN PUBLIC KEY", "a public key of another program"),
)
"""Keys and certificates by the letters that they have near their beginning."""
_YAML = (".yaml", ".yml")
_ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "study": _YAML,
        "site file": _YAML,
        "federation file": _YAML,
        "policy": _YAML,
        "table": (".csv", ".tsv"),
        "enrolment request": (".pub",),
    }
)
_RIGHTS = frozenset({errno.EACCES, errno.EPERM})


def read_named(path: Path, noun: str, most_bytes: int = -1) -> bytes:
    """The bytes of a file that a person named; `noun` is what it should be, such as "study".

    Raises:
        InputError: there is no such file, it is no file, or it cannot be read; with what is there instead.
    """
    require_file(path, noun)
    _LOG.debug("reads the %s %s", noun, path)
    try:
        with path.open("rb") as handle:
            return handle.read(most_bytes)
    except OSError as error:
        raise unreadable(path, noun, error) from None


def require_file(path: Path, noun: str) -> None:
    """Raise `InputError` unless a regular file stands at `path`."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(path, noun, error) from None
    if not stat.S_ISREG(mode):
        raise InputError([_not_a_file(path, noun, mode)])


def require_config(path: Path, noun: str, form: str, beginning: str) -> None:
    """Raise `InputError` where there is no file of settings, which `--config` names.

    `noun` is what it should be, such as "site file", `form` its usual name, `beginning` how a first one is made.
    """
    if not is_missing(path):
        return
    remedy = remedy_for_missing(path)
    if not remedy.startswith(_NOTHING_ALIKE):
        remedy = f"{remedy}; name it with `--config`. {beginning}"
        raise _one(f"there is no such {noun}", path, "no file", f"the path of a {form}", remedy)
    kind, folder = noun.removesuffix(" file"), path.absolute().parent
    near = " or ".join(f"`--config {each}`" for each in _nearby(folder, form))
    remedy = (
        f"Run the command in the {kind}'s folder, or name its file: {near or f'`--config FOLDER/{form}`'}. {beginning}"
    )
    raise _one(
        f"there is no {kind} here", path, f"no {path.name} in the folder {folder}", f"the {kind}'s {form}", remedy
    )


def _nearby(folder: Path, form: str) -> list[Path]:
    """Files of a name one step below or above a folder."""
    found = (*sorted(folder.glob(f"*/{form}")), folder.parent / form)
    return [each for each in found if each.is_file()][:_SHOWN]


def unreadable(path: Path, noun: str, error: OSError) -> InputError:
    """The error for a file that the system does not read, with what to do about it."""
    if path.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
        return _one(
            f"the {noun} is a link that leads nowhere",
            path,
            f"a link to {os.readlink(path)}",
            f"a {noun}",
            "Put back what the link leads to, or name the file itself",
        )
    if error.errno == errno.ENOENT:
        return _one(f"there is no such {noun}", path, "no file", f"the path of the {noun}", remedy_for_missing(path))
    if error.errno == errno.ENOTDIR:
        return _one(
            f"there is no such {noun}", path, "a file in the place of a folder", f"the path of the {noun}", _PATH
        )
    said = error.strerror or type(error).__name__
    remedy = _RIGHTS_REMEDY if error.errno in _RIGHTS else "Have the disk and the path checked, then try again"
    return _one(f"the {noun} cannot be read", path, said, f"a {noun} that this user may read", remedy)


_PATH = "Check the path; a part of it that should be a folder is a file"
_RIGHTS_REMEDY = "Have the rights changed (`chmod`), or run the command as the user who owns the file"


def require_folder(folder: Path, expected: str, remedy_for_a_file: str) -> None:
    """Raise `InputError` unless there is such a folder; a file in its place has a remedy of its own."""
    if not folder.is_dir():
        raise InputError.one(
            "there is no such folder",
            where=str(folder),
            got="a file" if folder.exists() else "nothing",
            expected=expected,
            remedy=remedy_for_a_file if folder.exists() else remedy_for_missing(folder),
        )


def remedy_for_missing(path: Path) -> str:
    """What to do about a file that is not there: the similar names in its folder, or what is missing of the folder."""
    present = next(folder for folder in path.absolute().parents if folder.is_dir())
    if present != path.absolute().parent:
        missing = path.absolute().relative_to(present).parts[0]
        close = _close(missing, present, _names)
        hint = f"; {present} has {close}" if close else ""
        return f"The folder {present / missing} does not exist{hint}. Check the path"
    # What has an ending is no folder: `data.csv` was not meant by `data`.
    close = _close(path.name, present, _files if path.suffix else _names)
    if close:
        return f"Its folder has {close}; correct the path"
    return f"{_NOTHING_ALIKE} {path.absolute()}; check the path, and the folder in which the command is run"


@contextlib.contextmanager
def naming_place(where: str) -> Iterator[None]:
    """While a file is read that another file names: problems are told with that place, and the path as what was got."""
    try:
        yield
    except InputError as error:
        named = (replace(problem, where=where, got=f"{problem.where}: {problem.got}") for problem in error.problems)
        raise InputError(named) from None


def kind_of(content: bytes) -> str:
    """What bytes are that are no text, such as "a PNG image"; empty where they may be text."""
    found = next((kind for signature, kind in _SIGNATURES if content.startswith(signature)), "")
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if found or is_wide or b"\x00" not in content[:4096]:
        return found
    return "a NIfTI image" if content[344:347] in (b"n+1", b"ni1") else "a file of bytes that are no text"


def key_kind(content: bytes) -> str:
    """What bytes are that are a key or a certificate; empty for anything else, as for JSON that has one amid it."""
    head = content.removeprefix(codecs.BOM_UTF8).lstrip()[:_HEAD]
    return "" if head.startswith((b"{", b"[")) else next((kind for mark, kind in _KEYS if mark in head), "")


def _not_a_file(path: Path, noun: str, mode: int) -> Problem:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    got = next((word for test, word in kinds if test(mode)), "a device")
    remedy = "Name the file itself; a pipe or device is not read"
    if stat.S_ISDIR(mode):
        remedy = remedy_for_folder(path, noun)
    return Problem(f"the {noun} is {got}", str(path), got, "a file", remedy)


def remedy_for_folder(folder: Path, noun: str) -> str:
    """What to do about a folder in the place of a file."""
    with contextlib.suppress(OSError):
        if not any(folder.iterdir()):
            return (
                "Remove the empty folder (a container makes one where a file is not there that it should see), and put "
                f"the {noun} in its place; or name the file itself"
            )
    endings = _ENDINGS.get(noun, ("",))
    likely = [name for name in sorted(_names(folder)) if name.lower().endswith(endings)]
    if likely:
        return f"Name the file in it; it has {', '.join(likely[:_SHOWN])}"
    # A file of another kind is never offered: who names it is sent on to unpack or to read an image.
    return f"Name the {noun} itself: nothing in this folder ends in {' or '.join(endings)}"


def _close(name: str, folder: Path, listed: Callable[[Path], Iterator[str]]) -> str:
    """The names in a folder that are like one that is missing, most alike first; empty if there are none."""
    names, stem = list(listed(folder)), _stem(name)
    by_letters = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), by_letters, _SHOWN, _BOTH_WAYS)
    # An ending that both have makes no two names alike: site.yaml is not study.yaml.
    close = [by_letters[each] for each in near if difflib.get_close_matches(stem, [_stem(each)], 1, _BOTH_WAYS)]
    close += [other for other in sorted(names) if _stem(other) == stem and other not in close]
    return " or ".join(repr(other) for other in close[:_SHOWN])


def _stem(name: str) -> str:
    return name.lstrip(".").partition(".")[0].lower()


def _names(folder: Path) -> Iterator[str]:
    return (entry.name for entry in _entries(folder))


def _files(folder: Path) -> Iterator[str]:
    return (entry.name for entry in _entries(folder) if not entry.is_dir())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_NAMES:
                    return
                if not entry.name.startswith("."):
                    yield entry
    except OSError:
        return


def _one(what: str, path: Path, got: str, expected: str, remedy: str) -> InputError:
    return InputError.one(what, where=str(path), got=got, expected=expected, remedy=remedy)
