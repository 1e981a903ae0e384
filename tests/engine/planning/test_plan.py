"""A plan follows from the cases, says why, and gives a study that checks and trains."""

from __future__ import annotations

import csv
import json
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

from tests.engine.planning.cohorts import body, bricks, scans, write_cases
from tests.support.images import write_classification_cohort, write_segmentation_cohort, write_table
from tests.support.shared_data import shared_data
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import Silent
from wardround.engine.cli.main import app
from wardround.engine.imaging import Image, write_image
from wardround.engine.planning.decision import Budget
from wardround.engine.planning.fingerprint import Fingerprint
from wardround.engine.planning.grids import target_spacing
from wardround.engine.planning.matter import read_matter
from wardround.engine.planning.plan import Plan, plan_study
from wardround.engine.planning.reading import read_fingerprint
from wardround.engine.planning.training import mirrored

SMALL = Budget(4_000_000_000, 2000)


def planned(manifest: Path, budget: Budget = SMALL, task: str | None = None) -> Plan:
    matter = read_matter(manifest, None, task)
    return plan_study(matter, read_fingerprint(matter.cohort, Silent()), budget, manifest.parent / "study.yaml")


def printed(manifest: Path) -> Fingerprint:
    return read_fingerprint(read_matter(manifest, None, None).cohort, Silent())


def run(*words: object) -> str:
    return CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False).output


def checked(manifest: Path, *more: str, depth: tuple[str, ...] = ()) -> str:
    """What `check` says of the study that `plan` writes beside a manifest."""
    study = manifest.parent / "study.yaml"
    assert f"wrote {study}" in run("plan", "--manifest", manifest, "--out", study, *more)
    told = run("check", study, "--manifest", manifest, *depth)
    assert "no problems" in told
    return told


def refused(manifest: Path) -> str:
    with pytest.raises(InputError) as error:
        planned(manifest)
    return str(error.value)


def parts_of(plan: Plan) -> list[str]:
    return [use.name for use in plan.study.preprocessing]


def test_volumes_with_masks(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(24, 28, 20))
    assert "each worked once" in checked(manifest, depth=("--full",))
    text = (tmp_path / "study.yaml").read_text()
    assert "# The median of 6 cases." in text
    assert "  class 2: 2   # in 6 of 6 cases" in text
    assert max(map(len, text.splitlines())) < 260


def test_a_long_training_is_as_in_nnunet(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(24, 28, 20))
    checked(manifest, "--steps", "50000", "--memory", "8 GB", depth=("--full",))
    text = (tmp_path / "study.yaml").read_text()
    assert "name: sgd" in text
    assert "low_resolution" in text
    assert "filters: 32" in text


def test_pictures_of_classes_with_a_rare_one(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path, cases=30)
    rows = list(csv.reader(manifest.open()))
    kept = [row for number, row in enumerate(rows[1:]) if row[2] == "0" or number % 8 == 1]
    write_table(manifest, rows[0], kept)
    plan = planned(manifest)
    assert plan.study.task == "classification"
    assert plan.study.patches.balance
    assert plan.study.patches.size == (28, 28)
    checked(manifest)


def test_numbers_of_volumes_and_names_of_classes(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, cases=8, shape=(24, 28, 20))
    rows = list(csv.reader(manifest.open()))
    write_table(
        manifest, ("SubjectID", "Channel_0", "ValueToPredict"), [(*row[:2], 0.5 * n) for n, row in enumerate(rows[1:])]
    )
    assert "value 0 to 3.5" in checked(manifest)
    assert planned(manifest).study.task == "regression"
    assert planned(manifest).study.dimensions == 3
    words = [(*row[:2], ("ill", "healthy")[n % 2]) for n, row in enumerate(rows[1:])]
    write_table(manifest, ("SubjectID", "Channel_0", "ValueToPredict"), words)
    assert planned(manifest).study.classes == {"healthy": 0, "ill": 1}


def test_tomography_is_told_by_air_and_whole_numbers(tmp_path: Path) -> None:
    shape, mask = (16, 20, 16), bricks((16, 20, 16), {1: (4, 8)})
    manifest = write_cases(tmp_path / "ct", scans(4, shape), [mask] * 4, body(shape))
    plan = planned(manifest)
    assert plan.study.inputs == ("CT",)
    assert parts_of(plan) == ["orient", "resample", "cohort_clip", "cohort_normalize"]
    floats = [image.astype(np.float32) + 0.25 for image in scans(4, shape)]
    other = planned(write_cases(tmp_path / "mr", floats, [mask] * 4, body(shape)))
    assert parts_of(other) == ["orient", "resample", "z_normalize"]


