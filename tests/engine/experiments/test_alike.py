"""A study and a model that was trained for something else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.studies import SEGMENTATION, TABLE, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.evaluation import require_alike

REGIONS = {"whole": [1, 2], "core": 1}
OF_REGIONS = changed(SEGMENTATION, classes=None) | {"regions": REGIONS}


@pytest.mark.parametrize(
    ("content", "key", "other", "got"),
    [
        (OF_REGIONS, "regions", {"whole": [1, 2], "core": 2}, "{whole: [1, 2], core: 2}"),
        (OF_REGIONS, "regions", {"whole": [1, 2]}, "{whole: [1, 2]}"),
        (TABLE, "columns", {"age": "number"}, "{age: {kind: number, missing: error}}"),
        (TABLE, "columns", {"age": "number", "sex": ["female", "other"]}, "other"),
        (SEGMENTATION, "classes", {"left": 1, "right": 3}, "{left: 1, right: 3}"),
    ],
)
def test_what_a_model_does_not_have_is_told(content: dict[str, Any], key: str, other: object, got: str) -> None:
    trained = study_of(content)
    require_alike(trained, trained)
    with pytest.raises(InputError) as told:
        require_alike(study_of({**content, key: other}), trained)
    problems = {problem.where: problem for problem in told.value.problems}
    assert f"other {key}" in problems[key].what
    assert got in problems[key].got


def test_classes_beside_regions_are_told_together() -> None:
    with pytest.raises(InputError) as told:
        require_alike(study_of(SEGMENTATION), study_of(OF_REGIONS))
    assert {problem.where for problem in told.value.problems} == {"classes", "regions"}
    assert any(problem.got == "none" for problem in told.value.problems)
