"""`python -m wardround.engine.cli.one_split`: the process of one split, which `wardround fit --parallel` starts.

It is given its order on standard input, tells how far it is on standard output, and says all else in its log, which is
its standard error. It ends when whoever started it does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from wardround.engine.basics.faults import disk_problem, memory_or_device_problem
from wardround.engine.basics.loudness import as_usual, be_verbose
from wardround.engine.basics.printable import complain, guard_tracebacks
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.signals import interrupts
from wardround.engine.cli.runner import ExitCode

if TYPE_CHECKING:
    from wardround.engine.experiments.news import Teller


def main() -> int:
    """Train the split that standard input names; returns the exit code."""
    from wardround.engine.experiments.news import Teller
    from wardround.engine.experiments.one_split import train_one_split
    from wardround.engine.experiments.order import SplitOrder
    from wardround.engine.report.pages import RunPages

    guard_tracebacks()
    teller, order = Teller.of_this_process(), SplitOrder.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=_follow_parent, daemon=True).start()
    (be_verbose if order.is_verbose else as_usual)()
    complain(f"{order.name}: process {os.getpid()}, {order.order.device}, {order.order.threads} CPU threads")
    try:
        with interrupts():
            train_one_split(order, RunPages(), teller.show)
    except KeyboardInterrupt:
        complain("stopped; the same command goes on here")
        return ExitCode.INTERRUPTED
    except InputError as error:
        return _told(teller, ExitCode.BAD_INPUT, error.problems)
    except Exception as error:
        return _fault(teller, error)
    complain(f"{order.name} is finished")
    return ExitCode.OK


def _fault(teller: Teller, error: Exception) -> int:
    """Tell a fault of the machine; anything else is a defect, whose traceback is in the log."""
    problem = memory_or_device_problem(error)
    if problem is not None:
        return _told(teller, ExitCode.MACHINE, (problem,))
    problem = disk_problem(error) if isinstance(error, OSError) else None
    if problem is None:
        raise error
    return _told(teller, ExitCode.BAD_INPUT, (problem,))


def _told(teller: Teller, code: ExitCode, problems: tuple[Problem, ...]) -> int:
    teller.problems(problems)
    complain(*(f"error: {problem.render()}" for problem in problems))
    return code


def _follow_parent() -> None:
    """Stop as after a signal when the pipe from the process that waits has ended, for then it has too."""
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
