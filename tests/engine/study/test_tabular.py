"""Columns of a study: how they may be written, what they mean, and what of them does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.studies import CLASSIFICATION, SEGMENTATION, TABLE, changed, study_of
from wardround.engine.study import Study, study_from_bytes, study_to_bytes
from wardround.engine.study.tabular import CategoryColumn, NumberColumn, in_order, numbers_of, width_of


def _study(**columns: Any) -> Study:
    return study_of(changed(TABLE, columns=columns))


def test_short_and_long_forms_are_one_study() -> None:
    short = _study(age="number", sex=["female", "male"])
    long = _study(sex={"kind": "category", "levels": ["female", "male"], "missing": "error"}, age={"kind": "number"})
    assert short == long
    assert short.digest == long.digest
    assert study_from_bytes(study_to_bytes(short)) == short
    assert short.columns["age"] == NumberColumn()
    assert short.columns["sex"] == CategoryColumn(levels=("female", "male"))


def test_levels_that_are_numbers_are_texts_and_equal_by_value() -> None:
    column = _study(thal={"levels": [3, 6.0, "7"], "missing": "unknown"}).columns["thal"]
    assert isinstance(column, CategoryColumn)
    assert column.levels == ("3", "6", "7")
    assert [column.place(cell) for cell in ("3.0", "6", " 7 ", "8", "")] == [0, 1, 2, None, None]


def test_every_digit_of_a_code_counts() -> None:
    """10200004 is the liver in SNOMED CT, 10200005 another thing: as short floats both would be 1.02e+07."""
    codes = (10200004, 10200005, "123456789012345678901234567890123")
    column = _study(organ={"levels": codes}).columns["organ"]
    assert isinstance(column, CategoryColumn)
    assert column.levels == tuple(map(str, codes))
    assert [column.place(cell) for cell in ("10200004.0", "10200005", "10200006", codes[2])] == [0, 1, None, 2]
    assert [column.place(cell) for cell in ("nan", "sNaN", "1e999999999", "inf")] == [None] * 4


def test_features_lie_in_the_order_of_names() -> None:
    study = _study(b="number", a={"levels": ["x", "y"], "missing": "unknown"}, c={"missing": 0.5})
    assert [*in_order(study.columns)] == ["a", "b", "c"]
    assert numbers_of(study.columns) == ("b", "c")
    assert width_of(study.columns) == 3 + 1 + 1


def test_a_study_of_a_table_needs_no_patches_and_one_without_columns_is_as_it_was() -> None:
    assert _study(age="number").patches.size == (4, 4)
    assert b"columns" not in study_to_bytes(study_of(CLASSIFICATION))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"columns": {"age": "numbr"}}, "cannot be used"),
        ({"columns": {"age": None}}, "cannot be used"),
        ({"columns": {"age": {"missing": "median"}}}, "missing"),
        ({"columns": {"sex": ["female"]}}, "at least 2"),
        ({"columns": {"sex": [1, 1.0]}}, "two levels are the same"),
        ({"columns": {"sex": {"levels": ["a", "b"], "missing": "mean"}}}, "missing"),
        ({"columns": {"ValueToPredict": "number"}}, "a meaning of its own"),
        ({"columns": {"Time": "number"}}, "a meaning of its own"),
        ({"columns": {" age": "number"}}, "pattern"),
        ({"columns": {}}, "without images and without columns"),
        ({"preprocessing": ["z_normalize"]}, "has none to change"),
        ({"augmentation": ["noise"]}, "has none to change"),
        ({"model": {"name": "resnet", "dimensions": 2}}, "needs images"),
        ({"inputs": ["T1w"], "patches": {"size": [8, 8]}}, "no images"),
        ({"dicom": {"tilt": "resample"}}, "reads no DICOM"),
        ({"inference": {"scales": [0.5, 1]}}, "none of another size"),
    ],
)
def test_what_does_not_fit_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        study_of(changed(TABLE, **changes))


def test_a_layout_is_said_of_images() -> None:
    training = {**TABLE["training"], "layout": "channels_last"}
    with pytest.raises(ValidationError, match="no voxels whose channels"):
        study_of(changed(TABLE, training=training))


def test_a_table_network_without_columns_and_columns_of_a_segmentation_are_told() -> None:
    with pytest.raises(ValidationError, match="sees columns of the table"):
        study_of(changed(CLASSIFICATION, model="linear"))
    with pytest.raises(ValidationError, match="learned from images alone"):
        study_of(changed(SEGMENTATION, columns={"age": "number"}))
