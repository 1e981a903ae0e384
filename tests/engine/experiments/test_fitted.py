"""Preprocessing that is fitted: from training cases alone, once, the same after a kill, and true to the model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from tests.engine.experiments.cohorts import (
    flat_cohort,
    flat_study,
    halves_cohort,
    halves_study,
    solid_cohort,
    solid_study,
)
from wardround.engine.basics.files import read_checked
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Folds
from wardround.engine.cohort.columns import Truth
from wardround.engine.cohort.manifest import read_manifest
from wardround.engine.experiments import fitting
from wardround.engine.experiments.estimate import estimate
from wardround.engine.experiments.fit import fit
from wardround.engine.experiments.folds import fit_splits
from wardround.engine.experiments.models import load_model
from wardround.engine.experiments.prediction import predict_case
from wardround.engine.experiments.run_record import RunRecord
from wardround.engine.experiments.states import STATE
from wardround.engine.experiments.workbench import Survey, Workbench
from wardround.engine.preprocessing.fitted import FittedState, Scale, Window
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import Request
from wardround.engine.study import Study

STEPS: list[Any] = [
    {"cohort_clip": {"within": "foreground", "percentiles": [2, 98]}},
    {"cohort_normalize": {"within": "foreground"}},
]


def _study(**changes: Any) -> Study:
    return flat_study(preprocessing=STEPS, **changes)


def _benches(study: Study, manifest: Path, work: Path, folds: Folds | int = Folds.NESTED) -> dict[str, Workbench]:
    survey = Survey.of(study, manifest, folds=folds, device="cpu")
    splits = Workbench.fill(survey, work).with_splits({named.name: named.split for named in survey.plan.splits})
    return {name: bench.fitted() for name, bench in splits.items()}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flat_cohort(tmp_path_factory.mktemp("data"), cases=7)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def benches(manifest: Path, work: Path) -> dict[str, Workbench]:
    """All nested splits of seven cases."""
    return _benches(_study(), manifest, work)


def _training_bytes(bench: Workbench) -> Mapping[str, bytes]:
    return {case.subject: bench.stored[case.subject].image.tobytes() for case in bench.split.train}


def _brightened(manifest: Path, folder: Path, subject: str) -> Path:
    """The same cohort, one of whose images has other values."""
    shutil.copytree(manifest.parent, folder)
    case = next(
        case
        for case in read_manifest(folder / manifest.name, _study(), truth=Truth.REQUIRED).cases
        if case.subject == subject
    )
    path = case.channels[0]
    Picture.fromarray(255 - np.asarray(Picture.open(path))).save(path)
    return folder / manifest.name


def test_no_split_sees_a_value_of_its_validation_or_test_cases(
    benches: dict[str, Workbench], manifest: Path, tmp_path: Path
) -> None:
    assert len(benches) == 6
    subjects = [case.subject for case in next(iter(benches.values())).cohort.cases]
    told = set()
    for subject in subjects[:4]:
        changed = _benches(_study(), _brightened(manifest, tmp_path / subject, subject), tmp_path / f"{subject}-work")
        for name, before in benches.items():
            is_training = subject in {case.subject for case in before.split.train}
            after = changed[name]
            assert (after.state != before.state) is is_training, (subject, name)
            if not is_training:
                assert _training_bytes(after) == _training_bytes(before)
            told.add(is_training)
    assert told == {True, False}


def test_each_split_has_what_numpy_finds_in_its_training_cases(benches: dict[str, Workbench]) -> None:
    assert len({bench.state.digest for bench in benches.values()}) > 3
    for bench in benches.values():
        rows = [bench.unfitted[case.subject] for case in bench.split.train]
        values = np.concatenate([row.image[0][row.label > 0] for row in rows if row.label is not None])
        window, scale = (step.channels[0] for step in bench.state.steps)
        assert isinstance(window, Window)
        assert isinstance(scale, Scale)
        assert window.high == pytest.approx(np.percentile(values, 98), abs=np.ptp(values).item() / 4096)
        assert scale.mean == pytest.approx(np.clip(values, window.low, window.high).mean(dtype=np.float64), rel=1e-12)
        assert bench.state.cases == len(bench.split.train)
        ready = np.concatenate([bench.stored[case.subject].image[0].ravel() for case in bench.split.train])
        assert ready.max() == pytest.approx((window.high - scale.mean) / scale.deviation, rel=1e-6)


def test_cases_before_the_fitted_steps_are_shared_by_all_splits(benches: dict[str, Workbench]) -> None:
    first, *others = benches.values()
    for bench in others:
        assert {case.folder for case in bench.unfitted.values()} == {case.folder for case in first.unfitted.values()}
        assert bench.cohort_digest == first.cohort_digest


def test_what_was_answered_is_not_asked_again(
    benches: dict[str, Workbench], manifest: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "summarise_case", _fail)
    again = _benches(_study(), manifest, work)
    assert {name: bench.state for name, bench in again.items()} == {
        name: bench.state for name, bench in benches.items()
    }


def _fail(*_: object) -> None:
    raise AssertionError("a case was asked again")


def test_a_fit_that_is_killed_or_finds_damage_comes_to_the_same(
    benches: dict[str, Workbench], manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, expected = next(iter(benches.items()))
    asked: list[Request] = []
    real = fitting.summarise_case

    def kill(request: Request, *others: Any) -> Any:
        asked.append(request)
        if len(asked) == 6:
            raise KeyboardInterrupt
        return real(request, *others)

    with monkeypatch.context() as killed:
        killed.setattr(fitting, "summarise_case", kill)
        with pytest.raises(KeyboardInterrupt):
            _benches(_study(), manifest, tmp_path)
    kept = [path for path in (tmp_path / "store" / "summaries").rglob("*.json") if read_checked(path)]
    assert kept
    kept[0].write_bytes(kept[0].read_bytes().replace(b'"cases":', b'"cases": '))
    assert _benches(_study(), manifest, tmp_path)[name].state == expected.state


def test_hospitals_that_share_a_cohort_learn_what_one_learns(benches: dict[str, Workbench]) -> None:
    bench = next(iter(benches.values()))
    train = bench.split.train
    split = bench.split.__class__
    hospitals = [bench.with_splits({"": split(part, (), ())})[""] for part in (train[:1], train[1:])]
    outcome, answers = Fitting(bench.study).next_request([]), []
    while isinstance(outcome, Request):
        told = [hospital.summarise(outcome) for hospital in hospitals]
        answers.append(told[1].merge(told[0]))
        outcome = Fitting(bench.study).next_request(answers)
    assert outcome == bench.state
    learned = hospitals[0].with_state(outcome)
    assert _training_bytes(learned).items() <= _training_bytes(bench).items()


def test_before_it_is_fitted_nothing_can_be_learned(manifest: Path, work: Path) -> None:
    bench = Workbench.fill(Survey.of(_study(), manifest, device="cpu"), work)
    assert bench.padding_notices() == ()
    with pytest.raises(InputError, match="not those of this study's preprocessing"):
        bench.source()


def test_a_model_carries_what_was_learned_and_predicts_with_it(benches: dict[str, Workbench], tmp_path: Path) -> None:
    bench = next(iter(benches.values()))
    result = fit(bench, tmp_path / "run")
    state = FittedState.model_validate_json((result.model / STATE).read_bytes())
    assert state == bench.state
    record = RunRecord.model_validate_json(read_checked(tmp_path / "run" / "run.json"))
    assert record.fitted == state.digest
    model = load_model(result.model, device="cpu")
    case = bench.split.validation[0]
    expected = model.task.most_probable(model.network, bench.stored[case.subject], model.device)
    np.testing.assert_array_equal(predict_case(model, case).labels, expected)
    other = bench.with_state(state.model_copy(update={"steps": (_shifted(state), state.steps[1])}))
    with pytest.raises(InputError, match="other fitted values than those that this run began with"):
        fit(other, _begun(tmp_path / "run", tmp_path / "begun"))


def _shifted(state: FittedState) -> Any:
    window = state.steps[0].channels[0]
    assert isinstance(window, Window)
    return state.steps[0].model_copy(update={"channels": (Window(low=window.low - 1, high=window.high),)})


def _begun(run: Path, folder: Path) -> Path:
    """A run that has begun, and is not finished."""
    folder.mkdir()
    shutil.copy(run / "run.json", folder)
    return folder


def test_a_model_without_its_values_or_with_others_is_refused(benches: dict[str, Workbench], tmp_path: Path) -> None:
    first, second, *_ = benches.values()
    model = fit(first, tmp_path / "run").model
    content = (model / STATE).read_bytes()
    (model / STATE).unlink()
    with pytest.raises(InputError, match=r"preprocessing.json is missing"):
        load_model(model, device="cpu")
    for other in (second.state, first.state.model_copy(update={"steps": first.state.steps[:1]})):
        (model / STATE).write_text(other.model_dump_json())
        with pytest.raises(InputError, match="not those that these weights were trained with"):
            load_model(model, device="cpu")
    (model / STATE).write_bytes(content[:-3])
    with pytest.raises(InputError, match="damaged"):
        load_model(model, device="cpu")
    (model / STATE).write_text(json.dumps({**json.loads(content), "later": 1}))
    with pytest.raises(InputError, match="later release"):
        load_model(model, device="cpu")
    (model / STATE).write_bytes(content)
    assert load_model(model, device="cpu").state == first.state


def test_a_study_that_fits_nothing_has_no_file_of_it(manifest: Path, tmp_path: Path) -> None:
    bench = Workbench.open(flat_study(), manifest, tmp_path, device="cpu")
    assert bench.fitted() is bench
    result = fit(bench, tmp_path / "run")
    assert not (result.model / STATE).exists()
    assert b"fitted" not in read_checked(tmp_path / "run" / "run.json")
    assert not (tmp_path / "store" / "summaries").exists()


def test_folds_are_fitted_one_by_one(manifest: Path, tmp_path: Path) -> None:
    study = _study(training={"loss": "dice_ce", "batch_size": 4, "steps": 1})
    survey = Survey.of(study, manifest, folds=Folds.NESTED, device="cpu")
    assert estimate(survey, tmp_path / "work").store_bytes > 0
    bench = Workbench.fill(survey, tmp_path / "work")

    def silent(*_: object) -> Any:
        from contextlib import nullcontext

        from wardround.engine.basics.progress import SILENT

        return nullcontext(SILENT)

    fit_splits(bench, survey.plan.splits[:2], tmp_path / "runs", silent)
    states = {(path.parent / STATE).read_bytes() for path in (tmp_path / "runs").rglob("model.safetensors")}
    assert len(states) == 2


def test_a_largest_case_that_gives_nothing_to_fit_to_tells_how_long_a_run_takes(tmp_path: Path) -> None:
    study = _study(training={"loss": "dice_ce", "batch_size": 4, "steps": 1})
    survey = Survey.of(study, flat_cohort(tmp_path / "data"), device="cpu")
    expected = estimate(survey, tmp_path / "work")
    largest = survey.split.train[0]
    assert largest.label is not None
    Picture.fromarray(np.zeros_like(np.asarray(Picture.open(largest.label)))).save(largest.label)
    found = estimate(survey, tmp_path / "other")
    assert found.seconds > 0
    assert (found.total_steps, found.validations) == (expected.total_steps, expected.validations)
    assert found.run_bytes == expected.run_bytes
    assert found.store_bytes == pytest.approx(expected.store_bytes, rel=0.5)


@pytest.mark.parametrize("within", ["all", "nonzero"])
def test_a_classification_is_fitted_to_whole_images(within: str, tmp_path: Path) -> None:
    study = halves_study(preprocessing=[{"cohort_normalize": {"within": within}}])
    bench = Workbench.open(study, halves_cohort(tmp_path / "data"), tmp_path / "work", device="cpu")
    values = np.concatenate([case.image.ravel() for case in bench.train_cases])
    kept = values if within == "all" else values[values != 0]
    assert kept.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert kept.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_values_are_learned_after_the_steps_before(tmp_path: Path) -> None:
    steps = [{"orient": "LPS"}, {"resample": [1.5, 1.5, 1.5]}, *STEPS]
    bench = Workbench.open(
        solid_study(preprocessing=steps), solid_cohort(tmp_path / "data"), tmp_path / "work", device="cpu"
    )
    plain = Workbench.open(
        solid_study(preprocessing=steps[:2]),
        tmp_path / "data" / bench.cohort.manifest.name,
        tmp_path / "work",
        device="cpu",
    )
    assert {case.folder for case in plain.stored.values()} == {case.folder for case in bench.unfitted.values()}
    values = np.concatenate([case.image[0][case.label > 0] for case in plain.train_cases if case.label is not None])
    window = bench.state.steps[0].channels[0]
    assert isinstance(window, Window)
    assert window.low == pytest.approx(np.percentile(values, 2), abs=np.ptp(values).item() / 4096)


def test_a_cohort_without_foreground_to_learn_from_is_told(tmp_path: Path) -> None:
    manifest = flat_cohort(tmp_path / "data", cases=6)
    for case in read_manifest(manifest, _study(), truth=Truth.REQUIRED).cases:
        assert case.label is not None
        Picture.fromarray(np.zeros_like(np.asarray(Picture.open(case.label)))).save(case.label)
    with pytest.raises(InputError, match=r"step cohort_clip, channel grey: .*no voxel of a class in any of them"):
        Workbench.open(_study(), manifest, tmp_path / "work", device="cpu")
