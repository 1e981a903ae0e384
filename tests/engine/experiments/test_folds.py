"""Several splits of one cohort, whatever ends a call in between: each is fitted, trained and told of as if alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import progress
from wardround.engine.cohort import Folds
from wardround.engine.cohort.columns import Truth
from wardround.engine.cohort.folds import NamedSplit
from wardround.engine.cohort.manifest import read_manifest
from wardround.engine.experiments import folds
from wardround.engine.experiments.claims import require_a_runs
from wardround.engine.experiments.conducting import conduct
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.folds import Leaderboard, fit_splits
from wardround.engine.experiments.learned import unseen
from wardround.engine.experiments.learned_record import LEARNED
from wardround.engine.experiments.order import Order
from wardround.engine.experiments.workbench import Survey, Workbench
from wardround.engine.inspection import Depth, check_manifest
from wardround.engine.inspection.room import needs_of, present_bytes
from wardround.engine.store import CaseStore, store
from wardround.engine.study import Study

SHORT: dict[str, Any] = {"loss": "dice_ce", "batch_size": 4, "steps": 1}


def _study(**changes: Any) -> Study:
    return flat_study(**({"training": SHORT} | changes))


def _bench(study: Study, manifest: Path, work: Path) -> Workbench:
    return Workbench.open(study, manifest, work, device="cpu")


def _killed(*_: object) -> Any:
    raise KeyboardInterrupt


def test_a_run_that_was_killed_before_it_began_does_not_say_what_the_next_one_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table grows in between; the record is that of the cases that are trained, before and after they are."""
    few = _bench(_study(), flat_cohort(tmp_path / "few", cases=8), tmp_path / "work")
    many = _bench(_study(), flat_cohort(tmp_path / "many", cases=12), tmp_path / "work")
    for bench in (few, many):
        with monkeypatch.context() as killing:
            killing.setattr(folds, "fit", _killed)
            with pytest.raises(KeyboardInterrupt):
                fit_splits(bench, [NamedSplit("fold-0", bench.split)], tmp_path / "run", progress)
        require_a_runs(tmp_path / "run" / "fold-0")
    before = (tmp_path / "run" / "fold-0" / LEARNED).read_bytes()
    board = fit_splits(many, [NamedSplit("fold-0", many.split)], tmp_path / "run", progress)
    assert (tmp_path / "run" / "fold-0" / LEARNED).read_bytes() == before
    left, used = unseen(board.results["fold-0"].model, many.cohort)
    assert {case.subject for case in left.cases} == {case.subject for case in many.split.test}
    assert used is not None
    assert {name for name, use in used.items() if use == "training"} == {case.subject for case in many.split.train}


def test_a_record_of_other_cases_is_replaced_once_the_run_is_known(tmp_path: Path) -> None:
    """As a release left it that wrote the record once and never looked at it again."""
    bench = _bench(_study(), flat_cohort(tmp_path / "data"), tmp_path / "work")
    splits, record = [NamedSplit("fold-0", bench.split)], tmp_path / "run" / "fold-0" / LEARNED
    fit_splits(bench, splits, tmp_path / "run", progress)
    expected, written = record.read_bytes(), record.stat().st_mtime_ns
    fit_splits(bench, splits, tmp_path / "run", progress)
    assert record.stat().st_mtime_ns == written
    record.write_bytes(expected.replace(b"training", b"validation"))
    fit_splits(bench, splits, tmp_path / "run", progress)
    assert record.read_bytes() == expected


def test_padding_amid_fitted_values_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = _study(preprocessing=[{"cohort_normalize": {"within": "all"}}], patches={"size": [32, 32]})
    survey = Survey.of(study, flat_cohort(tmp_path / "data"), folds=Folds.ALL, device="cpu")
    bench = Workbench.fill(survey, tmp_path / "work")
    assert bench.padding_notices() == ()
    fit_splits(bench, survey.plan.splits, tmp_path / "run", progress)
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "amid their values" in line]
    assert told.startswith("note: data.csv: the padding of cases that are smaller than the patch")
    assert "got 0 beside values from -" in told


def _foreground_in(manifest: Path, subjects: set[str]) -> None:
    """Leave all masks empty but those of some cases."""
    for case in read_manifest(manifest, _study(), truth=Truth.REQUIRED).cases:
        if case.subject not in subjects:
            assert case.label is not None
            Picture.fromarray(np.zeros_like(np.asarray(Picture.open(case.label)))).save(case.label)


def test_every_fold_that_cannot_be_fitted_is_told_before_any_is_trained(tmp_path: Path) -> None:
    """Foreground only among the training cases of one fold; the check says so too."""
    study = _study(preprocessing=[{"cohort_normalize": {"within": "foreground"}}])
    manifest = flat_cohort(tmp_path / "data")
    splits = Survey.of(study, manifest, folds=Folds.ALL, device="cpu").plan.splits
    named = {each.name: {case.subject for case in each.split.train} for each in splits}
    subject = min(named["fold-0"])
    _foreground_in(manifest, {subject})
    without = [name for name, subjects in named.items() if subject not in subjects]
    assert 0 < len(without) < len(named)
    bench = Workbench.fill(Survey.of(study, manifest, folds=Folds.ALL, device="cpu"), tmp_path / "work")
    with pytest.raises(InputError) as error:
        fit_splits(bench, splits, tmp_path / "run", progress)
    assert [problem.where for problem in error.value.problems] == [
        f"{name}, preprocessing step cohort_normalize, channel grey" for name in without
    ]
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=f"no mask of the training set.* of {', '.join(without)} has a voxel"):
        check_manifest(study, manifest, Depth.STEPS, Folds.ALL)
    check_manifest(_study(), manifest, Depth.STEPS, Folds.ALL)


