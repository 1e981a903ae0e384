"""Pictures of cases and patches say whose they are, what they show, and which is the worst."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from tests.engine.experiments.cohorts import flat_study, halves_study, solid_study
from wardround.engine.cohort import Case
from wardround.engine.experiments.results import CasePrediction
from wardround.engine.imaging import write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.metrics.scores import CaseScores
from wardround.engine.preprocessing import Sample
from wardround.engine.report import Page
from wardround.engine.report import patches as montages
from wardround.engine.report.cases import add_pictures, case_scenes, clip_window
from wardround.engine.report.panels import Scene
from wardround.engine.report.patches import Drawn, patch_montage
from wardround.engine.report.scores import telling_cases
from wardround.engine.sampling import Batch, SampleKey
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study

SPINE = Geometry((12, 14, 6), (0.5, 0.5, 7.5), (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def _case(subject: str, file: str = "a.nii.gz", value: str | None = None) -> Case:
    return Case(subject, subject, (Path(file),), None, value, None, 1)


def _prediction(subject: str, grid: Geometry, file: str, channels: int = 1) -> CasePrediction:
    truth = np.zeros(grid.shape, np.uint8)
    truth[2:5, 2:5] = 1
    data = np.random.default_rng(0).random((channels, *grid.shape)).astype(np.float32)
    return CasePrediction(_case(subject, file), np.roll(truth, 1, 0), None, Sample(Image(data, grid), truth))


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that cases name, whose headers tell whether they have sizes and directions."""
    monkeypatch.chdir(tmp_path)
    write_image(Path("a.nii.gz"), Image(np.zeros((1, *SPINE.shape), np.uint8), SPINE))
    write_image(Path("a.png"), Image(np.zeros((1, 6, 9), np.uint8), plain_geometry((6, 9))))
    unplaced: Any = nibabel.Nifti1Image(np.zeros(SPINE.shape, np.uint8), None)
    nibabel.save(unplaced, "unplaced.nii.gz")


def _page(subjects: list[str], scores: list[float | None], study: Study) -> str:
    cases = [
        CaseScores(subject, {} if score is None else {"dice": score})
        for subject, score in zip(subjects, scores, strict=True)
    ]
    roles = telling_cases(cases, study)
    page = Page("t")
    add_pictures(page, [_prediction(subject, SPINE, "a.nii.gz") for subject in roles], roles, cases, study)
    return page.render()


def test_a_case_is_named_with_its_score_and_the_worst_is_called_so() -> None:
    text = _page(["sub-a", "sub-b", "sub-c", "sub-d"], [0.5, None, 0.25, 0.75], solid_study())
    told = re.findall(r'class="above">([^<]*)', text)
    assert told == [
        "sub-c: dice 0.2500, the worst case",
        "sub-a: dice 0.5000, a middle case",
        "sub-d: dice 0.7500, the best case",
    ]
    assert len(re.findall("<figcaption>axial, slice 1 of 6", text)) == 3
    assert "prediction (dashed)" in text
    assert 'alt="sub-c: dice 0.2500, the worst case: axial, slice 1 of 6"' in text


def test_no_case_is_called_the_worst_where_none_is() -> None:
    study = solid_study()
    assert set(telling_cases([CaseScores("a", {}), CaseScores("b", {})], study).values()) == {""}
    assert telling_cases([CaseScores("a", {"dice": 1.0})], study) == {"a": "the only scored case"}
    equal = telling_cases([CaseScores(name, {"dice": 1.0}) for name in "abc"], study)
    assert set(equal.values()) == {"all cases have the same dice"}
    assert telling_cases([], study) == {}


def test_an_unknown_orientation_has_no_letters_and_no_plane_of_the_body() -> None:
    scenes = dict(case_scenes(_prediction("a", SPINE, "unplaced.nii.gz"), solid_study()))
    assert [caption.partition(",")[0] for caption in scenes] == [
        f"across the axis {axis} of the file" for axis in "zyx"
    ]
    assert all(scene.edges is None and scene.in_mm for scene in scenes.values())
    assert all(scene.edges for _, scene in case_scenes(_prediction("a", SPINE, "a.nii.gz"), solid_study()))


def test_a_volume_is_shown_in_mm_and_a_photograph_is_not() -> None:
    study = solid_study(inputs=["T1w", "T2w"])
    scenes = dict(case_scenes(_prediction("a", SPINE, "a.nii.gz", 2), study))
    assert list(scenes) == [
        "axial, slice 1 of 6, input T1w",
        "coronal, slice 3 of 14, input T1w",
        "sagittal, slice 3 of 12, input T1w",
    ]
    assert [scene.extent for scene in scenes.values()] == [(7.0, 6.0), (45.0, 6.0), (45.0, 7.0)]
    photograph = _prediction("a", plain_geometry((6, 9)), "a.png")
    ((caption, scene),) = case_scenes(photograph, flat_study())
    assert (caption, scene.edges, scene.in_mm) == ("", None, False)
    assert np.array_equal(scene.image, photograph.sample.image.data[0])


