"""Each name that a row of the registry says GaNDLF has can be imported."""

from __future__ import annotations

from typing import Any

import pytest

from wardround.engine.interop.gandlf.changes import read_augmentation
from wardround.engine.interop.gandlf.images import Steps
from wardround.engine.interop.gandlf.learning import read_loss, read_optimizer, read_schedule
from wardround.engine.interop.gandlf.network import read_model
from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.scoring import validation_line
from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.uses import Use, known_names, parts_called
from wardround.engine.parts import Kind

TASKS = ("segmentation", "classification", "regression")


def settings(content: dict[str, Any], place: str = "") -> Settings:
    return Settings(content, place, Notes("config.yaml"))


def a_use(kind: Kind, name: str) -> list[Use | None]:
    """What is made of a name, for each task that it serves."""
    tasks = {task for part in parts_called(kind, name) for task in part.tasks or TASKS} & {*TASKS}
    if kind is Kind.NETWORK:
        model = settings({"architecture": name}, "model")
        return [read_model(model, parts_called(kind, name)[0], (64, 64, 64), model.notes)]
    if kind is Kind.LOSS:
        return [read_loss(found := settings({"loss_function": name}), task, found.notes) for task in sorted(tasks)]
    if kind is Kind.OPTIMIZER:
        return [read_optimizer(found := settings({"optimizer": name}), found.notes)]
    return [read_schedule(found := settings({"scheduler": name}), found.notes)]


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.OPTIMIZER, Kind.SCHEDULE, Kind.LOSS])
def test_each_name_that_a_row_has_can_be_imported(kind: Kind) -> None:
    for name in known_names(kind):
        for use in a_use(kind, name):
            assert use is not None, name
            assert use.part in parts_called(kind, name), name
            use.part.parameters.model_validate(dict(use.parameters))


def test_each_metric_that_a_row_names_can_be_imported() -> None:
    for name in known_names(Kind.METRIC):
        for part in parts_called(Kind.METRIC, name):
            for task in part.tasks & {*TASKS}:
                found = settings({"metrics": [name]})
                assert f"select: {part.name}" in validation_line(found, task, found.notes)


GIVEN: dict[str, Any] = {
    **{name: {"min": 0, "max": 9} for name in ("clip", "clamp", "threshold")},
    **{name: [8, 8] for name in ("crop", "centercrop", "resize", "resize_image", "resize_images", "resize_patch")},
    "normalize_by_val": {"mean": [0.5] * 3, "std": [0.2] * 3},
    "resample": {"resolution": [1, 1]},
}


def test_each_step_that_a_row_names_can_be_imported() -> None:
    for name in known_names(Kind.PREPROCESSING):
        found = settings({name: GIVEN.get(name)}, "data_preprocessing")
        (use,) = Steps(found, 2).read()
        found.notes.findings.raise_if_any()
        assert use.part in parts_called(Kind.PREPROCESSING, name) or name == "histogram_matching", name


def test_each_transform_that_a_row_names_can_be_imported() -> None:
    for name in known_names(Kind.AUGMENTATION):
        notes = Notes("config.yaml")
        uses = read_augmentation([name], 3, notes)
        notes.findings.raise_if_any()
        assert tuple(use.part for use in uses) == parts_called(Kind.AUGMENTATION, name), name


def test_histograms_are_matched_to_landmarks_that_stay_in_the_hospital() -> None:
    for target, name in (("a.nii.gz", "nyul"), ("adaptive", "adaptive_histogram_equalization")):
        (use,) = Steps(settings({"histogram_matching": {"target": target}}, "data_preprocessing"), 2).read()
        assert use.part.name == name