NORMALIZED: list[Any] = [{"cohort_normalize": {"within": "all"}}]


def _limited(study: Study, manifest: Path, work: Path, limit: int | None) -> tuple[Workbench, list[NamedSplit]]:
    survey = Survey.of(study, manifest, folds=Folds.ALL, device="cpu")
    return Workbench.fill(survey, work, limit), list(survey.plan.splits)


def _scores(board: Leaderboard) -> dict[str, Any]:
    return {name: (result.metrics, [row.loss for row in result.rows]) for name, result in board.results.items()}


def test_a_store_that_holds_one_fold_at_a_time_does_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the least limit that is not refused; another process then has nothing to prepare, nor has what tells of
    finished folds."""
    study, manifest = _study(preprocessing=NORMALIZED), flat_cohort(tmp_path / "data")
    limit = needs_of(study, Survey.of(study, manifest, device="cpu").inspection.grids).disk
    bench, splits = _limited(study, manifest, tmp_path / "limited", limit)
    told: list[tuple[str, int]] = []

    def tell(fold: Workbench, result: RunResult, name: str) -> None:
        told.append((name, len([*(tmp_path / "run").glob("*/model/metrics.json")])))
        assert all(case.folder.exists() for case in fold.test_cases)
        assert result.metrics.train_cases == len(fold.split.train)

    board = fit_splits(bench, splits, tmp_path / "run", progress, tell)
    assert told == [("fold-0", 1), ("fold-1", 2), ("fold-2", 3)]
    assert present_bytes(tmp_path / "limited") <= limit
    free, _ = _limited(study, manifest, tmp_path / "free", None)
    assert _scores(board) == _scores(fit_splits(free, splits, tmp_path / "other", progress))
    monkeypatch.setattr(store, "_write_whole", _killed)
    again, _ = _limited(study, manifest, tmp_path / "limited", limit)
    assert _scores(fit_splits(again, splits, tmp_path / "run", progress)) == _scores(board)


def test_what_is_released_may_be_removed_and_what_is_in_use_may_not(tmp_path: Path) -> None:
    bench = _bench(_study(preprocessing=NORMALIZED), flat_cohort(tmp_path / "data"), tmp_path)
    fitted, before = ({case.folder for case in cases.values()} for cases in (bench.stored, bench.unfitted))
    image = bench.train_cases[0].image.copy()
    assert CaseStore(tmp_path / "store").prune(0) == ()
    bench.release()
    removed = CaseStore(tmp_path / "store").prune(0)
    assert {entry.key for entry in removed} == {folder.name for folder in fitted}
    assert all(folder.exists() for folder in before)
    np.testing.assert_array_equal(bench.train_cases[0].image, image)


@pytest.mark.parametrize("fitted", [True, False])
def test_a_limit_that_cannot_do_is_told_before_anything_is_trained(fitted: bool, tmp_path: Path) -> None:
    study = _study(preprocessing=NORMALIZED) if fitted else _study()
    manifest = flat_cohort(tmp_path / "data")
    needs = needs_of(study, Survey.of(study, manifest, device="cpu").inspection.grids).disk
    order = Order(study, tmp_path / "study.yaml", manifest, tmp_path / "run", folds=Folds.ALL, device="cpu")
    pages = _Pages()
    with pytest.raises(InputError, match=r"needed at the same time .*`store_limit` in site.yaml, or `--store-limit`"):
        conduct(replace(order, store_limit=int(0.7 * needs)), pages)
    assert not list((tmp_path / "run").glob("fold-*"))
    conduct(replace(order, store_limit=needs), pages)
    assert pages.made == ["fold-0", "fold-1", "fold-2", "all"]


def test_a_page_that_cannot_be_made_keeps_no_fold_from_being_trained(tmp_path: Path) -> None:
    order = Order(_study(), tmp_path / "study.yaml", flat_cohort(tmp_path / "data"), tmp_path / "run", device="cpu")
    pages = _Pages(failing="fold-0")
    with pytest.raises(InputError, match="no page of fold-0"):
        conduct(replace(order, folds=Folds.ALL), pages)
    assert pages.made == ["fold-1", "fold-2", "all"]


class _Pages:
    """Notes which pages it is asked for."""

    def __init__(self, failing: str = "") -> None:
        self.made: list[str] = []
        self._failing = failing

    def require_own(self, out: Path) -> None:
        """Everything is its own."""

    def of_run(self, workbench: Workbench, result: RunResult, name: str) -> Path:
        """Of one split."""
        if name == self._failing:
            raise InputError.one(f"no page of {name}")
        self.made.append(name)
        return result.folder

    def of_splits(self, workbench: Workbench, board: Leaderboard, out: Path) -> Path:
        """Of all of them."""
        self.made.append("all")
        return out
