"""Three hospitals' engines together fit what one engine fits that has all their training cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site_client.support import a_study
from tests.site_client.test_survey import CT
from tests.support.images import write_segmentation_cohort
from wardround.engine.experiments.fitting import fit_state
from wardround.engine.experiments.workbench import Survey, Workbench
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitting import Fitting, merged
from wardround.engine.preprocessing.requests import CohortSummary, Request

STUDY = a_study(CT)


def bench_of(folder: Path, seed: int, cases: int) -> Workbench:
    """A hospital's cohort, before anything is fitted."""
    manifest = write_segmentation_cohort(folder, cases=cases, shape=(18, 20, 16), seed=seed)
    return Workbench.fill(Survey.of(STUDY, manifest, device="cpu", threads=1), folder / "work")


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workbench, ...]:
    root = tmp_path_factory.mktemp("hospitals")
    return tuple(bench_of(root / str(seed), seed, cases) for seed, cases in ((0, 6), (1, 8), (2, 7)))


def together(benches: tuple[Workbench, ...]) -> FittedState:
    """By questions to each, as in a federation."""
    fitting, answers = Fitting(STUDY), list[CohortSummary]()
    while isinstance(outcome := fitting.next_request(answers), Request):
        answers.append(merged(outcome, [bench.summarise(outcome) for bench in benches]))
    return outcome


def test_hospitals_together_fit_what_their_pooled_cases_give(benches: tuple[Workbench, ...], tmp_path: Path) -> None:
    rows = [(case, bench.unfitted[case.subject]) for bench in benches for case in bench.split.train]
    pooled = fit_state(STUDY, rows, tmp_path)
    assert together(benches) == together(benches[::-1]) == pooled
    assert pooled.cases == len(rows)


def test_one_hospital_fits_what_it_fits_alone(benches: tuple[Workbench, ...]) -> None:
    alone = benches[0].fitted()
    assert together(benches[:1]) == alone.state
    asked = benches[0].with_state(together(benches[:1]))
    assert [case.folder for case in asked.stored.values()] == [case.folder for case in alone.stored.values()]


def test_the_cohort_goes_by_the_same_name_whatever_was_fitted(benches: tuple[Workbench, ...]) -> None:
    """The work key holds it, and a task of training comes after the survey."""
    state = together(benches)
    for bench in benches:
        fitted = bench.with_state(state)
        assert fitted.cohort_digest == bench.cohort_digest
        assert {name: case.digest for name, case in fitted.stored.items()} == {
            name: case.digest for name, case in bench.stored.items()
        }
