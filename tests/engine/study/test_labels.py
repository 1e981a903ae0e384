"""Classes of several values, and what becomes of values that no class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.models import write_study as write_readable
from wardround.engine.study import Study, load_study, study_from_bytes, study_to_bytes
from wardround.engine.study.labels import spoken


def study(**changes: Any) -> Study:
    return study_of(changed(SEGMENTATION, **changes))


def test_a_list_of_one_is_the_number_and_no_digest_has_changed() -> None:
    assert study(classes={"left": [1], "right": 2}).digest == study(classes={"left": 1, "right": 2}).digest
    assert study(rest="error").digest == study().digest
    # As releases before lists and `rest` reckoned it.
    assert study().digest == "888ace9df9edcb620695ea3bd095e1c3b60ffdfe319cb477f45d4f448ffc3a5a"


def test_values_and_rest_are_in_the_digest() -> None:
    classes = [{"left": 1, "right": 2}, {"left": [1, 3], "right": 2}, {"left": [3, 1], "right": 2}]
    digests = {study(classes=each, rest=rest).digest for each in classes for rest in ("error", "background")}
    assert len(digests) == 6


def test_the_first_value_of_a_class_is_written_and_orders_the_classes() -> None:
    merged = study(classes={"tumour": [4, 1, 2], "edema": 3})
    assert merged.class_names == ("background", "edema", "tumour")
    assert merged.class_values == (0, 3, 4)
    assert merged.values_by_class == {"background": (0,), "edema": (3,), "tumour": (4, 1, 2)}
    values = study_of(changed(CLASSIFICATION, classes={"ill": [2, 1], "well": 0})).values_by_class
    assert values == {"well": (0,), "ill": (2, 1)}


def test_a_study_with_lists_is_read_back_as_it_was(tmp_path: Path) -> None:
    merged = study(classes={"tumour": [1, 2, 4], "edema": 3}, rest="background")
    assert study_from_bytes(study_to_bytes(merged)) == merged
    write_readable(tmp_path / "study.yaml", merged)
    assert "tumour: [1, 2, 4]" in (tmp_path / "study.yaml").read_text()
    assert load_study(tmp_path / "study.yaml") == merged
    with pytest.raises(InputError, match="not canonical"):
        study_from_bytes(study_to_bytes(study()).replace(b'"left":1', b'"left":[1]'))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({"left": []}, ["classes.left: ", "got []", "Write for example `left: 1`"]),
        ({"left": [1, 1.5]}, ["classes.left.1: ", "got 1.5", "a whole number from 0 to 65,535"]),
        ({"left": [1, "2"]}, ["classes.left.1: ", "got '2'"]),
        ({"left": [1, True]}, ["classes.left.1: ", "got true"]),
        ({"left": [1, -1]}, ["classes.left.1: ", "got -1"]),
        ({"left": [1, 70_000]}, ["classes.left.1: ", "got 70000"]),
        ({"left": [[1]]}, ["classes.left.0: ", "got [1]"]),
        ({"left": [1, 2], "right": 2}, ["classes.right: ", "2 is in 'left' and in 'right'"]),
        ({"left": 2, "right": [3, 2]}, ["classes.right: ", "2 is in 'left' and in 'right'"]),
        ({"left": [1, 2, 1]}, ["classes.left: ", "1 stands twice", "Leave 1 in the list once"]),
        ({"left": [0, 1]}, ["classes.left: ", "0 is the background", "Take the 0 out"]),
        ({"left": 0}, ["classes.left: ", "0 is the background", "Take the line out"]),
        ({"background": 0, "left": 1}, ["classes.background: ", "is no class", "Take the line out"]),
        ({"Background": [4, 5], "left": 1}, ["classes.Background: ", "is no class", "`rest: background`"]),
    ],
    ids=str,
)
def test_classes_that_cannot_be_are_named_with_their_place(
    tmp_path: Path, classes: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        load_study(write_study(tmp_path / "study.yaml", changed(SEGMENTATION, classes=classes)))
    told = [problem.render() for problem in caught.value.problems]
    assert len(told) == 1, told
    assert all(words in told[0] for words in said), told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed(SEGMENTATION, rest="ignore"), "rest: this value cannot be used (got 'ignore'; expected background or"),
        (changed(CLASSIFICATION, rest="background"), "rest: a classification has no background"),
        (changed(CLASSIFICATION, classes={"a": [0, 1]}), "classes: a classification needs at least two classes"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_study(write_study(tmp_path / "study.yaml", content))
    assert said in str(caught.value)


def test_values_in_words() -> None:
    assert [spoken(values) for values in (1, (1,), (1, 2), (1, 2, 4))] == ["1", "1", "1 or 2", "1, 2 or 4"]
