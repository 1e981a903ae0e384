"""How Python programs of this project start others: nothing is imported from where they happen to run.

Python puts the working folder first among the places from which `python -m` imports, so that a file `json.py` lying
there would run inside the process that holds the keys. `-P` leaves it out; relative entries of `PYTHONPATH` are
dropped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = __name__.split(".")[0]


def module_command(module: str, *arguments: str | Path) -> tuple[str, ...]:
    """`python -P -m module arguments` with the interpreter that runs this.

    A module of this package is found where it is installed. Another's, such as a lab's own, may lie in the folder from
    which it was named, which stays a place to import from.
    """
    installed = ("-P",) if module.split(".")[0] == _PACKAGE else ()
    return (sys.executable, *installed, "-m", module, *map(str, arguments))


def child_environment() -> dict[str, str]:
    """This process's environment without relative places to import from."""
    environment = dict(os.environ)
    places = [place for place in environment.pop("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(place)]
    return environment | ({"PYTHONPATH": os.pathsep.join(places)} if places else {})


def thread_limits(threads: int) -> dict[str, str]:
    """The variables that give every numerical library of a child process so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    return dict.fromkeys(names, str(threads))
