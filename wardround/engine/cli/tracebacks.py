"""Where a part's traceback goes: not on the screen, and not away, for its author needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wardround.engine.basics.blame import PartFault
from wardround.engine.basics.problems import Problem


def with_tracebacks(problems: Sequence[Problem]) -> list[Problem]:
    """The problems, each once.

    Tracebacks of parts are written into a file that only this user can read, and the remedies say where it lies.
    """
    faults = {problem: problem.traceback for problem in problems if isinstance(problem, PartFault)}
    texts = [text for text in faults.values() if text]
    place = _written("\n".join(texts)) if texts else None
    told: list[Problem] = []
    for problem in dict.fromkeys(problems):
        lies = f". The traceback is in {place}" if faults.get(problem) and place else ""  # type: ignore[call-overload]
        told.append(replace(problem, remedy=f"{problem.remedy}{lies}"))
    return told


def _written(text: str) -> Path | None:
    try:
        path = Path(tempfile.mkdtemp(prefix="wardround-")) / "traceback.txt"
        path.write_text(text, encoding="utf-8")
    except OSError:  # a disk without room must not hide the fault itself
        return None
    return path
