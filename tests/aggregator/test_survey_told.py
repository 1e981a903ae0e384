"""Whose values are wrong cannot be seen in a merged answer: what each site told alone is said, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.bench import Bench
from tests.aggregator.test_hostile_site import lying
from tests.aggregator.test_survey import NAMES, of_kind, surveyed
from tests.aggregator.test_survey_kept import carried_on
from wardround.aggregator.rounds.own_values import apart
from wardround.aggregator.rounds.records import OwnValues, SurveyedSite
from wardround.engine.basics.problems import InputError


def own(bench: Bench, question: int) -> dict[str, tuple[OwnValues, ...]]:
    """What each site told alone, as it is kept."""
    result = bench.state.survey(question).result()
    assert result is not None
    return {site.site: site.own for site in result.sites}


def test_what_each_site_told_alone_is_written_down_when_it_comes(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, rounds=1, final=False)
    assert bench.run().complete
    (window,) = bench.state.fitted().steps[0].channels
    said = {(entry.facts["site"], entry.facts["exchange"]): entry for entry in bench.journal("survey_answered")}
    assert said.keys() == {(name, question) for name in NAMES for question in (1, 3)}, "bins are no one's own values"
    for name, site in bench.sites.items():
        voxels = np.concatenate(site.voxels).astype(np.float64)
        (extremes,), (bins,), (moments,) = (own(bench, question)[name] for question in (1, 2, 3))
        assert (extremes.count, extremes.low, extremes.high) == (site.cases, voxels.min(), voxels.max())
        assert (bins.count, bins.low, bins.high) == (voxels.size, None, None)
        clipped = np.clip(voxels, window.low, window.high)  # type: ignore[union-attr]
        assert moments.count == voxels.size
        assert (moments.low, moments.high) == pytest.approx(
            (clipped.mean() - clipped.std(), clipped.mean() + clipped.std())
        )
        line = f"{bench.study.inputs[0]} {voxels.min():.6g} to {voxels.max():.6g}, of {site.cases}"
        assert said[name, 1].facts == {"round": 0, "site": name, "exchange": 1, "detail": line}
    assert bench.journal("site_apart") == []


def test_a_survey_that_nothing_can_be_fitted_to_names_the_site_that_lies_apart_and_the_way_on(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, rounds=1, final=False)
    bench.sites["south"].write = lying("done", of_kind("extremes", low=-1e12, high=1e12))
    for _ in range(2):
        with pytest.raises(InputError, match="no contrast") as caught:
            bench.run()
        said = str(caught.value)
        assert "question 1: south (far from the others): T1w -1e+12 to 1e+12, of 24 | east: T1w 3" in said
        assert said.count("far from the others") == 1
        assert "aggregator continue" in said
    assert [entry.facts["site"] for entry in bench.journal("site_apart")] == ["south"]
    assert carried_on(bench).run().complete


def test_a_site_that_lies_apart_is_said_also_where_values_can_be_fitted(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, rounds=1, final=False)
    bench.sites["south"].voxels = tuple(1000 * voxels for voxels in bench.sites["south"].voxels)
    assert bench.run().complete
    assert {entry.facts["site"] for entry in bench.journal("site_apart")} == {"south"}
    assert bench.journal("site_apart")[0].facts["exchange"] == 1


@pytest.mark.parametrize(
    ("reaches", "expected"),
    [
        ((1.0, 1.0, 10.0), ()),
        ((1.0, 1.0, 10.5), ("site-2",)),
        ((-10.5, 1.0, 1.0), ("site-0",)),
        ((1.0, 1000.0), ()),
        ((0.0, 0.0, 5.0), ()),
        ((1.0, None, 1000.0), ()),
        ((1.0, None, 1000.0, 2.0), ("site-2",)),
        ((), ()),
    ],
)
def test_who_lies_apart(reaches: tuple[float | None, ...], expected: tuple[str, ...]) -> None:
    """In the second of two channels: of two sites nobody can say which one, and no site is measured by zeros."""
    same = OwnValues(count=1, low=0.0, high=1.0)
    sites = [
        SurveyedSite(
            site=f"site-{number}",
            work_key="0" * 64,
            cohort="0" * 64,
            cases=1,
            seconds=1.0,
            own=(same, OwnValues(count=1, low=reach, high=None if reach is None else max(reach, 0.0))),
        )
        for number, reach in enumerate(reaches)
    ]
    assert apart(sites) == expected
