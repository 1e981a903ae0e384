"""Whatever is wrong in a file, a person is told in words: what, where, what was found, what is right, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.support.offered import offers_that_fail
from tests.support.spoiling import filled, problems_of, unfit_messages
from tests.support.studies import CLASSIFICATION, SEGMENTATION
from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.study.models import Study
from wardround.engine.study.sections import Inference, Patches, Training, Validation

WHOLE: dict[str, Any] = filled(Study, SEGMENTATION) | {
    "patches": filled(Patches, SEGMENTATION["patches"]) | {"class_weights": {"left": 2.0}},
    "training": filled(Training, SEGMENTATION["training"]) | {"steps": 5, "gradient_clip": 1.0},
    "validation": filled(Validation, SEGMENTATION["validation"]),
    "inference": filled(Inference, {}),
}
WHOLE.pop("targets", None)  # which a segmentation has not
WHOLE.pop("columns", None)  # nor these


@pytest.mark.parametrize("content", [WHOLE, CLASSIFICATION], ids=["segmentation", "classification"])
def test_a_wrong_value_anywhere_in_a_study_is_told_in_words(content: dict[str, Any]) -> None:
    assert problems_of(Study, content, strict=True) == ()
    assert unfit_messages(Study, content, strict=True) == []


@pytest.mark.parametrize("part", builtin_and_plugins().parts(), ids=lambda part: f"{part.kind}-{part.name}")
def test_a_wrong_parameter_of_any_part_is_told_in_words(part: Part) -> None:
    defaults = filled(part.parameters, {})
    written = json.loads(json.dumps(defaults, default=str))
    assert unfit_messages(part.parameters, written, strict=True) == []


@pytest.mark.parametrize(
    "content",
    [pytest.param(WHOLE, id="segmentation", marks=pytest.mark.slow), pytest.param(CLASSIFICATION, id="classification")],
)
def test_every_line_that_is_offered_for_a_study_may_stand_there(content: dict[str, Any]) -> None:
    assert offers_that_fail(Study, content, strict=True) == []


def _one_of_each_kind_and_slowly_all() -> Iterator[ParameterSet]:
    seen = set[Kind]()
    for part in builtin_and_plugins().parts():
        yield pytest.param(part, id=f"{part.kind}-{part.name}", marks=[pytest.mark.slow] if part.kind in seen else [])
        seen.add(part.kind)


@pytest.mark.parametrize("part", [*_one_of_each_kind_and_slowly_all()])
def test_every_line_that_is_offered_for_a_part_may_stand_there(part: Part) -> None:
    written = json.loads(json.dumps(filled(part.parameters, {}), default=str))
    assert offers_that_fail(part.parameters, written, strict=True) == []
