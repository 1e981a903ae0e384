"""Predicted masks in the format of their images, or in another one; what is written is found again and scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study, solid_cohort
from tests.support.commands import run_wardround
from tests.support.dicoms import SECRET, write_series
from tests.support.images import write_table
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort, Truth, read_manifest
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor
from wardround.engine.experiments.mask_files import MaskFormat, mask_name, require_format
from wardround.engine.experiments.models import TrainedModel, load_model, write_study, write_weights
from wardround.engine.experiments.prediction import predict_case, write_predictions
from wardround.engine.imaging import read_header, read_label
from wardround.engine.imaging.dicom import segment_writing
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training.weights import copy_weights


def _study(**changes: object) -> Study:
    return flat_study(
        patches={"size": [16, 16, 16], "per_case": 1},
        preprocessing=[{"z_normalize": "all"}],
        augmentation=[],
        model={"name": "unet", "dimensions": 3, "filters": 2, "levels": 2},
        **changes,
    )


def _model(study: Study, folder: Path) -> TrainedModel:
    folder.mkdir()
    write_study(folder / "study.yaml", study)
    write_weights(folder / "model.safetensors", study, copy_weights(build_task(study).network()), 0)
    return load_model(folder, device="cpu")


def _series(folder: Path) -> Path:
    """A manifest with one series, and a segmentation as its truth."""
    write_series(folder / "scan", np.random.default_rng(0).integers(0, 900, (18, 20, 22)).astype(np.int16))
    mask = np.random.default_rng(1).integers(0, 2, read_header(folder / "scan").geometry.shape).astype(np.uint8)
    segment_writing.write(folder / "truth.dcm", mask, ("blob",), folder / "scan")
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Label"), [("a", "scan", "truth.dcm")])


@pytest.mark.parametrize("format_", [each for each in MaskFormat if each not in (MaskFormat.PNG, MaskFormat.TIFF)])
def test_a_series_gets_a_mask_in_any_format_and_it_scores_as_the_model_does(
    tmp_path: Path, format_: MaskFormat
) -> None:
    study = _study()
    model = _model(study, tmp_path / "model")
    cohort = read_manifest(_series(tmp_path), study, truth=Truth.REQUIRED)
    written = write_predictions(model, cohort, tmp_path / "out", format_=format_)
    (file,) = written.files
    suffix = ".dcm" if format_ is MaskFormat.LIKE_IMAGE else Path(mask_name(cohort.cases[0], format_)).suffix
    assert file.suffix == suffix
    (case,) = cohort.cases
    labels = predict_case(model, case).labels
    read, grid = read_label(file, read_header(case.channels[0]).geometry)
    np.testing.assert_array_equal(read, labels)
    assert grid.shape == read_header(case.channels[0]).geometry.shape
    scores = evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out")).cases
    assert scores[0].subject == "a"
    everything = "".join(path.name for path in (tmp_path / "out").rglob("*"))
    assert SECRET not in everything + (tmp_path / "out" / ".wardround-files").read_text()


@pytest.mark.parametrize("format_", [MaskFormat.PNG, MaskFormat.TIFF, MaskFormat.NIFTI])
def test_pictures_get_masks_in_other_formats(tmp_path: Path, format_: MaskFormat) -> None:
    study = flat_study()
    cohort = read_manifest(flat_cohort(tmp_path, cases=1), study, truth=Truth.REQUIRED)
    write_predictions(_model(study, tmp_path / "model"), cohort, tmp_path / "out", format_=format_)
    assert (tmp_path / "out" / mask_name(cohort.cases[0], format_)).is_file()
    evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))


def test_what_a_format_cannot_hold_is_told_before_any_work(tmp_path: Path) -> None:
    study, cohort = _study(), Cohort(tmp_path / "data.csv", (_case(tmp_path),))
    with pytest.raises(InputError, match="this format holds flat images, and the masks are volumes"):
        require_format(study, cohort, MaskFormat.PNG)
    nifti = read_manifest(solid_cohort(tmp_path / "solid", cases=1), study, truth=Truth.REQUIRED)
    with pytest.raises(InputError, match="a DICOM-SEG names the DICOM series that it was made from"):
        require_format(study, nifti, MaskFormat.DICOM_SEG)
    odd = _study(classes={"blob": 5})
    with pytest.raises(InputError, match=r"segments of a DICOM-SEG are numbered 1, 2, 3.*got 5; expected 1 to 1"):
        require_format(odd, cohort, MaskFormat.LIKE_IMAGE)
    require_format(odd, cohort, MaskFormat.NIFTI)
    table = read_manifest(halves_cohort(tmp_path / "halves"), halves_study(), truth=Truth.REQUIRED)
    with pytest.raises(InputError, match="predictions of this model are one table"):
        require_format(halves_study(), table, MaskFormat.NIFTI)


def _case(folder: Path) -> Case:
    write_series(folder / "scan")
    return Case("a", "a", (folder / "scan",), None, None, None, 1)


def test_masks_are_called_by_the_format_of_their_image(tmp_path: Path) -> None:
    case = _case(tmp_path)
    single = sorted((tmp_path / "scan").iterdir())[0]
    for channel, name in (
        (case.channels[0], "a.dcm"),
        (Path(f"{tmp_path}/scan#3"), "a.dcm"),
        (single, "a.dcm"),
        (tmp_path / "x.nii.gz", "a.nii.gz"),
        (tmp_path / "x.jpeg", "a.png"),
        (tmp_path / "x.IMA", "a.dcm"),
    ):
        assert mask_name(replace(case, channels=(channel,))) == name


def test_the_command_takes_the_format_and_suggests_one(tmp_path: Path) -> None:
    _model(_study(), tmp_path / "model")
    words = ("predict", tmp_path / "model", "--manifest", _series(tmp_path), "--out", tmp_path / "out", "--format")
    wrong = run_wardround(*words, "nift")
    assert wrong.code == 2
    assert "--format: unknown format (got 'nift'" in wrong.err
    assert "Did you mean 'nifti'?" in wrong.err
    assert run_wardround(*words, "nrrd").code == 0
    assert (tmp_path / "out" / "a.nrrd").is_file()
    assert run_wardround(*words[:-1]).code == 0
    assert (tmp_path / "out" / "a.dcm").is_file()
