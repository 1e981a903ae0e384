"""Masks become classes by the study's lists of values and its `rest`; what cannot be one is told with the ways out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import Problem
from wardround.engine.preprocessing.labels import (
    UnnamedValues,
    class_indices,
    label_problem,
    together,
    value_counts,
)
from wardround.engine.study import Study

MERGED = {"edema": 3, "tumour": [4, 1, 2]}


def study(**changes: Any) -> Study:
    return study_of(changed(SEGMENTATION, **changes))


def told(of: Study, mask: np.ndarray) -> str:
    problem = label_problem(of, "kim", "data.csv:2", value_counts(mask))
    return "" if problem is None else problem.render()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.int64])
def test_every_value_of_a_class_is_that_class(kind: type[np.integer]) -> None:
    merged, mask = study(classes=MERGED), np.array([[0, 1, 2], [3, 4, 0]], kind)
    assert told(merged, mask) == ""
    indices = class_indices(merged, mask, value_counts(mask))
    np.testing.assert_array_equal(indices, [[0, 2, 2], [1, 2, 0]])
    assert indices.dtype == np.uint8


@pytest.mark.parametrize("others", [[5, 255], [-1, 7], [70_000, 65_535], [-(2**31), 2**31 - 1]])
def test_the_rest_may_be_background(others: list[int]) -> None:
    of = study(classes=MERGED, rest="background")
    mask = np.array([0, *others, 1, 3], np.int32)
    assert told(of, mask) == ""
    np.testing.assert_array_equal(class_indices(of, mask, value_counts(mask)), [0, 0, 0, 2, 1])


def test_values_that_no_class_names_are_told_with_both_ways_out() -> None:
    found = told(study(classes=MERGED), np.array([0, 1, 9, 9, 5]))
    assert "got 5 in 1 voxel, 9 in 2 voxels; expected 0 (background), 3 (edema), 4, 1 or 2 (tumour)" in found
    assert "`edema: [3, 5]`" in found
    assert "`rest: background`" in found


def test_values_that_can_be_no_class_are_not_offered_as_one() -> None:
    found = told(study(), np.array([-3, 0, 1, 70_000]))
    assert "got -3 in 1 voxel, 70000 in 1 voxel" in found
    assert "Write `rest: background` in the study" in found
    assert "left: [" not in found


def test_an_image_in_the_place_of_a_mask_is_told_as_that() -> None:
    image = np.arange(-200, 800, dtype=np.int16)
    assert "this is an image, or another file, in the place of a mask" in told(study(rest="background"), image)
    assert "got 1,000 different values from -200 to 799" in told(study(rest="background"), image)
    assert "Is this file the mask, and not an image?" in told(study(), image)
    assert "got 997 values between -200 and 799 in 997 voxels" in told(study(), image)


def test_many_values_are_one_span_and_nobody_is_to_make_classes_of_them() -> None:
    edges = np.arange(1, 30)
    masks = {name: value_counts(np.append(0, edges + start)) for start, name in enumerate("abcd")}
    problems = [label_problem(study(), name, name, found) for name, found in masks.items()]
    (found,) = together([problem for problem in problems if problem is not None], "data.csv")
    assert found.got == "30 values between 3 and 32 in 4 cases ('a', 'b', 'c' and 1 more)"
    for text in (found.remedy, told(study(), np.append(0, edges))):
        assert "a class of the study" not in text
        assert "Export the mask again" in text
        assert "`rest: background`" in text
    few = [
        label_problem(study(), name, name, dict.fromkeys(of, 1))
        for name, of in (("a", [0, *range(3, 9)]), ("b", [0, *range(9, 15)]))
    ]
    (found,) = together([problem for problem in few if problem is not None], "data.csv")
    assert found.got == "12 values between 3 and 14 in 2 cases ('a', 'b')"
    assert "a class of the study" not in found.remedy


def test_masks_with_the_same_fault_are_told_once() -> None:
    values = {"a": [0, 7], "b": [0, 7, 9], "c": [0, 7], "d": [0, 7], "e": [0, 1]}
    problems = [label_problem(study(), subject, subject, value_counts(np.array(of))) for subject, of in values.items()]
    other = Problem("something else", "f")
    found = together([problem for problem in (*problems[:2], None, *problems[2:]) if problem] + [other], "data.csv")
    assert [problem.what for problem in found] == [
        "in 4 cases the mask has values outside the study's classes",
        "something else",
    ]
    assert found[0].where == "data.csv"
    assert found[0].got == "7 in 4 cases ('a', 'b', 'c' and 1 more); 9 in 1 case ('b')"
    assert "`classes: {left: 7, right: 9}`" in found[0].remedy


def test_one_such_mask_keeps_its_place() -> None:
    problem = label_problem(study(), "a", "data.csv:2", {7: 1})
    assert isinstance(problem, UnnamedValues)
    assert together([problem], "data.csv") == [problem]


ONE = {"lesion": 1}


@pytest.mark.parametrize(
    ("classes", "masks", "words"),
    [
        ({}, [[1, 2, 3], [1, 3]], "Each value is 1 too high, if 1 is the background there"),
        (ONE, [[1, 2], [2]], "Each value is 1 too high"),
        ({}, [[5, 6, 7]], "Each value is 5 too high"),
        ({}, [[2, 9]], "Is 2 the background there"),
    ],
)
def test_masks_without_background_are_not_given_to_a_class(
    classes: dict[str, int], masks: list[list[int]], words: str
) -> None:
    of = study(classes=classes) if classes else study()
    problems = [label_problem(of, str(index), "", dict.fromkeys(mask, 5)) for index, mask in enumerate(masks)]
    (found,) = together([problem for problem in problems if problem is not None], "data.csv")
    assert "no voxel of the mask is 0 (background)" in found.what
    assert words in found.remedy
    assert ": [" not in found.remedy
    assert "rest:" not in found.remedy


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ([0, 255], "255 is white: a mask in black and white does not tell left and right apart"),
        ([0, 127, 255], "If 127 is left, 255 is right, and in all masks, write `classes: {left: 127, right: 255}`"),
        ([0, 2, 3], "If 2 is left, 3 is right, and in all masks, write `classes: {left: 2, right: 3}`"),
    ],
    ids=str,
)
def test_other_numbers_for_the_same_classes(mask: list[int], words: str) -> None:
    found = told(study(), np.array(mask))
    assert words in found
    assert "1 for left and 2 for right" in found
    assert "left: [" not in found


def test_white_is_the_one_class_of_a_study() -> None:
    assert "`lesion: [1, 255]` for parts of lesion" in told(study(classes=ONE), np.array([0, 255]))


def test_an_image_is_not_to_count_as_background() -> None:
    assert "rest: background" not in told(study(), np.arange(59, 214))
