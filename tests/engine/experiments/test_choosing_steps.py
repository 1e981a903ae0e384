"""A step that is kept only if it helps: tried in order, recorded beside the model, applied by it and by nobody else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments.choosing_steps import tried_in_order
from wardround.engine.experiments.chosen_steps import CHOSEN, kept_steps, read_chosen
from wardround.engine.experiments.fit import fit
from wardround.engine.experiments.judging import Judge
from wardround.engine.experiments.models import load_model
from wardround.engine.experiments.prediction import predict_case
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.study.part_names import PartUse
from wardround.engine.tasks import SegmentationTask
from wardround.federation.own_runs import of_own_runs

_HELPS: dict[str, Any] = {"when": "helps"}
STEPS = [{"fill_holes": _HELPS}, "largest_component", {"remove_small": {"least": 1e6, **_HELPS}}]


def _study(steps: Sequence[Any] = STEPS, **sections: Any) -> Any:
    return flat_study(inference={"postprocessing": [*steps]}, **sections)


def test_each_step_is_tried_beside_those_that_were_kept() -> None:
    worth = {"fill_holes": 0.1, "largest_component": 0.0, "remove_small": -0.3}
    asked: list[list[str]] = []

    def scored(steps: Sequence[PartUse]) -> float | None:
        asked.append([use.name for use in steps])
        return 0.5 + sum(worth[use.name] for use in steps)

    first, second = tried_in_order(Judge(_study()), scored)
    assert (first.place, first.kept, first.without, first.beside) == (0, True, 0.5, 0.6)
    assert (second.place, second.kept, second.without) == (2, False, 0.6)
    assert second.beside == pytest.approx(0.3)
    assert asked == [
        ["largest_component"],
        ["fill_holes", "largest_component"],
        ["fill_holes", "largest_component", "remove_small"],
    ]


@pytest.mark.parametrize(("without", "beside"), [(0.5, 0.5), (None, 0.5), (0.5, None), (None, None)])
def test_what_is_equal_or_undefined_does_not_help(without: float | None, beside: float | None) -> None:
    (tried,) = tried_in_order(Judge(_study(STEPS[:1])), lambda steps: beside if steps else without)
    assert not tried.kept


def test_where_less_is_better_less_helps() -> None:
    study = _study(STEPS[:1], validation={"outer_folds": 2, "inner_folds": 2, "metrics": ["hd95"], "select": "hd95"})
    (tried,) = tried_in_order(Judge(study), lambda steps: 1.0 if steps else 2.0)
    assert tried.kept


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("helps")
    bench = Workbench.open(_study(), flat_cohort(place / "data"), place / "work", device="cpu")
    fit(bench, place / "run")
    return place


def test_a_fit_notes_what_helped_and_its_model_does_that(run: Path) -> None:
    model = load_model(run / "run" / "model", device="cpu")
    chosen = read_chosen(run / "run" / "model")
    assert chosen is not None
    assert [step.name for step in chosen.steps] == ["fill_holes", "remove_small"]
    assert not chosen.steps[1].kept, "it removes everything"
    assert "remove_small left out" in chosen.spoken
    kept = ["fill_holes"] if chosen.steps[0].kept else []
    assert [use.name for use in model.steps] == [*kept, "largest_component"]
    assert model.notices == ()


def test_a_written_mask_has_one_component(run: Path) -> None:
    from scipy import ndimage

    model = load_model(run / "run" / "model", device="cpu")
    cohort = read_manifest(next(run.glob("data/*.csv")), model.study, truth=Truth.OPTIONAL)
    assert isinstance(model.task, SegmentationTask)
    for case in cohort.cases[:3]:
        torch.manual_seed(0)
        labels = predict_case(model, case).labels
        assert labels is not None
        for index in np.unique(labels[labels > 0]):
            assert ndimage.label(labels == index, np.ones((3, 3)))[1] == 1


def test_a_model_without_its_record_applies_none_of_these_and_says_so(run: Path, tmp_path: Path) -> None:
    steps, notices = kept_steps(_study(), tmp_path)
    assert [use.name for use in steps] == ["largest_component"]
    assert "fill_holes, remove_small" in notices[0].render()


def test_a_record_that_is_damaged_or_of_another_study_is_told(run: Path, tmp_path: Path) -> None:
    record = json.loads((run / "run" / "model" / CHOSEN).read_bytes())
    (tmp_path / CHOSEN).write_text(json.dumps({**record, "study": "0" * 64}))
    with pytest.raises(InputError, match="another study"):
        kept_steps(_study(), tmp_path)
    (tmp_path / CHOSEN).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        kept_steps(_study(), tmp_path)


def test_a_federation_refuses_what_one_hospital_would_have_to_choose() -> None:
    told = [problem.where for problem in of_own_runs(_study())]
    assert told == ["inference.postprocessing.0.fill_holes.when", "inference.postprocessing.2.remove_small.when"]
    assert not [*of_own_runs(_study(["fill_holes"]))]
