"""Every verb on a study of regions whose masks have voxels that are ignored: check, preview, fit, predict, evaluate."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.support.images import write_segmentation_cohort
from tests.support.studies import write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.imaging import read_label, write_label
from wardround.engine.study import load_study

STUDY = {
    "schema": 1,
    "study": "overlapping",
    "task": "segmentation",
    "inputs": ["grey"],
    "regions": {"inner": 1, "whole": [1, 2]},
    "ignore": 255,
    "preprocessing": [{"z_normalize": "all"}],
    "augmentation": [{"flip": "all"}],
    "patches": {"size": [16, 16], "per_case": 2, "foreground": 0.5},
    "model": {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2},
    "training": {
        "loss": "dice_ce",
        "optimizer": {"name": "adamw", "learning_rate": 0.02},
        "batch_size": 4,
        "steps": 16,
    },
    "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["dice", "hd95"], "select": "dice"},
}
IGNORED = (slice(None), slice(0, 10))


@dataclass(frozen=True)
class Place:
    """A cohort whose masks are ignored in their first columns, with its study."""

    folder: Path
    study: Path
    manifest: Path

    @property
    def model(self) -> Path:
        """The folder of the model that `fit` wrote."""
        return next((self.folder / "run").rglob("model/study.yaml")).parent

    def run(self, *arguments: object) -> str:
        """What a command says; it succeeds."""
        done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def refused(self, *arguments: object) -> str:
        """What a command says that refuses its input."""
        with pytest.raises(InputError) as error:
            CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
        return str(error.value)


def place(folder: Path, **changes: object) -> Place:
    manifest = write_segmentation_cohort(folder / "data", cases=6, shape=(24, 28), classes=2)
    for path in sorted((folder / "data" / "labels").iterdir()):
        mask, grid = read_label(path)
        mask[IGNORED] = 255
        write_label(path, mask, grid)
    return Place(folder, write_study(folder / "study.yaml", {**STUDY, **changes}), manifest)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory.mktemp("regions"))
    made.run("fit", made.study, "--manifest", made.manifest, "--out", made.folder / "run", "--device", "cpu")
    return made


def test_check_says_regions_and_counts_what_is_ignored(trained: Place) -> None:
    said = trained.run("check", trained.study, "--manifest", trained.manifest, "--full")
    assert "regions  whole (1 or 2), inner (1); 255 is ignored" in said
    assert "35.7% of the voxels of all masks are ignored (255), in 6 of 6" in " ".join(said.split())


def test_check_tells_masks_of_which_nothing_counts(tmp_path: Path) -> None:
    made = place(tmp_path)
    path = tmp_path / "data" / "labels" / "case_001.png"
    Image.fromarray(np.full((24, 28), 255, np.uint8)).save(path)
    said = made.refused("check", made.study, "--manifest", made.manifest, "--full")
    assert "every voxel of the mask is ignored" in said
    assert "case_001" in said
    refused = made.refused("fit", made.study, "--manifest", made.manifest, "--out", tmp_path / "run", "--device", "cpu")
    assert "every voxel of the mask is ignored" in refused


def test_check_tells_regions_that_no_mask_shows_together(tmp_path: Path) -> None:
    made = place(tmp_path, regions={"left": 1, "right": 2})
    said = " ".join(made.run("check", made.study, "--manifest", made.manifest).split())
    assert "no value of a mask lies in both of 'left' and 'right'" in said
    assert "in the order left, right" in said


def test_check_tells_values_of_no_region_and_a_region_of_no_mask(tmp_path: Path) -> None:
    made = place(tmp_path, regions={"whole": 1})
    said = " ".join(made.refused("check", made.study, "--manifest", made.manifest, "--full").split())
    assert "expected 0 (background), 1 (whole), 255 (ignored)" in said
    assert "If they are parts of a region, list them there, such as `whole: [1, 2]`" in said
    made = place(tmp_path, regions={"whole": [1, 2, 9], "nowhere": 9})
    said = " ".join(made.run("check", made.study, "--manifest", made.manifest, "--full").split())
    assert "no mask has the region 'nowhere' (9)" in said


def test_a_run_shows_its_regions(trained: Place) -> None:
    pages = "".join(path.read_text() for path in (trained.folder / "run").rglob("*.html"))
    tables = "".join(path.read_text() for path in (trained.folder / "run").rglob("*.csv"))
    for region in ("whole", "inner"):
        assert f"dice.{region}" in tables
        assert region in pages


def test_preview_draws_regions(trained: Place, tmp_path: Path) -> None:
    said = trained.run(
        "preview", trained.study, "--manifest", trained.manifest, "--out", tmp_path / "p.png", "--count", 4
    )
    assert "patches: " in said
    assert Image.open(tmp_path / "p.png").size[0] > 100


def test_files_are_scored_as_the_model_is(trained: Place, tmp_path: Path) -> None:
    """Nothing is lost where a prediction of regions is written as one value a voxel and read again."""
    model = shutil.copytree(trained.model, tmp_path / "model")  # beside no record of what it has seen
    assert load_study(model / "study.yaml").outputs == ("whole", "inner")
    predict(trained, tmp_path / "out")
    written = sorted((tmp_path / "out").glob("case_*.png"))
    values = {int(value) for path in written for value in np.unique(read_label(path)[0])}
    assert len(written) == 6
    assert {0} < values <= {0, 1, 2}
    common = ("evaluate", trained.study, "--manifest", trained.manifest, "--out")
    trained.run(*common, tmp_path / "files", "--predictions", tmp_path / "out")
    trained.run(*common, tmp_path / "network", "--model", model, "--device", "cpu")
    scores = [(tmp_path / name / "cases.csv").read_text() for name in ("files", "network")]
    assert scores[0] == scores[1]
    assert "dice.inner" in scores[0]
    assert "whole" in (tmp_path / "files" / "report.html").read_text()


def test_predictions_of_others_that_ignore_voxels_are_refused(trained: Place, tmp_path: Path) -> None:
    predict(trained, tmp_path / "out")
    for path in (tmp_path / "out").glob("case_*.png"):
        mask, grid = read_label(path)
        mask[0, 0] = 255
        write_label(path, mask, grid)
    common = ("evaluate", trained.study, "--manifest", trained.manifest, "--out", tmp_path / "files")
    said = trained.refused(*common, "--predictions", tmp_path / "out")
    assert "the prediction has values outside the study's classes" in " ".join(said.split())


def predict(trained: Place, out: Path) -> None:
    """Predict every case into a folder."""
    trained.run("predict", trained.model, "--manifest", trained.manifest, "--out", out, "--device", "cpu")