def test_images_that_stand_in_zeros_are_normalised_without_them(tmp_path: Path) -> None:
    shape = (20, 20, 20)
    image = np.zeros(shape, dtype=np.float32)
    image[5:15, 5:15, 5:15] = np.random.default_rng(0).normal(100, 10, (10, 10, 10))
    plan = planned(write_cases(tmp_path, [image] * 4, [bricks(shape, {1: (6, 9)})] * 4, body(shape)))
    assert plan.study.preprocessing[2].parameters.model_dump()["within"] == "nonzero"
    assert plan.fingerprint.shape((1.0, 1.0, 1.0)) == (10, 10, 10)


def test_left_and_right_structures_are_not_mirrored(tmp_path: Path) -> None:
    shape, rng = (24, 16, 16), np.random.default_rng(0)
    images = [rng.normal(100, 10, shape).astype(np.float32) for _ in range(4)]
    sided, middle = bricks(shape, {1: (2, 6), 2: (18, 22)}), bricks(shape, {1: (10, 14)})
    both = planned(write_cases(tmp_path / "sided", images, [sided] * 4, body(shape)))
    assert both.study.flipped_axes == ()
    assert not both.study.inference.mirror
    assert "the values 1 and 2 lie at mirrored places" in both.text
    one = planned(write_cases(tmp_path / "middle", images, [middle] * 4, body(shape)))
    assert one.study.flipped_axes == (0,)
    assert one.study.inference.mirror


def test_thick_slices(tmp_path: Path) -> None:
    shape, rng = (64, 64, 10), np.random.default_rng(0)
    manifests = []
    for number, thick in enumerate((4.0, 5.0, 6.0, 6.0, 6.0)):
        images = [rng.normal(100, 10, shape).astype(np.float32)]
        where = tmp_path / str(number)
        manifests.append(write_cases(where, images, [bricks(shape, {1: (4, 30)})], body(shape, (1.0, 1.0, thick))))
    print_ = reduce(lambda one, two: one.merge(two), map(printed, manifests))
    assert print_.spacing == (1.0, 1.0, 6.0)
    assert target_spacing(print_).value == (1.0, 1.0, pytest.approx(4.4, abs=0.05))  # numpy's 10th percentile
    plan = planned(manifests[0])
    strides, kernels = (plan.study.model.parameters.model_dump()[key] for key in ("strides", "kernels"))
    assert strides[0] == (2, 2, 1)
    assert kernels[0] == (3, 3, 1)


def test_hospitals_together_know_what_one_would(tmp_path: Path) -> None:
    shape, rng = (18, 20, 16), np.random.default_rng(0)
    images = [rng.normal(100, 10, shape).astype(np.float32) for _ in range(5)]
    masks = [bricks(shape, {1: (2, 6 + n), **({2: (14, 17)} if n > 2 else {})}) for n in range(5)]
    whole = printed(write_cases(tmp_path / "all", images, masks, body(shape)))
    here = printed(write_cases(tmp_path / "here", images[:2], masks[:2], body(shape)))
    there = printed(write_cases(tmp_path / "there", images[2:], masks[2:], body(shape)))
    assert here.merge(there) == there.merge(here) == whole
    assert Fingerprint.model_validate_json(whole.model_dump_json()) == whole
    assert mirrored(whole) == mirrored(here.merge(there))


def test_less_memory_gives_a_smaller_patch(tmp_path: Path) -> None:
    shape = (96, 96, 96)
    image = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    manifest = write_cases(tmp_path, [image] * 4, [bricks(shape, {1: (4, 30)})] * 4, body(shape))
    sizes = [planned(manifest, Budget(memory, 2000)).study.patches.size for memory in (500_000_000, 20_000_000_000)]
    assert np.prod(sizes[0]) < np.prod(sizes[1])
    assert sizes[1] == (96, 96, 96)


@pytest.mark.parametrize("shape", [(40, 44, 1), (5, 6, 4), (9, 60, 60)])
def test_thin_and_tiny_volumes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    images = [rng.normal(100, 10, shape).astype(np.float32) for _ in range(6)]
    checked(write_cases(tmp_path, images, [bricks(shape, {1: (1, 3)})] * 6, body(shape)), depth=("--full",))


