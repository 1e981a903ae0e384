"""What the worker's log says of cases that cannot be used: one sentence for a kind, once for a reason."""

from __future__ import annotations

from wardround.engine.basics.problems import InputError, Problem
from wardround.site_client.worker.process import _kind, _reason


def missing(count: int) -> InputError:
    return InputError(Problem("there is no such file", f"data.csv:{n}", f"'img/{n}.nii'") for n in range(count))


def test_many_cases_are_one_sentence_in_the_log() -> None:
    reason = _reason(missing(40))
    assert reason.startswith("40 times: there is no such file")
    assert reason.endswith("and 37 more of this kind; `site-client check` lists all")
    assert len(reason) < 300


def test_the_same_reason_with_other_room_on_the_disk_is_the_same() -> None:
    first, second = (InputError.one("the disk is too full", where="work", got=f"{n} MB free") for n in (1, 2))
    assert _kind(first) == _kind(second) != _kind(missing(1))
