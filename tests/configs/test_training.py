"""Every ready study trains: from files that fit it to weights that have moved, by the way that `fit` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.uid import generate_uid

from benchmarks.tables import brca_rows, heart_rows, manifest_of
from tests.configs.real_cohorts import REAL
from tests.configs.test_configs import CONFIGS, STUDIES
from tests.support.dicoms import save
from tests.support.images import blobs, oblique_geometry, write_table
from tests.support.shared_data import shared_data
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.imaging import Geometry, Image, read_image, read_label, write_image, write_label
from wardround.engine.imaging.dicom import segment_writing
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.study import Study, load_study
from wardround.engine.trial.material import Sizes
from wardround.engine.trial.networks import slim

CASES, STEPS = 12, 2
SIDES = {2: (28, 28), 3: (24, 28, 20)}
Writer = Callable[[Path, Study, int, np.ndarray, np.ndarray], tuple[str, object]]


def _mask(folder: Path, study: Study, number: int, image: np.ndarray, mask: np.ndarray) -> tuple[str, object]:
    values = np.asarray(study.class_values, np.uint16)
    path = folder / f"mask_{number:02d}.nii.gz"
    write_label(path, values[mask], _grid(study))
    return "Label", path.name


def _category(folder: Path, study: Study, number: int, image: np.ndarray, mask: np.ndarray) -> tuple[str, object]:
    return "ValueToPredict", study.class_values[number % len(study.class_values)]


def _number(folder: Path, study: Study, number: int, image: np.ndarray, mask: np.ndarray) -> tuple[str, object]:
    return "ValueToPredict", int(mask.astype(bool).sum())


def _target(folder: Path, study: Study, number: int, image: np.ndarray, mask: np.ndarray) -> tuple[str, object]:
    path = folder / f"target_{number:02d}.nii.gz"
    write_image(path, Image((100 + 60.0 * mask)[None].astype(np.float32), _grid(study)))
    return "Target_0", path.name


TRUTHS: Mapping[str, Writer] = {
    "segmentation": _mask,
    "classification": _category,
    "regression": _number,
    "synthesis": _target,
}
"""How the truth of a generated case is written, by the study's task."""


def _grid(study: Study) -> Geometry:
    shape = SIDES[study.dimensions]
    return oblique_geometry(shape) if len(shape) == 3 else plain_geometry(shape)


def write_cohort_for(study: Study, folder: Path) -> Path:
    """Images with blobs and the truth that a study asks for; the path of their manifest."""
    shape, random = SIDES[study.dimensions], np.random.default_rng(0)
    folder.mkdir()
    rows, column = [], ""
    for number in range(CASES):
        image, mask = blobs(shape, max(1, len(study.class_names) - 1), random)
        suffix = ".nii.gz" if len(shape) == 3 else ".png"
        stored = image if len(shape) == 3 else image.clip(0, 255).astype(np.uint8)
        names = [f"image_{number:02d}_{channel}{suffix}" for channel in range(len(study.inputs))]
        for name in names:
            write_image(folder / name, Image(stored[None], _grid(study)))
        column, value = TRUTHS[study.task](folder, study, number, image, mask)
        rows.append((f"case_{number:02d}", *names, value))
    channels = (f"Channel_{channel}" for channel in range(len(study.inputs)))
    return write_table(folder / "data.csv", ("SubjectID", *channels, column), rows)


PICTURED = [path for path in STUDIES if load_study(path).inputs]
TABLES: Mapping[str, Callable[[Path], Iterator[dict[str, str]]]] = {"heart_disease": heart_rows, "tcga_brca": brca_rows}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", TABLES)
def test_a_ready_study_of_a_table_trains_on_the_table_itself(name: str, tmp_path: Path) -> None:
    study, rows = load_study(CONFIGS / name / "study.yaml"), TABLES[name](shared_data() / name)
    bench = Workbench.open(study, manifest_of(rows, tmp_path / "data.csv"), tmp_path / "work", device="cpu", threads=1)
    assert len(bench.cohort.cases) == {"heart_disease": 920, "tcga_brca": 1088}[name]
    learner = bench.learner(60)
    learner.train(bench.source(), 0, 60)
    summary = bench.evaluate(learner, "validation").summary
    assert summary[study.validation.select].value > 0.6


def test_every_study_is_trained_by_a_test() -> None:
    assert {path.parent.name for path in STUDIES} == {path.parent.name for path in PICTURED} | {*TABLES}


def light(study: Study) -> Study:
    """The study with few filters and two images a step, of small patches where those need not be whole images."""
    patches, side = study.patches, max(Sizes.of(study).small)
    if study.truth.on_grid:
        patches = patches.model_copy(update={"size": tuple(min(side, each) for each in patches.size)})
    training = study.training.model_copy(update={"batch_size": 2})
    few = slim(study).model_copy(update={"patches": patches, "training": training})
    return Study.model_validate(few.model_dump(by_alias=True))