def test_colour_pictures(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), []
    for number in range(6):
        Picture.fromarray(rng.integers(0, 255, (40, 52, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        mask = np.zeros((40, 52), dtype=np.uint8)
        mask[5:20, 5:20] = 255
        Picture.fromarray(mask).save(tmp_path / f"m{number}.png")
        rows.append((number, f"{number}.png", f"m{number}.png"))
    told = checked(write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Label"), rows))
    assert "red, green, blue" in told


def test_a_study_that_is_there_keeps_what_it_says(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(24, 28, 20))
    first, second = tmp_path / "study.yaml", tmp_path / "second.yaml"
    run("plan", "--manifest", manifest, "--out", first)
    text = (
        first.read_text()
        .replace("class 1: 1", "liver: 1")
        .replace("[image]", "[T1w]")
        .replace("study: data", "study: x")
    )
    first.write_text(text)
    run("plan", first, "--manifest", manifest, "--out", second)
    assert "classes: {liver: 1, class 2: 2}" in second.read_text()
    assert "inputs: [T1w]" in second.read_text()
    assert "study: x\n" in second.read_text()


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    shape, mask = (16, 20, 16), bricks((16, 20, 16), {1: (4, 8)})
    manifest = write_cases(tmp_path, scans(4, shape), [mask] * 4, body(shape))
    broken = np.full(shape, np.nan, dtype=np.float32)
    write_image(tmp_path / "image_1.nii.gz", Image(broken[None], body(shape)))
    (tmp_path / "image_2.nii.gz").write_bytes(b"")
    write_image(tmp_path / "mask_3.nii.gz", Image(np.zeros((1, 4, 4, 4), np.uint8), body((4, 4, 4))))
    told = refused(manifest)
    for each in ("'case 1'", "'case 2'", "'case 3'", "values that are not numbers", "4 x 4 x 4"):
        assert each in told


def test_flat_images_among_volumes(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, cases=3, shape=(24, 28, 20))
    other = write_segmentation_cohort(tmp_path / "flat", cases=3, shape=(24, 28))
    rows = [
        *list(csv.reader(manifest.open())),
        *[(f"f{a}", f"flat/{b}", f"flat/{c}") for a, b, c in list(csv.reader(other.open()))[1:]],
    ]
    write_table(manifest, rows[0], rows[1:])
    assert "some images are flat and others are volumes" in refused(manifest)


def test_masks_without_anything_in_them(tmp_path: Path) -> None:
    shape = (16, 20, 16)
    manifest = write_cases(tmp_path, scans(3, shape), [np.zeros(shape)] * 3, body(shape))
    assert "no mask has a structure" in refused(manifest)


def test_tables_without_truth(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path, cases=6)
    rows = list(csv.reader(manifest.open()))
    write_table(manifest, rows[0], [*rows[1:-1], (*rows[-1][:2], "")])
    assert "1 rows have no truth" in refused(manifest)
    write_table(manifest, rows[0][:2], [row[:2] for row in rows[1:]])
    assert "the table has no truth to learn" in refused(manifest)


def test_options_that_are_wrong_are_told_together(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path, cases=6)
    with pytest.raises(InputError) as error:
        run("plan", "--manifest", manifest, "--out", manifest, "--memory", "1 MB", "--task", "segmentatoin")
    told = str(error.value)
    for each in ("--out", "--memory", "Did you mean 'segmentation'?"):
        assert each in told


def test_decisions_as_json(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(24, 28, 20))
    told = json.loads(run("plan", "--manifest", manifest, "--json"))
    assert told["fingerprint"]["cases"] == 6
    assert {"key", "lines", "reason"} == {*told["decisions"][0]}
    assert str(tmp_path) not in json.dumps(told)
    assert "case_000" not in json.dumps(told)


@pytest.mark.shared_data
def test_hippocampi(tmp_path: Path) -> None:
    folder = shared_data() / "hippocampus"
    rows = list(csv.reader((folder / "north.csv").open()))[:13]
    cases = [(name, folder / image, folder / mask) for name, image, mask, _ in rows[1:]]
    plan = planned(write_table(tmp_path / "data.csv", rows[0][:3], cases))
    assert plan.study.patches.size == (40, 56, 40)  # as nnU-Net has it for the whole data set
    assert plan.study.model.parameters.model_dump()["levels"] == 4