def test_a_photograph_is_shown_in_its_colours() -> None:
    study = flat_study(inputs=["red", "green", "blue"])
    prediction = _prediction("a", plain_geometry((6, 9)), "a.png", 3)
    prediction.sample.image.data[...] *= 255
    ((caption, scene),) = case_scenes(prediction, study)
    assert caption == ""
    assert np.allclose(scene.image, np.moveaxis(prediction.sample.image.data, 0, -1) / 255)


def test_the_plane_that_was_scanned_comes_first() -> None:
    sagittal = Geometry((12, 14, 6), (0.5, 0.5, 7.5), (0.0,) * 3, (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    captions = [caption for caption, _ in case_scenes(_prediction("a", sagittal, "a.nii.gz"), solid_study())]
    assert [caption.partition(",")[0] for caption in captions] == ["sagittal", "axial", "coronal"]


def test_of_many_classes_the_worst_is_told() -> None:
    scores = {"dice": 0.5} | {f"dice.roi {number}": number / 10 for number in range(1, 9)}
    page = Page("t")
    add_pictures(page, [_prediction("a", SPINE, "a.nii.gz")], {}, [CaseScores("a", scores)], solid_study())
    assert "a: dice 0.5000 (worst class roi 1 0.1000)" in page.render()


def test_the_window_of_a_study_that_clips_is_its_range() -> None:
    clipped = flat_study(preprocessing=[{"clip": {"low": -100, "high": 300}}, {"z_normalize": "all"}])
    assert clip_window(clipped) == (-100, 300)
    assert clip_window(flat_study(preprocessing=[{"z_normalize": "all"}, {"clip": {"low": -3, "high": 3}}])) is None


def test_a_classified_case_tells_truth_and_prediction() -> None:
    study, grid = halves_study(), plain_geometry((6, 9))
    image = Image(np.zeros((1, 6, 9), np.float32), grid)
    found = CasePrediction(_case("xr-1", "a.png", "1"), None, np.array([0.9, 0.1]), Sample(image, None))
    page = Page("t")
    add_pictures(page, [found], {"xr-1": "the worst case"}, [CaseScores("xr-1", {"accuracy": 0.0})], study)
    assert "xr-1: truth right, prediction left (90%), the worst case</figcaption>" in page.render()


def _drawn(study: Study, monkeypatch: pytest.MonkeyPatch, case: Case, grid: Geometry, **more: Any) -> list[Scene]:
    seen: list[Scene] = []
    monkeypatch.setattr(montages, "montage_png", lambda scenes, *others: seen.extend(scenes) or b"")
    image = np.zeros((len(study.inputs), *grid.shape), np.float32)
    label = more.get("label")
    stored = StoredCase("d" * 64, image, label, {}, grid, grid, more.get("target"), Path())
    size = study.patches.size
    batch = Batch(
        (SampleKey("d" * 64, 3),),
        torch.zeros(1, len(study.inputs), *size),
        {} if label is None else {"mask": torch.zeros(1, *size, dtype=torch.int64)},
    )
    patch_montage(study, [Drawn(case, stored, more["corner"], batch)] * 2, {case.subject: "north"})
    return seen


def test_a_patch_stands_beside_the_whole_image_it_is_taken_from(monkeypatch: pytest.MonkeyPatch) -> None:
    study = solid_study(inputs=["T1w", "T2w"], augmentation=[], patches={"size": [8, 8, 4], "per_case": 1})
    label = np.zeros(SPINE.shape, np.uint8)
    label[5, 6, 4] = label[:, :, 0] = 1
    first, patch, second, _ = _drawn(study, monkeypatch, _case("sub-1"), SPINE, label=label, corner=(2, 3, 2))
    assert first.title == "sub-1, north\naxial, slice 5 of 6"
    assert (first.image.shape, first.box) == ((14, 12), (3, 2, 8, 8))
    assert patch.title == "patch of sub-1\naxial, input T1w, draw 3"
    assert patch.edges == first.edges
    assert second.image is not first.image


def test_a_long_name_leaves_room_for_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    label = np.zeros(SPINE.shape, np.uint8)
    study = solid_study(patches={"size": [8, 8, 4], "per_case": 1})
    name = "case-" + "very-" * 30 + "long-7"
    monkeypatch.setattr(montages, "_LONGEST_SUBJECT", 20)
    whole, patch, *_ = _drawn(study, monkeypatch, _case(name), SPINE, label=label, corner=(0, 0, 0))
    assert whole.title.startswith("case-very-…")
    assert "long-7, north\n" in whole.title
    assert "long-7\n" in patch.title


def test_a_patch_that_may_be_mirrored_names_no_side_and_classes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = solid_study(augmentation=[{"flip": "all"}], patches={"size": [8, 8, 4], "per_case": 1})
    label = np.zeros(SPINE.shape, np.uint8)
    whole, patch, *_ = _drawn(mirrored, monkeypatch, _case("sub-1"), SPINE, label=label, corner=(0, 0, 0))
    assert whole.edges is not None
    assert patch.edges is None
    study = halves_study()
    whole, *_ = _drawn(study, monkeypatch, _case("sub-1", "a.png"), plain_geometry((28, 28)), target=1, corner=(0, 0))
    assert whole.title == "sub-1, north, right"
    assert not whole.in_mm
