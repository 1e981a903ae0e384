"""One process at a time in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.sole import require_idle, sole


def test_a_folder_is_one_process_s_until_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "fold-0"
    require_idle(folder)
    assert not folder.exists()
    with sole(folder):
        for enter in (lambda: sole(folder).__enter__(), lambda: require_idle(folder)):
            with pytest.raises(InputError) as caught:
                enter()
            (problem,) = caught.value.problems
            assert problem.where == str(folder)
            assert problem.got == f"process {os.getpid()}"
            assert "Wait until it has ended" in problem.remedy
    require_idle(folder)
    with sole(folder):
        assert (folder / ".lock").read_text() == f"{os.getpid()}\n"
