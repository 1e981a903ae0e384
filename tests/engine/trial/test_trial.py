"""Every part that fails is named with its package and release, at its key, with what was got; sound ones pass."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.checkout import CHECKOUT
from tests.support.failing_parts import PACKAGE
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.parts import PartFault
from wardround.engine.study import load_study
from wardround.engine.trial import trial_pass

NORM = {"norm": "group"}


def _study(kind: str, how: str, base: dict[str, Any] = SEGMENTATION) -> Any:
    """A study whose part of that kind fails in that way; all others are sound."""
    training, validation = base["training"], base["validation"]
    part = {f"bad_{kind}": {"how": how}}
    sections: dict[str, dict[str, Any]] = {
        "step": {"preprocessing": [*base["preprocessing"], part, "z_normalize"]},
        "transform": {"augmentation": [part]},
        "network": {"model": {"name": "bad_network", "dimensions": base["model"]["dimensions"], "how": how}},
        "loss": {"training": {**training, "loss": part}},
        "metric": {"validation": {**validation, "metrics": [part], "select": "bad_metric"}},
        "optimizer": {"training": {**training, "optimizer": part}},
        "schedule": {"training": {**training, "schedule": part}},
    }
    return study_of(changed(base, **sections[kind]))


FAILURES = [
    ("step", "constructor", "ValueError: trouble of the author's own"),
    ("step", "version", "the version '1.0'"),
    ("step", "raises", "ValueError: trouble"),
    ("step", "nothing", "a NoneType; expected a Sample"),
    ("step", "array", "a ndarray; expected a Sample"),
    ("step", "channel", "expected 1 channel and 3 axes"),
    ("step", "grid", "on a grid of"),
    ("step", "nan", "NaN or infinite; expected finite numbers"),
    ("step", "no_mask", "no mask; expected a mask"),
    ("step", "blurred_mask", "a mask of float64; expected a mask of whole numbers"),
    ("step", "new_class", "in the mask; expected places of classes, 0 to 2"),
    ("step", "in_place", "image, changed in place"),
    ("transform", "constructor", "ValueError: trouble"),
    ("transform", "draw", "ValueError: trouble"),
    ("transform", "raises", "ValueError: trouble"),
    ("transform", "single", "a Tensor; expected an image"),
    ("transform", "shape", "shape (2, 1, 16, 16, 15)"),
    ("transform", "type", "an image of float64"),
    ("transform", "no_label", "a label None; expected an image"),
    ("transform", "nan", "NaN or infinite"),
    ("transform", "random", "another image for the same draws"),
    ("transform", "new_class", "in the label; expected places of classes, 0 to 2"),
    ("transform", "in_place", "image, changed in place"),
    ("network", "constructor", "ValueError: trouble"),
    ("network", "function", "a function; expected a torch.nn.Module"),
    ("network", "raises", "ValueError: trouble"),
    ("network", "shape", "shape (2, 3, 16, 16, 8); expected numbers of shape (2, 3, 16, 16, 16)"),
    ("network", "classes", "shape (2, 1, 16, 16, 16); expected numbers of shape (2, 3, 16, 16, 16)"),
    ("network", "tuple", "a tuple; expected a tensor of shape (2, 3, 16, 16, 16)"),
    ("network", "nan", "outputs, of which"),
    ("network", "detached", "outputs without a gradient"),
    ("network", "random", "other outputs for the same image"),
    ("loss", "constructor", "ValueError: trouble"),
    ("loss", "raises", "ValueError: trouble"),
    ("loss", "nan", "losses, of which 2 of 2 are NaN or infinite"),
    ("loss", "scalar", "shape (); expected one number per sample, in a tensor of shape (2,)"),
    ("loss", "voxels", "shape (2, 16, 16, 16); expected one number per sample"),
    ("loss", "number", "a float; expected one number per sample"),
    ("loss", "detached", "numbers without a gradient; expected a loss that can be differentiated"),
    ("loss", "rounded", "torch.int64 of shape (2,)"),
    ("loss", "mixed", "for it alone; expected a loss of each sample"),
    ("loss", "nan_gradient", "the gradient, of which"),
    ("metric", "constructor", "ValueError: trouble"),
    ("metric", "name", "the `name` 'another'"),
    ("metric", "raises", "ValueError: trouble"),
    ("metric", "empty", "ValueError: trouble"),
    ("metric", "number", "a float; expected numbers by name"),
    ("metric", "text", "a str for 'bad_metric'"),
    ("metric", "tensor", "a Tensor for 'bad_metric'"),
    ("metric", "nan", "bad_metric = nan"),
    ("metric", "key", "the name 'score'"),
    ("optimizer", "constructor", "ValueError: trouble"),
    ("optimizer", "none", "a NoneType; expected a torch.optim.Optimizer"),
    ("optimizer", "state", "keeps 'word' as str"),
    ("optimizer", "idle", "weights as they were before its step"),
    ("optimizer", "nan", "weights after a step"),
    ("schedule", "raises", "ValueError: trouble"),
    ("schedule", "nan", "nan at step 0 of 1; expected a number of 0 or more"),
    ("schedule", "negative", "-0.1 at step 0 of 1"),
    ("schedule", "text", "could not convert string to float"),
]
KEYS = {
    "step": "preprocessing.2.bad_step",
    "transform": "augmentation.0.bad_transform",
    "network": "model",
    "loss": "training.loss",
    "metric": "validation.metrics.0",
    "optimizer": "training.optimizer",
    "schedule": "training.schedule",
}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(("kind", "how", "said"), FAILURES, ids=lambda value: str(value)[:24])
def test_a_part_that_fails_is_named_with_its_package(kind: str, how: str, said: str) -> None:
    (problem,) = trial_pass(_study(kind, how))
    assert isinstance(problem, PartFault)
    told = problem.render()
    assert said in told
    assert problem.where == KEYS[kind]
    assert f"'bad_{kind}', of the package {PACKAGE}" in problem.what
    assert f"Tell the author of the package {PACKAGE}" in problem.remedy
    assert "Traceback" not in told
    assert problem.traceback.startswith("Traceback") is problem.what.endswith("fails")
    assert "\n" not in told


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_a_part_that_works_passes(kind: str) -> None:
    assert trial_pass(_study(kind, "well")) == ()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("how", "said"),
    [("summary", "a float for 'bad_metric'"), ("raises", "ValueError: trouble"), ("text", "a str for 'bad_metric'")],
)
def test_a_metric_of_a_classification_is_tried_too(how: str, said: str) -> None:
    (problem,) = trial_pass(_study("metric", how, CLASSIFICATION))
    assert said in problem.render()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_parts_of_a_classification_are_tried_too(kind: str) -> None:
    how = "constructor" if kind != "schedule" else "raises"
    (problem,) = trial_pass(_study(kind, how, CLASSIFICATION))
    assert PACKAGE in problem.what


@pytest.mark.usefixtures("package")
def test_all_that_fail_are_told_at_once() -> None:
    study = study_of(
        changed(
            SEGMENTATION,
            preprocessing=[{"bad_step": {"how": "raises"}}],
            augmentation=[{"bad_transform": {"how": "nan"}}, {"bad_transform": {"how": "shape"}}],
            model={"name": "bad_network", "how": "shape"},
            training={
                "loss": {"bad_loss": {"how": "nan"}},
                "optimizer": {"bad_optimizer": {"how": "idle"}},
                "schedule": {"bad_schedule": {"how": "negative"}},
            },
            validation={"metrics": ["dice", {"bad_metric": {"how": "text"}}], "select": "dice"},
        )
    )
    found = [problem.where for problem in trial_pass(study)]
    assert found == [
        "preprocessing.0.bad_step",
        "augmentation.0.bad_transform",
        "augmentation.1.bad_transform",
        "model",
        "training.loss",
        "training.optimizer",
        "training.schedule",
        "validation.metrics.1",
    ]


@pytest.mark.usefixtures("package")
def test_an_implementation_that_is_not_there_is_its_packages_fault() -> None:
    (problem,) = trial_pass(study_of(changed(SEGMENTATION, training={"loss": "gone_loss"})))
    assert "ModuleNotFoundError: No module named 'no_such_module'" in problem.got
    assert PACKAGE in problem.what


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("kind", "how", "said"), [("loss", "validator", "KeyError"), ("network", "reduction", "Value")]
)
def test_parameters_that_fail_while_a_study_is_read_are_their_packages_fault(kind: str, how: str, said: str) -> None:
    with pytest.raises(InputError, match=f"'bad_{kind}', of the package {PACKAGE}, fails .got {said}"):
        _study(kind, how)


@pytest.mark.parametrize("name", ["demo", "hippocampus", "pneumonia"])
def test_the_ready_studies_pass(name: str) -> None:
    assert trial_pass(load_study(CHECKOUT / "configs" / name / "study.yaml")) == ()


@pytest.mark.parametrize(
    "steps",
    [
        [{"clip": {"low": 500, "high": 2000}}, "z_normalize"],
        [
            {"clip": {"low": 0, "high": 1}},
            {"z_normalize": {"within": "nonzero"}},
            {"rescale": {"percentiles": [1, 99]}},
        ],
        [{"resample": [0.01, 0.01, 0.01]}, "z_normalize"],
        [{"resize": [1000, 1000, 1000]}, "z_normalize"],
        [{"orient": "LPS"}, {"resample": [3, 3, 5]}, {"resize": [20, 20, 20]}],
    ],
)
def test_what_a_made_up_case_cannot_show_is_no_fault_of_a_study(steps: list[Any]) -> None:
    assert trial_pass(study_of(changed(SEGMENTATION, preprocessing=steps))) == ()


def test_a_built_in_part_that_does_not_go_with_the_study_is_told_too() -> None:
    weights = {"loss": {"cross_entropy": {"class_weights": [1, 1, 1]}}}
    study = study_of(changed(SEGMENTATION, training=weights))
    fewer = study.model_copy(update={"classes": {"left": 1}})
    (problem,) = trial_pass(fewer)
    assert problem.where == "training.loss"
    assert "the loss 'cross_entropy', of Wardround itself, fails" in problem.what


def test_a_network_that_is_too_deep_for_the_patch_is_told() -> None:
    study = study_of(SEGMENTATION)
    deep = study.model.parameters.model_copy(update={"levels": 7})
    deeper = study.model_copy(update={"model": study.model.model_copy(update={"parameters": deep})})
    (problem,) = trial_pass(deeper)
    assert problem.where == "model"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("side", "patch", "passes"), [(96, 96, True), (128, 128, True), (32, 96, False), (96, 128, False)]
)
def test_a_network_for_one_size_of_patch_is_tried_on_the_studys(side: int, patch: int, passes: bool) -> None:
    model = {"name": "picky_network", "side": side}
    found = trial_pass(study_of(changed(SEGMENTATION, model=model, patches={"size": [patch] * 3})))
    assert bool(found) is not passes


def test_large_patches_and_networks_take_neither_time_nor_memory() -> None:
    model = {"name": "unet", "filters": 64, "levels": 6}
    study = study_of(changed(SEGMENTATION, model=model, patches={"size": [256, 256, 256]}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert trial_pass(study) == ()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_random_states_are_left_as_they_are() -> None:
    before = torch.random.get_rng_state()
    trial_pass(study_of(SEGMENTATION))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trial_pass(study_of(SEGMENTATION))
    assert not list(tmp_path.iterdir())
