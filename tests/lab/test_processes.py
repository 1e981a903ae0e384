"""Child processes: they are given their threads, end by their own id, and say why they failed."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from wardround.engine.basics.problems import InputError
from wardround.lab.processes import Machine, Program, free_port, run_to_end

_SLEEP = "import time; print('up', flush=True); time.sleep(600)"
_STUBBORN = (
    "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def _python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def _wait_for_line(program: Program) -> None:
    while not (program.log and program.log.exists() and "up" in program.log.read_text()):
        assert program.exit_code is None


def test_a_short_command_gives_its_output() -> None:
    said = run_to_end(_python("import os; print(os.environ['OMP_NUM_THREADS'])"), Machine(threads=3), "asking")
    assert said == "3\n"


def test_a_failing_command_is_an_error_with_its_last_words() -> None:
    with pytest.raises(InputError, match=r"(?s)making keys failed with exit code 4.*no room"):
        run_to_end(_python("import sys; print('no room'); sys.exit(4)"), Machine(), "making keys")


def test_stop_ends_the_program_and_leaves_its_log(tmp_path: Path) -> None:
    program = Program("sleeper", _python(_SLEEP), Machine(), tmp_path / "logs" / "sleeper.log")
    _wait_for_line(program)
    program.stop()
    assert program.exit_code == -signal.SIGTERM
    assert program.log is not None
    assert program.log.read_text() == "up\n"
    with pytest.raises(ProcessLookupError):
        os.kill(program.pid, 0)


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    program = Program("stubborn", _python(_STUBBORN), Machine(), tmp_path / "log")
    _wait_for_line(program)
    program.stop(grace=0.2)
    assert program.exit_code == -signal.SIGKILL


def test_stopping_twice_and_signals_after_the_end_do_nothing(tmp_path: Path) -> None:
    program = Program("short", _python("pass"), Machine(), tmp_path / "log")
    assert program.wait(30) == 0
    program.send(signal.SIGTERM)
    program.stop()
    assert program.exit_code == 0


def test_finish_names_the_log_of_a_program_that_failed(tmp_path: Path) -> None:
    program = Program("training", _python("raise SystemExit('out of luck')"), Machine(), tmp_path / "fit.log")
    with pytest.raises(InputError, match=r"(?s)fit\.log: training failed.*out of luck"):
        program.finish()


def test_a_free_port_can_be_bound_and_is_none_that_a_client_may_be_given() -> None:
    port = free_port()
    assert port < 32_768
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
