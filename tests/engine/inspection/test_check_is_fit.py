"""What `check` calls fine `fit` takes: the folds, the sets and the preprocessing are those that training will meet."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.engine.experiments.cohorts import flat_study, halves_study
from tests.support.images import write_classification_cohort, write_segmentation_cohort
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort import Folds
from wardround.engine.experiments import Survey, Workbench
from wardround.engine.imaging import Image, read_image, write_image
from wardround.engine.inspection import Depth, check_manifest
from wardround.engine.study import Study


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_classification_cohort(folder, cases=24)
    return folder


def _table(choose: random.Random) -> list[str]:
    """A random table: few or many rows, patients with or without a column, rare classes, stated sets or none."""
    rows, patients, names = choose.randint(2, 20), choose.randint(1, 12), ["train", "validation", "test"]
    sets = {patient: choose.choice(names[: choose.randint(1, 3)]) for patient in range(patients)}
    with_patient, with_split = choose.random() < 0.7, choose.random() < 0.4
    header = ["SubjectID", "Channel_0", "ValueToPredict"]
    header += ["PatientID"] * with_patient + ["Split"] * with_split
    lines, rare = [",".join(header)], choose.random()
    for row in range(rows):
        patient = choose.randrange(patients)
        picture = choose.randrange(24) if choose.random() < 0.1 else row
        cells = [f"s{row}", f"images/picture_{picture:03d}.png", str(int(choose.random() < rare))]
        cells += [f"p{patient}"] * with_patient + [sets[patient]] * with_split
        lines.append(",".join(cells))
    return lines


def test_a_table_that_passes_the_check_can_be_split_filled_and_estimated(pictures: Path, tmp_path: Path) -> None:
    fine = refused = 0
    study = halves_study(validation={"outer_folds": 3, "inner_folds": 2, "metrics": ["accuracy"], "select": "accuracy"})
    manifest = pictures / "table.csv"
    for seed in range(60):
        manifest.write_text("\n".join(_table(random.Random(seed))))
        folds = [0, Folds.ALL, Folds.NESTED][seed % 3]
        problems = _problems(study, manifest, folds)
        if problems:
            refused += 1
            with pytest.raises(InputError) as same:
                _begin(study, manifest, folds, tmp_path)
            assert same.value.problems == problems
        else:
            fine += 1
            _begin(study, manifest, folds, tmp_path)
    assert min(fine, refused) >= 10


def _problems(study: Study, manifest: Path, folds: Folds | int) -> tuple[Problem, ...]:
    try:
        check_manifest(study, manifest, Depth.HEADERS, folds)
    except InputError as error:
        return error.problems
    return ()


def _begin(study: Study, manifest: Path, folds: Folds | int, work: Path) -> None:
    """All that `fit` does before its first step."""
    survey = Survey.of(study, manifest, folds=folds, device="cpu", depth=Depth.VOXELS)
    bench = Workbench.fill(survey, work)
    for each in bench.with_splits({named.name: named.split for named in survey.plan.splits}).values():
        assert each.train_cases
        assert each.validation_cases
        assert each.source().steps_per_epoch


def test_what_a_preprocessing_step_cannot_do_is_found_by_the_full_check(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path / "data", cases=6, shape=(24, 28), classes=1)
    path = tmp_path / "data" / "images" / "case_002.png"
    image = read_image(path)
    mostly_black = np.zeros_like(image.data)
    mostly_black[0, 3, 4] = 200
    write_image(path, Image(mostly_black.astype(np.uint8), image.geometry))
    study = flat_study(preprocessing=[{"rescale": {"percentiles": [1, 99]}}])
    check_manifest(study, manifest, Depth.HEADERS)
    with pytest.raises(InputError, match=r"data.csv:4, subject 'case_002', preprocessing step rescale: a channel w"):
        check_manifest(study, manifest, Depth.STEPS)
    with pytest.raises(
        InputError, match=r"data.csv:4, subject 'case_002', preprocessing step rescale: a channel without"
    ):
        Workbench.open(study, manifest, tmp_path / "work", device="cpu")
