"""Which files of a folder a command has written, so that it never replaces one that it did not make.

The record lies beside the files, as hidden JSON lines of a name, the command, and the digest of what was written. A
line is there before its file, so that what a killed command left is known as its own too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from wardround.engine.basics.canonical import canonical_json, file_sha256
from wardround.engine.basics.files import append_durably, fsync_folder, read_json_lines
from wardround.engine.basics.problems import Findings

RECORD = ".wardround-files"
PREDICT, EVALUATE, FIT = "wardround predict", "wardround evaluate", "wardround fit"
EXPORT, EXPLAIN = "wardround export", "wardround explain"
_SHOWN = 5


@dataclass(frozen=True)
class Made:
    """The files that one command wrote into a folder.

    Attributes:
        folder: which need not exist yet.
        command: such as "wardround predict".
    """

    folder: Path
    command: str

    @cached_property
    def _digests(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in read_json_lines(self.folder / RECORD):
            if line.get("by") == self.command:
                found.setdefault(str(line.get("file", "")), set()).add(str(line.get("sha256", "")))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """All names that the record has."""
        return tuple(self._digests)

    def knows(self, name: str) -> bool:
        """Whether the record names a file, whatever has become of it."""
        return name in self._digests

    def holds(self, name: str) -> bool:
        """Whether a file lies there as the command wrote it."""
        path = self.folder / name
        return (
            self.knows(name) and not path.is_symlink() and path.is_file() and file_sha256(path) in self._digests[name]
        )

    def require_free(self, names: Iterable[str], example: str) -> None:
        """Raise `InputError` if writing these names would replace what the command did not write.

        `example` is a folder that may be proposed instead.
        """
        taken = [name for name in names if _is_there(self.folder / name) and not self.holds(name)]
        foreign = [name for name in taken if not self.knows(name)]
        changed = [name for name in taken if self.knows(name)]
        findings, instead = Findings(), f"name another folder, such as `--out {_free(example)}`"
        if foreign:
            findings.add(
                f"{_files(foreign)} that `{self.command}` would write, which has no record of having made these",
                where=str(self.folder),
                got=_shown(foreign),
                expected="nothing of these names but what it wrote itself",
                remedy=f"Nothing was replaced: {instead}",
            )
        if changed:
            findings.add(
                f"{_files(changed)} that `{self.command}` wrote, and what is there was changed since",
                where=str(self.folder),
                got=_shown(changed),
                expected="files as it wrote them",
                remedy=f"Nothing was replaced: {instead}, or move these files away first",
            )
        findings.raise_if_any()

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a path for a file's bytes; at the end they take the name, unless that would replace what is not the
        command's own (`InputError`)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".wardround-", dir=self.folder) as place:
            written = Path(place, name)
            yield written
            self.require_free([name], self.folder.name)
            self._note(name, file_sha256(written))
            written.replace(self.folder / name)
        fsync_folder(self.folder)

    def _note(self, name: str, digest: str) -> None:
        line = canonical_json({"by": self.command, "file": name, "sha256": digest})
        append_durably(self.folder / RECORD, line.decode())
        self._digests.setdefault(name, set()).add(digest)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _files(names: list[str]) -> str:
    return "a file lies here already of a name" if len(names) == 1 else f"{len(names)} files lie here already of names"


def _shown(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


def _free(example: str) -> str:
    """The example, with a number where a folder of that name is there."""
    names = (example if number == 1 else f"{example}-{number}" for number in count(1))
    return next(name for name in names if not _is_there(Path(name)))
