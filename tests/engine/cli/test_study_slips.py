"""Slips that people make in a study: told at once, as what they are, with what to write instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.studies import SEGMENTATION, changed
from wardround.engine.imaging import read_image, read_label, write_image, write_label


@pytest.mark.parametrize("spacing", [[1000, 1200, 2000], [0.001, 0.0012, 0.002]])
def test_a_spacing_that_is_not_in_mm_is_told_from_the_headers(hospital: Hospital, spacing: list[float]) -> None:
    hospital.study(changed(SEGMENTATION, preprocessing=[{"resample": {"spacing": spacing}}, "z_normalize"]))
    for options in ((), ("--full",)):
        error = hospital.refuse(
            "6 times: the spacing to which images are resampled is far from that of the file",
            "for voxels of 1 x 1.2 x 2 mm",
            "such as `spacing: [1, 1.2, 2]`",
            "preprocessing.0.resample.spacing",
            options=options,
        )
        assert "contrast" not in error


def test_the_note_on_padding_names_a_patch_that_would_do(hospital: Hospital) -> None:
    patches = dict(SEGMENTATION["patches"], size=[128, 128, 128])
    hospital.study(changed(SEGMENTATION, preprocessing=["z_normalize"], patches=patches))
    said = hospital.check().out
    assert "(got 24 x 28 x 20 at most after preprocessing)" in said
    found = said.split("`patches: {size: [")[1].split("]")[0]
    assert all(least <= int(side) <= 32 for side, least in zip(found.split(", "), (24, 28, 20), strict=True))


def test_a_select_that_is_no_metric_is_told_beside_an_unknown_metric(hospital: Hospital) -> None:
    validation = dict(SEGMENTATION["validation"], metrics=["dice", "IoU"], select="accuracy")
    hospital.study(changed(SEGMENTATION, validation=validation))
    told = "accuracy, auc, average_precision, balanced_accuracy, brier, ece, f1, kappa, log_loss for classification or"
    hospital.refuse("unknown metric 'IoU'", told, "lesion_f1, nsd, volume_error, volume_similarity for segmentation")
    hospital.refuse("validation.select: 'accuracy' is not one of the study's metrics", "expected one of dice)")
    hospital.study(changed(SEGMENTATION, validation=dict(validation, select="IoU")))
    assert "validation.select" not in hospital.check().err  # what is wrong with that name is said once


def test_classes_with_the_number_first_are_turned_round(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, classes={"1": "left", "2": "right"}))
    hospital.refuse("classes.1", "got 'left'", "Write the name first and the number after it: `left: 1`")


def _scale(hospital: Hospital, numbers: list[int], factor: float) -> None:
    """Write the spacing of some cases, image and mask, in another unit."""
    for number in numbers:
        image, (mask, grid) = read_image(hospital.image(number)), read_label(hospital.mask(number))
        scaled = replace(grid, spacing=tuple(value * factor for value in grid.spacing))
        write_image(hospital.image(number), replace(image, geometry=scaled))
        write_label(hospital.mask(number), mask, scaled)


@pytest.mark.parametrize(("factor", "unit"), [(1000, "micrometres"), (0.001, "metres")])
@pytest.mark.parametrize("options", [(), ("--full",)], ids=["headers", "full"])
def test_few_files_in_another_unit_are_told_and_the_study_is_not(
    hospital: Hospital, factor: float, unit: str, options: tuple[str, ...]
) -> None:
    hospital.study(changed(SEGMENTATION, preprocessing=[{"resample": {"spacing": [1, 1, 2]}}, "z_normalize"]))
    _scale(hospital, [1, 4], factor)
    said = hospital.refuse(
        "2 times: the spacing of the file is far from that of the other files",
        "expected about 1 x 1.2 x 2 mm, as 4 files of the table have",
        f"Were {unit} written as mm? Correct the spacing in the header",
        "data.csv:3, subject 'case_001', Channel_0",
        options=options,
    )
    assert said.count("error: ") == 1
    assert "resample" not in said


def test_a_study_that_fits_the_few_files_in_another_unit_is_told_with_them(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, preprocessing=[{"resample": {"spacing": [1000, 1000, 2000]}}]))
    _scale(hospital, [1], 1000)
    said = hospital.refuse("5 times: the spacing to which images are resampled", "such as `spacing: [1, 1.2, 2]`")
    assert "'case_001', Channel_0: the spacing of the file is far" in said
    assert "spacing: [1000" not in said


def test_where_no_half_agrees_no_spacing_is_offered(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, preprocessing=[{"resample": {"spacing": [1, 1, 2]}}]))
    _scale(hospital, [0, 2, 4], 1000)
    said = hospital.refuse(
        "3 times: the spacing to which images are resampled", "correct the spacing of those that are"
    )
    assert "such as `spacing" not in said
