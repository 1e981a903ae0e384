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
from wardround.engine.summaries import Octaves


def edges(voxels: np.ndarray) -> tuple[float, float]:
    """Between which bins all but the rarest lie."""
    found = Octaves.of(voxels)
    return found.around(0.01)[0], found.around(0.99)[1]


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
        (octaves,), (bins,), (moments,) = (own(bench, question)[name] for question in (1, 2, 3))
        low, high = edges(voxels)
        assert low <= np.quantile(voxels, 0.01) <= np.quantile(voxels, 0.99) <= high
        assert (octaves.count, octaves.low, octaves.high) == (voxels.size, low, high)
        assert (bins.count, bins.low, bins.high) == (voxels.size, None, None)
        clipped = np.clip(voxels, window.low, window.high)  # type: ignore[union-attr]
        assert moments.count == voxels.size
        assert (moments.low, moments.high) == pytest.approx(
            (clipped.mean() - clipped.std(), clipped.mean() + clipped.std())
        )
        line = f"{bench.study.inputs[0]} {low:.6g} to {high:.6g}, of {voxels.size:,}"
        assert said[name, 1].facts == {"round": 0, "site": name, "exchange": 1, "detail": line}
    assert bench.journal("site_apart") == []


def test_a_survey_that_nothing_can_be_fitted_to_names_the_site_that_lies_apart_and_the_way_on(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, rounds=1, final=False)
    crowd = [2**35 * count for count in Octaves.of(np.array([1e12])).counts]
    bench.sites["south"].write = lying("done", of_kind("octaves", counts=crowd))
    for _ in range(2):
        with pytest.raises(InputError, match="no contrast") as caught:
            bench.run()
        said = str(caught.value)
        assert "question 1: south (far from the others): T1w 9.62073e+11 to 1.03079e+12, of 34,359,738,368" in said
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


@pytest.mark.parametrize(("most", "expected"), [(200, ()), (201, ("site-2",))])
def test_who_tells_of_a_hundred_times_as_many_values_of_a_case_is_said(most: int, expected: tuple[str, ...]) -> None:
    sites = [
        SurveyedSite(
            site=f"site-{number}",
            work_key="0" * 64,
            cohort="0" * 64,
            cases=cases,
            seconds=1.0,
            own=(OwnValues(count=cases * each),),
        )
        for number, (cases, each) in enumerate([(100, 1), (3, 2), (5, most)])
    ]
    assert apart(sites) == expected
