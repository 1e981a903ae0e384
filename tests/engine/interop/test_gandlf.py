"""Configurations of GaNDLF become studies that check; what is otherwise is said in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.interop.gandlf_files import CLASSIFICATION, SEGMENTATION, changed, imported, refused, said, write
from wardround.engine.basics.problems import InputError
from wardround.engine.interop.gandlf import import_gandlf
from wardround.engine.study import load_study


def test_a_segmentation_is_carried_over_key_by_key(tmp_path: Path) -> None:
    study, made = imported(tmp_path, SEGMENTATION)
    assert (study.task, study.dimensions, study.patches.size) == ("segmentation", 3, (32, 32, 32))
    assert study.inputs == ("channel 0", "channel 1")
    assert study.classes == {"class 1": 1, "class 4": 4}
    model = study.model.parameters.model_dump()
    assert (study.model.name, model["filters"], model["norm"], model["levels"]) == ("resunet", 8, "instance", 5)
    names = ["orient", "clip", "resample", "crop_foreground", "z_normalize"]
    assert [use.name for use in study.preprocessing] == names
    assert study.preprocessing[-1].parameters.model_dump()["within"] == "nonzero"
    by_name = {use.name: use.parameters.model_dump() for use in study.augmentation}
    assert [*by_name] == ["spatial", "ghosting", "spike", "flip", "noise"]
    spatial = by_name["spatial"]
    assert (spatial["rotation"], spatial["scale"], spatial["elastic"]) == (10, (0.8, 1.2), 1.0)
    assert spatial["probability"] == 0.4
    assert by_name["ghosting"]["probability"] == by_name["spike"]["probability"] == 0.15
    assert (by_name["flip"]["axes"], by_name["noise"]["std"]) == ((0,), (0.0, 0.2))
    assert (study.patches.per_case, study.patches.foreground) == (4, 1)
    training = study.training
    assert (training.loss.name, training.epochs, training.batch_size, training.patience) == ("dice_ce", 40, 2, 10)
    optimizer = training.optimizer.parameters.model_dump()
    assert training.optimizer.name == "sgd"
    assert optimizer["learning_rate"] == 0.001
    assert (optimizer["momentum"], optimizer["nesterov"], optimizer["weight_decay"]) == (0.9, True, 3e-5)
    schedule = training.schedule.parameters.model_dump()
    assert (training.schedule.name, schedule["first"], schedule["growth"]) == ("cosine_restarts", 0.25, 2)
    assert (training.gradient_clip, training.precision) == (1.0, "fp32")
    assert [use.name for use in study.validation.metrics] == ["dice", "hd95", "sensitivity"]
    assert (study.validation.outer_folds, study.validation.inner_folds) == (5, 4)
    assert (study.inference.overlap, study.inference.blend) == (0.5, "constant")
    assert made.files == (tmp_path / "out" / "study.yaml",)


def test_what_gandlf_makes_of_it_without_a_word_is_said(tmp_path: Path) -> None:
    _, made = imported(tmp_path, SEGMENTATION)
    assert "schedules never step" in said(made, "scheduler")
    assert "switched off again by `proportional`" in said(made, "nested_training.stratified")
    assert "patients of the test set are trained on" in said(made, "nested_training.testing")
    assert "a noise of 10" in said(made, "differential_privacy")
    assert "leave out the first class" in said(made, "metrics")
    assert "applied after all other steps" in said(made, "data_preprocessing.normalize_nonZero")
    assert "in training alone" in said(made, "data_preprocessing.crop_external_zero_planes")
    assert "before they are resampled" in said(made, "data_augmentation")
    assert "both end as success" in said(made, "model.class_list")
    text = (tmp_path / "out" / "study.yaml").read_text()
    assert "# scheduler, in GaNDLF: schedules never step" in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_classification_with_parameters_that_gandlf_drops(tmp_path: Path) -> None:
    study, made = imported(tmp_path, CLASSIFICATION)
    assert (study.task, study.classes) == ("classification", {"class 0": 0, "class 1": 1})
    assert study.patches.size == (64, 64)
    assert study.model.parameters.model_dump()["depth"] == 169
    assert study.training.loss.parameters.model_dump()["gamma"] == 4.0
    assert "dropped before it is made" in said(made, "loss_function.focal.gamma")
    assert [use.name for use in study.preprocessing] == ["stain_normalization"]
    assert "never normalised" in said(made, "data_preprocessing.stain_normalization")
    assert [use.name for use in study.validation.metrics] == ["f1", "auc"]
    assert "an image is one patch" in said(made, "patch_size")


def test_a_regression(tmp_path: Path) -> None:
    changes = {"model.final_layer": "regression", "loss_function": "mse", "metrics": ["mse", "mae"]}
    study, _ = imported(tmp_path, changed(CLASSIFICATION, changes))
    assert (study.task, study.training.loss.name, study.validation.select) == ("regression", "mse", "mse")


@pytest.mark.parametrize(
    ("listed", "classes", "regions"),
    [
        ("[0, 1||2, 4]", {"class 1-2": (1, 2), "class 4": 4}, {}),
        ("[0, 1||2||4, 1||4, 4]", {}, {"class 1-2-4": (1, 2, 4), "class 1-4": (1, 4), "class 4": 4}),
        ([1, 2], {"class 1": 1, "class 2": 2}, {}),
    ],
)
def test_lists_of_classes(tmp_path: Path, listed: Any, classes: Any, regions: Any) -> None:
    study, _ = imported(tmp_path, changed(SEGMENTATION, {"model.class_list": listed}))
    assert (study.classes, study.regions) == (classes, regions)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"learning_rate": -0.1}, ["learning_rate: a learning rate is more than 0", "got -0.1"]),
        ({"nested_training.testing": 0}, ["nested_training.testing: this is no number of folds", "got 0"]),
        ({"nested_training.validation": 51}, ["nested_training.validation: this is no number of folds"]),
        ({"learning_rte": 0.1, "learning_rate": ...}, ["learning_rte: unknown key", "'learning_rate'"]),
        ({"model.architecture": "unett"}, ["no network stands for this", "Did you mean 'unet'"]),
        ({"model.architecture": ...}, ["the architecture is missing"]),
        ({"model.architecture": "resnet18", "model.final_layer": "softmax"}, ["this loss is not for classification"]),
        ({"loss_function": "dce"}, ["no loss stands for this"]),
        ({"metrics": ["dicee"]}, ["no metric stands for this", "'dice'"]),
        ({"optimizer": "adamm"}, ["no optimizer stands for this"]),
        ({"optimizer": {"type": "sgd", "momentum": 1.5}}, ["`momentum` of `sgd` cannot be this"]),
        ({"scheduler": "triangel"}, ["no schedule stands for this"]),
        ({"data_preprocessing": {"normalise": None}}, ["no preprocessing stands for this"]),
        ({"data_preprocessing": {"clip": {"min": 1}}}, ["one of the bounds is missing"]),
        ({"data_preprocessing": {"resample": None}}, ["the resolution is missing"]),
        ({"data_preprocessing": {"resample": {"resolution": [1, 1]}}}, ["does not fit the axes of the images"]),
        ({"data_preprocessing": {"normalize_by_val": None}}, ["`mean` or `std` is missing"]),
        ({"data_preprocessing": ["normalize"]}, ["data_preprocessing: these are no keys"]),
        ({"data_augmentation": {"flipp": None}}, ["no augmentation stands for this", "'flip'"]),
        ({"data_augmentation": {"flip": {"axis": [3]}}}, ["this is no axis"]),
        ({"data_augmentation": {"flip": {"probability": 1.5}}}, ["`probability` of `flip` cannot be this"]),
        ({"patch_sampler": "grid"}, ["unknown sampler of patches"]),
        ({"patch_size": [32, 32]}, ["this is no patch of 3 axes"]),
        ({"patch_size": ...}, ["this is no patch of 3 axes"]),
        ({"patch_size": [33, 32, 32]}, ["config.yaml, made into"]),
        ({"model.dimension": 4}, ["images have 2 or 3 axes"]),
        ({"model.num_channels": 0}, ["this is no number of channels"]),
        ({"model.num_channels": "many"}, ["this is no whole number"]),
        ({"model.class_list": [0]}, ["there is nothing but background"]),
        ({"model.class_list": ["a", 1]}, ["this is no class"]),
        ({"model.class_list": [0, 1, 1]}, ["a class stands twice"]),
        ({"model.class_list": "[0, 1&&2]"}, ["this is no class"]),
        ({"model.class_list": ...}, ["the classes are missing"]),
        ({"model.norm_type": "layer"}, ["this is no norm"]),
        ({"num_epochs": 0}, ["num_epochs: this is no number of them"]),
        ({"batch_size": 1.5}, ["this is no whole number"]),
        ({"clip_grad": -1}, ["gradients cannot be clipped so"]),
        ({"inference_mechanism.patch_overlap": 40}, ["windows cannot overlap by this"]),
        ({"inference_mechanism.grid_aggregator_overlap": "mean"}, ["unknown blend"]),
        ({"modality": "mri"}, ["unknown modality"]),
        ({"weighted_loss": "perhaps"}, ["this is no switch"]),
        ({"learning_rate": "nan"}, ["this is no number"]),
    ],
)
def test_a_configuration_that_cannot_be_meant(tmp_path: Path, changes: dict[str, Any], told: list[str]) -> None:
    found = refused(tmp_path, changed(SEGMENTATION, changes))
    for words in told:
        assert words in found


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    found = refused(tmp_path, changed(SEGMENTATION, {"learning_rate": -1, "metrics": ["dicee"], "batch_size": 0}))
    assert len(found.splitlines()) == 3


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"model.norm_type": "none"}, "model.norm_type", "every network here has norm layers"),
        ({"patch_size": [24, 24, 24]}, "patch_size", "4 levels"),
        ({"patch_size": [24, 24, 24]}, "patch_size", "halved 3 times"),
        ({"my_note": "x"}, "my_note", "nothing reads this key"),
        ({"patch_sampler": "labelsampler"}, "patch_sampler", "stops at the names"),
        ({"medcam_enabled": True}, "medcam_enabled", "`wardround explain`"),
        ({"data_preprocessing": {"normalize": None, "normalize_positive": None}},
         "data_preprocessing.normalize_positive", "only the first"),
        ({"data_preprocessing": {"rescale": {"out_min_max": [0, 1]}}}, "data_preprocessing.rescale", "from 15 to 125"),
        ({"data_augmentation": {"anisotropic": {"downsampling": 3}}}, "data_augmentation.anisotropic.downsampling",
         "1.5 is taken"),
        ({"grid_aggregator_overlap": "hann"}, "grid_aggregator_overlap", "it is ignored"),
        ({"model.architecture": "deep_unet_multilayer"}, "model.architecture", "a U-Net of the same size"),
        ({"weighted_loss": True}, "weighted_loss", "are not counted"),
        ({"metrics": ["dice", "ssim_of_mine"]}, "metrics", "has no counterpart"),
        ({"loss_function": {"tversky": {"alpha": 0.2, "delta": 1}}}, "loss_function.tversky.delta",
         "no such parameter"),
    ],
)  # fmt: skip
def test_what_is_otherwise_is_said(tmp_path: Path, changes: dict[str, Any], key: str, words: str) -> None:
    made = import_gandlf(write(tmp_path, changed(SEGMENTATION, changes)), {}, tmp_path / "study.yaml")
    assert words in said(made, key)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "no mapping of keys"),
        (b"[1, 2]", "no mapping of keys"),
        (b"a: 1", "got the keys a"),
        (b"model: [", "this is no YAML"),
        (b"model: !!python/object/apply:os.system ['true']", "this is no YAML"),
        *((f"model: !!{tag}".encode(), "this is no YAML") for tag in ("bool x", "int ''", "float ''", "timestamp x")),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
         b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\nmodel: [*d,*d,*d,*d,*d,*d,*d]", "no mapping"),
        (b"model: " + b"[" * 1200, "this is no YAML"),
        (b"#" * (2 << 20), "too large"),
    ],
)  # fmt: skip
def test_what_is_no_configuration(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "config.yaml").write_bytes(text)
    with pytest.raises(InputError, match=told):
        import_gandlf(tmp_path / "config.yaml", {}, tmp_path / "study.yaml")


def test_a_key_that_stands_twice_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path, SEGMENTATION)
    path.write_text(path.read_text() + "batch_size: 3\n")
    made = import_gandlf(path, {}, tmp_path / "study.yaml")
    assert "the last one counts" in said(made, "batch_size")
    assert load_study(tmp_path / "study.yaml").training.batch_size == 3
