"""Too few patients for an accepted plan: a site is told what it can do, and not to change the study."""

from __future__ import annotations

import pytest

from wardround.engine.basics.problems import InputError, Problem
from wardround.site_client.folds import mended_at_a_site

_OTHER = Problem("the cell is empty", where="data.csv:3", remedy="Fill it in")


def test_a_site_is_not_told_to_change_the_study() -> None:
    few = Problem("too few patients for 3 inner folds", where="data.csv", remedy="Lower validation.inner_folds")
    with pytest.raises(InputError) as raised, mended_at_a_site():
        raise InputError([few, _OTHER])
    first, second = raised.value.problems
    assert "add cases of more patients" in first.remedy
    assert "tell the coordinator" in first.remedy
    assert "Lower" not in first.remedy
    assert second == _OTHER


def test_other_problems_stay_as_they_are() -> None:
    error = InputError([_OTHER])
    with pytest.raises(InputError) as raised, mended_at_a_site():
        raise error
    assert raised.value is error
