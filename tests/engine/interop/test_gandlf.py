"""Configurations of GaNDLF become studies that check; what is otherwise is said in words."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.engine.interop.datasets import write_dataset
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.interop.gandlf import Imported, import_gandlf
from wardround.engine.interop.gandlf.changes import read_augmentation
from wardround.engine.interop.gandlf.images import Steps
from wardround.engine.interop.gandlf.learning import read_loss, read_optimizer, read_schedule
from wardround.engine.interop.gandlf.network import read_model
from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.scoring import validation_line
from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.uses import Use, known_names, parts_called
from wardround.engine.parts import Kind
from wardround.engine.study import Study, load_study

SEGMENTATION: dict[str, Any] = {
    "version": {"minimum": "0.1.0", "maximum": "0.1.5"},
    "model": {
        "dimension": 3,
        "base_filters": 8,
        "architecture": "resunet",
        "norm_type": "instance",
        "final_layer": "softmax",
        "class_list": [0, 1, 4],
        "num_channels": 2,
        "amp": False,
    },
    "modality": "rad",
    "patch_size": [32, 32, 32],
    "loss_function": "dcce",
    "metrics": ["dice", "hd95_per_label", "sensitivity"],
    "num_epochs": 40,
    "patience": 10,
    "batch_size": 2,
    "learning_rate": "1e-3",
    "scheduler": {"type": "cosineannealing", "T_0": 10, "T_mult": 2},
    "optimizer": {"type": "sgd", "momentum": 0.9},
    "nested_training": {"testing": 5, "validation": -4, "stratified": True},
    "data_preprocessing": {
        "normalize_nonZero": None,
        "to_canonical": None,
        "clip": {"min": -100, "max": 300},
        "resample": {"resolution": [1, 1, 2]},
        "crop_external_zero_planes": None,
    },
    "data_augmentation": {
        "default_probability": 0.3,
        "affine": {"scales": 0.2, "degrees": 10},
        "elastic": {"probability": 0.4},
        "kspace": None,
        "flip": {"axis": [0]},
        "noise": {"std": [0, 0.2]},
    },
    "q_samples_per_volume": 4,
    "q_num_workers": 0,
    "patch_sampler": "label",
    "clip_grad": 1.0,
    "inference_mechanism": {"grid_aggregator_overlap": "average", "patch_overlap": 16},
    "differential_privacy": {"noise_multiplier": 1.5},
}
CLASSIFICATION: dict[str, Any] = {
    "model": {
        "dimension": 2,
        "architecture": "densenet169",
        "final_layer": "softmax",
        "class_list": "[0, 1]",
        "num_channels": 3,
    },
    "modality": "histo",
    "patch_size": 64,
    "loss_function": {"focal": {"gamma": 4.0}},
    "metrics": {"f1": None, "auroc": None},
    "nested_training": {"testing": 1, "validation": -4},
    "data_preprocessing": {"stain_normalization": {"extractor": "macenko", "target": "t.png"}},
}


def write(folder: Path, content: dict[str, Any], name: str = "config.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / name


def changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at dotted keys; `...` takes a key out."""
    copied = json.loads(json.dumps(content))
    for place, value in changes.items():
        *above, key = place.split(".")
        inner = copied
        for each in above:
            inner = inner.setdefault(each, {})
        if value is ...:
            inner.pop(key, None)
        else:
            inner[key] = value
    return copied


def imported(folder: Path, content: dict[str, Any], **tables: Path) -> tuple[Study, Imported]:
    out = folder / "out" / "study.yaml"
    made = import_gandlf(write(folder, content), tables, out)
    return load_study(out), made


def refused(folder: Path, content: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        import_gandlf(write(folder, content), {}, folder / "out" / "study.yaml")
    assert not (folder / "out").exists(), "nothing is written"
    return str(error.value)


def said(made: Imported, key: str) -> str:
    return " ".join(note.sentence for note in made.notes if note.key == key)


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "no mapping of keys"),
        (b"[1, 2]", "no mapping of keys"),
        (b"a: 1", "got the keys a"),
        (b"model: [", "this is no YAML"),
        (b"model: !!python/object/apply:os.system ['true']", "this is no YAML"),
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


