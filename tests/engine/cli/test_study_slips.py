"""Slips that people make in a study: told at once, as what they are, with what to write instead."""

from __future__ import annotations

import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.studies import SEGMENTATION, changed


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
    hospital.refuse("unknown metric 'IoU'", "accuracy, auc for classification; dice, hd95, nsd for segmentation")
    hospital.refuse("validation.select: 'accuracy' is not one of the study's metrics", "expected one of dice)")
    hospital.study(changed(SEGMENTATION, validation=dict(validation, select="IoU")))
    assert "validation.select" not in hospital.check().err  # what is wrong with that name is said once


def test_classes_with_the_number_first_are_turned_round(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, classes={"1": "left", "2": "right"}))
    hospital.refuse("classes.1", "got 'left'", "Write the name first and the number after it: `left: 1`")