@pytest.mark.parametrize(
    "path", [path for path in PICTURED if path.parent.name not in REAL], ids=lambda path: path.parent.name
)
def test_a_ready_study_trains(path: Path, tmp_path: Path) -> None:
    study = light(load_study(path))
    require_training(study, write_cohort_for(study, tmp_path / "data"), tmp_path / "work")


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL)
def test_a_ready_study_trains_on_the_images_that_it_is_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    study = light(load_study(CONFIGS / name / "study.yaml"))
    require_training(study, REAL[name](tmp_path / "data"), tmp_path / "work")


def require_training(study: Study, manifest: Path, work: Path) -> None:
    """A step or two give finite losses and move every weight."""
    bench = Workbench.open(study, manifest, work, device="cpu", threads=1)
    learner = bench.learner(100)
    before = learner.weights()
    losses: list[float] = []
    learner.train(bench.source(), 0, STEPS, on_step=lambda record: losses.append(record.loss))
    assert len(losses) == STEPS
    assert np.isfinite(losses).all()
    after = learner.weights()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    moved = [name for name, tensor in after.items() if not torch.equal(tensor, before[name])]
    assert {name for name, _ in learner.network.named_parameters()} <= set(moved), "every weight has a gradient"


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_study_of_denoising_takes_noise_off_real_images(tmp_path: Path) -> None:
    study, rows, random = load_study(CONFIGS / "hippocampus_denoising" / "study.yaml"), [], np.random.default_rng(0)
    folder = shared_data() / "hippocampus"
    names = [line.split(",")[1] for line in (folder / "north.csv").read_text().splitlines()[1:11]]
    for number, path in enumerate(folder / name for name in names):
        clean = read_image(path)
        spread = clean.data.std()
        noise = random.normal(0, spread, (2, *clean.data.shape))
        noisy = np.hypot(clean.data + noise[0], noise[1]).astype(np.float32)  # Rician, as magnitudes are
        write_image(tmp_path / f"{number}.nii.gz", replace(clean, data=noisy))
        rows.append((f"case-{number}", f"{number}.nii.gz", str(path)))
    manifest = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Target_0"), rows)
    slim = study.model.parameters.model_copy(update={"filters": 8})
    study = study.model_copy(update={"model": study.model.model_copy(update={"parameters": slim})})
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    learner = bench.learner(60)
    learner.train(bench.source(), 0, 25)
    found = bench.evaluate(learner, "validation").cases
    before = {
        case.subject: float(np.abs(read_image(case.channels[0]).data - read_image(case.targets[0]).data).mean())
        for case in bench.split.validation
    }
    assert found
    assert all(case.scores["mae"] < 0.75 * before[case.subject] for case in found), (found, before)


@pytest.mark.shared_data
def test_the_study_of_series_trains_on_series_and_segmentations(tmp_path: Path) -> None:
    study = load_study(CONFIGS / "ct_series" / "study.yaml")
    rows = [(f"case_{number}", *write_patient(tmp_path, number)) for number in range(CASES // 2)]
    manifest = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    learner = bench.learner(100)
    losses: list[float] = []
    learner.train(bench.source(), 0, STEPS, on_step=lambda record: losses.append(record.loss))
    assert len(losses) == STEPS
    assert np.isfinite(losses).all()
    present = {int(value) for case in bench.stored.values() for value in np.unique(np.asarray(case.label))}
    assert present == {0, 1, 2, 3}


def write_patient(folder: Path, number: int) -> tuple[str, str]:
    """A real series of three slices with noise of its own, every fourth pixel, and its masks as one segmentation."""
    real, scan = shared_data() / "dicom_ct_seg", folder / f"scan_{number}"
    series, visit, random = generate_uid(), generate_uid(), np.random.default_rng(number)
    for path in sorted((real / "ct-3slice").iterdir()):
        made = pydicom.dcmread(path)
        pixels = made.pixel_array[::4, ::4] + random.integers(0, 9, (128, 128))
        made.SOPInstanceUID, made.SeriesInstanceUID, made.StudyInstanceUID = generate_uid(), series, visit
        made.Rows, made.Columns, made.PixelSpacing = 128, 128, [4 * each for each in made.PixelSpacing]
        made.PixelData = pixels.astype(np.int16).tobytes()
        save(scan / path.name, made)
    mask = np.zeros((128, 128, 3), np.uint8)
    for name in ("liver", "spine", "heart"):
        found = read_label(real / f"{name}_seg.nrrd")[0][::4, ::4]
        mask = np.where(mask == 0, found, mask).astype(np.uint8)
    segment_writing.write(folder / f"seg_{number}.dcm", mask, ("liver", "spine", "heart"), scan)
    return scan.name, f"seg_{number}.dcm"
