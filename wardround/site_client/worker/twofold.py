"""A file that nobody can make again, kept twice: each with its SHA-256, the second one as `<name>.copy.<suffix>`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.files import DamagedError, checked, discard, read_checked, write_private


@dataclass(frozen=True)
class Twofold:
    """The file `path` and its copy. One process writes; a damaged file is made again from the other one."""

    path: Path

    @property
    def files(self) -> tuple[Path, Path]:
        """Both."""
        return self.path, self.path.with_name(f"{self.path.stem}.copy{self.path.suffix}")

    def read(self) -> bytes | None:
        """What was written last; None if nothing was. Raises `DamagedError` when neither can be used."""
        found = [_look(file) for file in self.files]
        sound = [content for content in found if isinstance(content, bytes)]
        if not sound:
            if any(found):
                raise DamagedError(self.path)
            return None
        for file, content in zip(self.files, found, strict=True):
            if content != sound[0]:
                with contextlib.suppress(OSError):  # the other one can be read: it is mended when there is room
                    if file.is_dir():
                        discard(file)
                    write_private(file, checked(sound[0]))
        return sound[0]

    def write(self, content: bytes) -> None:
        """Write both, one after the other. Raises OSError."""
        for file in self.files:
            write_private(file, checked(content))


def _look(file: Path) -> bytes | DamagedError | None:
    try:
        return read_checked(file)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        return error
