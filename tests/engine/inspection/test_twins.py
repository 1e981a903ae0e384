"""The same image in two rows: found by `check`, `check --full` and the store, whatever its mask, value or file."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.engine.experiments.cohorts import flat_study, halves_study, solid_study
from tests.support.images import write_classification_cohort, write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments import Workbench
from wardround.engine.imaging import Image, read_image, read_label, write_image, write_label
from wardround.engine.inspection import Depth, check_manifest, twins
from wardround.engine.study import Study

SETS = ["Split", "train", "test", "validation", "train", "train", "train"]


def as_nii(first: Path, second: Path) -> Path:
    plain = second.with_name("copy.nii")
    plain.write_bytes(gzip.decompress(first.read_bytes()))
    return plain


def compressed_anew(first: Path, second: Path) -> Path:
    second.write_bytes(gzip.compress(gzip.decompress(first.read_bytes()), 1, mtime=5))
    return second


def as_nrrd(first: Path, second: Path) -> Path:
    other = second.with_name("copy.nrrd")
    write_image(other, read_image(first))
    return other


def with_another_header(first: Path, second: Path) -> Path:
    content = bytearray(gzip.decompress(first.read_bytes()))
    content[148:156] = b"hospital"
    second.write_bytes(gzip.compress(bytes(content)))
    return second


def png_again(first: Path, second: Path) -> Path:
    Pillow.open(first).save(second, compress_level=1)
    return second


def png_as_tiff(first: Path, second: Path) -> Path:
    other = second.with_name("copy.tif")
    Pillow.open(first).save(other)
    return other


VOLUMES = [as_nii, compressed_anew, as_nrrd, with_another_header]
PICTURES = [png_again, png_as_tiff]
Copy = Callable[[Path, Path], Path]


def cohort_with_twin(folder: Path, study: Study, copy: Copy, sets: list[str] = SETS) -> Path:
    """Six cases of which the second has the image of the first, and its own mask or value."""
    if study.task == "classification":
        manifest = write_classification_cohort(folder, cases=6)
    else:
        shape = (18, 22, 14) if study.dimensions == 3 else (24, 28)
        manifest = write_segmentation_cohort(folder, cases=6, shape=shape, classes=1)
    cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
    first, second = (case.channels[0] for case in cohort.cases[:2])
    made = copy(first, second)
    text = manifest.read_text().replace(f"images/{second.name}", f"images/{made.name}")
    manifest.write_text("\n".join(f"{line},{name}" for line, name in zip(text.splitlines(), sets, strict=True)))
    return manifest


CASES = [
    *((solid_study, copy) for copy in VOLUMES),
    *((study, copy) for study in (flat_study, halves_study) for copy in PICTURES),
]


@pytest.mark.parametrize(("study", "copy"), CASES, ids=lambda value: value.__name__)
def test_one_image_on_two_sides_is_refused_everywhere(tmp_path: Path, study: Callable[[], Study], copy: Copy) -> None:
    manifest = cohort_with_twin(tmp_path / "data", study(), copy)
    for depth in (Depth.HEADERS, Depth.VOXELS, Depth.STEPS):
        with pytest.raises(InputError, match=r"has the same image as '\w+_000' of the training set \(got a test case"):
            check_manifest(study(), manifest, depth)
    # Training decodes nothing before the store does, and finds it there.
    with pytest.raises(InputError, match=r"has the same image as '\w+_000' of the training set"):
        Workbench.open(study(), manifest, tmp_path / "work", device="cpu")


def test_a_copied_file_is_refused_before_anything_is_preprocessed(tmp_path: Path) -> None:
    manifest = cohort_with_twin(tmp_path / "data", solid_study(), lambda first, second: _copied(first, second))
    with pytest.raises(InputError, match="has the same image as 'case_000'"):
        Workbench.open(solid_study(), manifest, tmp_path / "work", device="cpu")
    assert not (tmp_path / "work").exists()


def test_large_images_are_compared_by_their_bytes_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins, "VOXELS_READ", 0)
    manifest = cohort_with_twin(tmp_path / "copy", solid_study(), lambda first, second: _copied(first, second))
    with pytest.raises(InputError, match="has the same image as 'case_000'"):
        check_manifest(solid_study(), manifest, Depth.HEADERS)
    manifest = cohort_with_twin(tmp_path / "again", solid_study(), compressed_anew)
    notices = check_manifest(solid_study(), manifest, Depth.HEADERS).inspection.notices
    assert any("compared by their files only" in notice.what for notice in notices)


def _copied(first: Path, second: Path) -> Path:
    second.write_bytes(first.read_bytes())
    return second


def test_other_images_are_left_alone(tmp_path: Path) -> None:
    def one_voxel_off(first: Path, second: Path) -> Path:
        image = read_image(first)
        data = image.data.copy()
        data[0, 3, 4, 5] += 1
        write_image(second, Image(data, image.geometry))
        return second

    manifest = cohort_with_twin(tmp_path / "data", solid_study(), one_voxel_off)
    for depth in Depth:
        check_manifest(solid_study(), manifest, depth)
    Workbench.open(solid_study(), manifest, tmp_path / "work", device="cpu")


TOGETHER = ["Split", "train", "train", "validation", "test", "train", "train"]


@pytest.mark.parametrize("depth", [Depth.HEADERS, Depth.VOXELS, Depth.STEPS])
def test_a_row_that_repeats_another_is_used_and_counted_once(tmp_path: Path, depth: Depth) -> None:
    study = solid_study()
    manifest = cohort_with_twin(tmp_path / "data", study, compressed_anew, TOGETHER)
    labels = tmp_path / "data" / "labels"
    mask, grid = read_label(labels / "case_000.nii.gz")
    assert len(Workbench.open(study, manifest, tmp_path / "work", device="cpu").train_cases) == 4
    write_label(labels / "case_001.nii.gz", mask, grid)
    checked = check_manifest(study, manifest, depth)
    assert checked.inspection.repeats == {"case_001": "case_000"}
    assert any("1 row repeats image and truth of another one" in notice.what for notice in checked.inspection.notices)
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu")
    assert [case.subject for case in bench.split.train] == ["case_000", "case_004", "case_005"]
    assert any("1 row repeats image and truth of another one" in notice.what for notice in bench.notices)
    assert bench.source().steps_per_epoch == 2


def test_one_image_with_two_masks_of_one_set_is_two_cases(tmp_path: Path) -> None:
    manifest = cohort_with_twin(tmp_path / "data", solid_study(), compressed_anew, TOGETHER)
    checked = check_manifest(solid_study(), manifest, Depth.HEADERS)
    assert checked.inspection.repeats == {}
    assert any("the same image stands in 2 rows" in notice.what for notice in checked.inspection.notices)


def test_a_store_of_an_earlier_release_is_compared_too(tmp_path: Path) -> None:
    study = solid_study()
    manifest = cohort_with_twin(tmp_path / "data", study, compressed_anew, TOGETHER)
    Workbench.open(study, manifest, tmp_path / "work", device="cpu")
    (tmp_path / "work" / "store" / "digests.sqlite").unlink()
    manifest.write_text(manifest.read_text().replace("labels/case_001.nii.gz,train", "labels/case_001.nii.gz,test"))
    with pytest.raises(InputError, match="has the same image as 'case_000'"):
        Workbench.open(study, manifest, tmp_path / "work", device="cpu")


def test_what_a_digest_covers() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    digest = twins.voxels_digest([array])
    assert digest == twins.voxels_digest([np.asfortranarray(array)])
    others = [array.reshape(2, 4, 3), array + 1, array.swapaxes(1, 2)]
    assert len({digest, *(twins.voxels_digest([other]) for other in others)}) == 4


def test_many_shared_images_are_told_of_together(tmp_path: Path) -> None:
    study = study_of(changed(CLASSIFICATION, validation={**CLASSIFICATION["validation"], "outer_folds": 2}))
    manifest = write_classification_cohort(tmp_path, cases=40)
    rows = manifest.read_text().splitlines()
    for number in range(0, 40, 2):
        one, other = (tmp_path / "images" / f"picture_{each:03d}.png" for each in (number, number + 1))
        shutil.copy(one, other)
    sets = ["train"] * 36 + ["validation"] * 4
    manifest.write_text("\n".join(f"{row},{name}" for row, name in zip(rows, ["Split", *sets], strict=True)))
    told = [notice.what for notice in check_manifest(study, manifest, Depth.HEADERS).inspection.notices]
    assert len([what for what in told if what.startswith("the same image stands in")]) == 10
    assert [what for what in told if what.startswith("10 more images stand in several rows each")]
