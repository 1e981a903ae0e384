"""Running tests against a copy of the checkout in which one module was changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_POLL_SECONDS = 0.05


class Fate(StrEnum):
    """What became of a fault: the tests failed, passed, or did not come to an end."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Outcome:
    """How the tests of one fault ended, after how many seconds, and the test that failed, if any."""

    fate: Fate
    seconds: float
    test: str

    @property
    def failed(self) -> bool:
        """Whether the tests did not pass."""
        return self.fate is not Fate.SURVIVED


@contextmanager
def changed(path: Path, source: str) -> Iterator[None]:
    """While the block runs a file has this content. The compiled form is removed: its time stamp is too coarse."""
    before = path.read_text()
    try:
        _put(path, source)
        yield
    finally:
        _put(path, before)


def run_tests(root: Path, tests: Sequence[str], seconds: float) -> Outcome:
    """Run the fast tests of these files or folders below `root`, up to the first that fails.

    They run in a child of this process, which has loaded what takes seconds to load; the child and whatever it has
    started are killed after so many seconds.
    """
    log, began = root / "tests.log", time.monotonic()
    child = os.fork()
    if not child:
        _be_the_child(root, tests, log)
    try:
        status = _wait(child, began + seconds)
    finally:
        _kill_group(child)  # what tests have left, and all of it after Ctrl-C
    took = time.monotonic() - began
    if status is None:
        return Outcome(Fate.TIMEOUT, took, "")
    return Outcome(Fate.KILLED if status else Fate.SURVIVED, took, _failed(log))


def preload() -> None:
    """Load the large packages that nearly every test needs, and nothing of our own."""
    import hypothesis  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pytest  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.ndimage  # noqa: F401
    import SimpleITK  # noqa: F401
    import torch  # noqa: F401
    import typer  # noqa: F401

    loaded = [name for name in sys.modules if name.partition(".")[0] == "wardround"]
    assert not loaded, loaded


def copy_checkout(source: Path, target: Path) -> Path:
    """Copy what is committed in a checkout, so that nothing is changed there. Returns `target`."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    content = subprocess.run(["git", "archive", "HEAD"], cwd=source, capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", str(target)], input=content, check=True)
    return target


def _put(path: Path, source: str) -> None:
    path.write_text(source)
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()


def _be_the_child(root: Path, tests: Sequence[str], log: Path) -> None:
    """Become a process that runs the tests; never returns."""
    status = 3
    try:
        os.setsid()
        os.chdir(root)
        os.environ["PYTHONPATH"] = str(root)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
        sys.path[:] = [str(root), *(place for place in sys.path if place not in ("", os.curdir))]
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        import pytest

        words = ["-q", "-x", "--tb=no", "-m", "not slow", "-p", "no:cacheprovider"]
        status = int(pytest.main([*words, *tests]))
        sys.stdout.flush()
    finally:
        os._exit(status)


def _wait(child: int, deadline: float) -> int | None:
    """The child's exit status; None if it had to be killed at the deadline."""
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(_POLL_SECONDS)
    _kill_group(child)
    os.waitpid(child, 0)
    return None


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _failed(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    named = (line.partition(" ")[2] for line in lines if line.startswith(("FAILED ", "ERROR ")))
    # What failed stands behind the name, which may have spaces in it.
    return next(named, "").partition(" - ")[0]