def tables(folder: Path) -> Path:
    """A table as GaNDLF has it, and its images."""
    write_dataset(folder, {"channel_names": {"0": "a", "1": "b"}, "labels": {"background": 0, "x": 1}})
    rows = [
        [f"case_{n}", f"imagesTr/case_{n}_0000.nii.gz", f"imagesTr/case_{n}_0001.nii.gz", f"labelsTr/case_{n}.nii.gz"]
        for n in range(4)
    ]
    with (folder / "train.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["SubjectID", "Channel_0", "Channel_1", "Label"], *rows])
    return folder / "train.csv"


def checked(study: Path, manifest: Path) -> str:
    return CliRunner().invoke(app, ["check", str(study), "--manifest", str(manifest)]).output


PLAIN = changed(
    SEGMENTATION,
    {
        "model.class_list": [0, 1, 2, 3, 4],
        "data_preprocessing": {"normalize": None},
        "nested_training": {"testing": -2, "validation": -2},
        "patch_size": 32,
        "inference_mechanism": {"patch_overlap": 8},
    },
)


def test_a_table_works_unchanged(tmp_path: Path) -> None:
    table = tables(tmp_path)
    before = table.read_bytes()
    made = import_gandlf(write(tmp_path, PLAIN), {"": table}, tmp_path / "study.yaml")
    assert made.manifest == table
    assert table.read_bytes() == before
    assert not (tmp_path / "data.csv").exists()
    assert "no problems" in checked(tmp_path / "study.yaml", table)


def test_tables_of_sets_are_joined_with_paths_that_lead_to_the_images(tmp_path: Path) -> None:
    table = tables(tmp_path / "data")
    header, *rows = table.read_text().splitlines()
    for name, some in (("a", rows[:2]), ("b", rows[2:3]), ("c", rows[3:])):
        (tmp_path / "data" / f"{name}.csv").write_text("\n".join([header, *some]) + "\n")
    out = tmp_path / "study" / "study.yaml"
    given = [
        f"--{name}={tmp_path / 'data' / file}.csv"
        for name, file in zip(("train", "validation", "test"), "abc", strict=True)
    ]
    done = CliRunner().invoke(app, ["import-gandlf", str(write(tmp_path, PLAIN)), *given, "--out", str(out), "--json"])
    assert json.loads(done.output)["manifest"] == str(out.parent / "data.csv")
    with (out.parent / "data.csv").open(newline="") as handle:
        joined = list(csv.DictReader(handle))
    assert [row["Split"] for row in joined] == ["train", "train", "validation", "test"]
    assert joined[0]["Channel_0"] == "../data/imagesTr/case_0_0000.nii.gz"
    assert "no problems" in checked(out, out.parent / "data.csv")


def test_columns_that_gandlf_knows_by_a_part_of_their_name(tmp_path: Path) -> None:
    table = tables(tmp_path)
    lines = table.read_text().splitlines()
    table.write_text("\n".join(["patient_id,T1 modality,T2 modality,Mask", *lines[1:]]) + "\n")
    made = import_gandlf(write(tmp_path, PLAIN), {"": table}, tmp_path / "study.yaml")
    assert made.manifest == tmp_path / "data.csv"
    assert (tmp_path / "data.csv").read_text().startswith("SubjectID,Channel_0,Channel_1,Label\n")
    assert "no problems" in checked(tmp_path / "study.yaml", tmp_path / "data.csv")
    assert "Mask" in said(made, "the table")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--manifest", "--train"], "do not go together"),
        (["--train"], "do not go together"),
        (["--test"], "do not go together"),
    ],
)
def test_tables_that_do_not_go_together(tmp_path: Path, given: list[str], told: str) -> None:
    table, config = tables(tmp_path), write(tmp_path, PLAIN)
    words = [word for each in given for word in (each, str(table))]
    done = CliRunner().invoke(app, ["import-gandlf", str(config), *words, "--out", str(tmp_path / "s.yaml")])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)


def test_tables_with_other_columns(tmp_path: Path) -> None:
    table = tables(tmp_path)
    (tmp_path / "other.csv").write_text("SubjectID,Channel_0,Label\na,b,c\n")
    with pytest.raises(InputError, match="other columns"):
        import_gandlf(
            write(tmp_path, PLAIN), {"train": table, "validation": tmp_path / "other.csv"}, tmp_path / "s.yaml"
        )


def test_nothing_of_somebody_else_is_replaced(tmp_path: Path) -> None:
    config = write(tmp_path, PLAIN)
    (tmp_path / "study.yaml").write_text("mine")
    with pytest.raises(InputError, match="Nothing was replaced"):
        import_gandlf(config, {}, tmp_path / "study.yaml")
    assert (tmp_path / "study.yaml").read_text() == "mine"
