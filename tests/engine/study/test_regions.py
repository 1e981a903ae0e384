"""Regions that overlap and values that are ignored, as a study says them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import CLASSIFICATION, REGRESSION, SEGMENTATION, changed, study_of, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.models import write_study as write_readable
from wardround.engine.study import Study, load_study, study_from_bytes, study_to_bytes

NESTED = {"whole": [1, 2, 4], "core": [1, 4], "enhancing": 4}
CLASSES = {"necrosis": 1, "edema": 2, "enhancing": 4, "vessel": 7}


def study(**changes: Any) -> Study:
    return study_of(changed(SEGMENTATION, **{"classes": None, "regions": NESTED, **changes}))


def test_a_study_of_regions_needs_no_classes() -> None:
    made = study()
    assert made.outputs == ("whole", "core", "enhancing")
    assert made.values_by_class == {
        "background": (0,),
        "whole, core": (1,),
        "whole": (2,),
        "whole, core, enhancing": (4,),
    }
    assert made.overlaps is not None
    assert made.overlaps.classes == (
        (False, False, False),
        (True, True, False),
        (True, False, False),
        (True, True, True),
    )
    assert [made.class_values[index] for index in made.overlaps.painted] == [2, 1, 4]
    assert made.setting.classes == made.outputs


def test_the_order_of_writing_changes_nothing() -> None:
    for regions in itertools.permutations(NESTED.items()):
        again = study(regions=dict(regions))
        assert (again.digest, again.outputs, again.overlaps) == (study().digest, study().outputs, study().overlaps)


def test_values_of_the_same_regions_are_one_class_and_the_first_is_written() -> None:
    made = study(regions={"whole": [1, 2, 4], "core": [4, 1]})
    assert made.values_by_class == {"background": (0,), "whole, core": (1, 4), "whole": (2,)}
    again = study(regions={"whole": [4, 1, 2], "core": [4, 1]})
    assert again.values_by_class == {"background": (0,), "whole": (2,), "whole, core": (4, 1)}


def test_classes_beside_regions_name_the_values() -> None:
    made = study(classes=CLASSES)
    assert made.class_names == ("background", "necrosis", "edema", "enhancing", "vessel")
    assert made.outputs == ("whole", "core", "enhancing")
    assert made.overlaps is not None
    assert made.overlaps.classes[4] == (False, False, False), "what is named and lies in no region is background"


def test_what_is_ignored_stands_behind_the_classes() -> None:
    made = study(ignore=[255, 254])
    assert (made.ignored_values, made.ignored_class, made.mask_indices) == ((255, 254), 4, 5)
    assert (study().ignored_values, study().ignored_class, study().mask_indices) == ((), None, 4)
    assert study(ignore=[255]).digest == study(ignore=255).digest != study().digest


def test_studies_without_them_have_the_digest_that_they_had() -> None:
    plain = study_of(SEGMENTATION)
    assert plain.digest == "888ace9df9edcb620695ea3bd095e1c3b60ffdfe319cb477f45d4f448ffc3a5a"
    assert study_of({**SEGMENTATION, "regions": {}, "ignore": None}).digest == plain.digest
    assert b"regions" not in study_to_bytes(plain)
    assert b"ignore" not in study_to_bytes(plain)


def test_they_are_read_back_as_they_were(tmp_path: Path) -> None:
    made = study(classes=CLASSES, ignore=[254, 255], rest="background")
    assert study_from_bytes(study_to_bytes(made)) == made
    write_readable(tmp_path / "study.yaml", made)
    assert load_study(tmp_path / "study.yaml") == made


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"regions": {"whole": [1, 2], "again": [2, 1]}}, ["two regions have the same values", "'again' and 'whole'"]),
        ({"regions": {"whole": [0, 1]}}, ["regions.whole: 0 is the background", "Take the 0 out"]),
        ({"regions": {"Background": 1}}, ["regions.Background: the background", "is no region"]),
        ({"regions": {"whole": [1, 2, 1]}}, ["the value 1 stands twice in this region"]),
        ({"regions": {"whole": []}}, ["regions.whole: ", "got []"]),
        ({"regions": {"whole": ["a"]}}, ["regions.whole", "got 'a'"]),
        ({"regions": {"a/b": 1}}, ["a/b"]),
        ({"regions": ["whole", "core"]}, ["regions: ", "got [whole, core]"]),
        ({"classes": CLASSES, "regions": {"whole": [1, 2, 5]}}, ["values that no class has: 5", "leave `classes` out"]),
        (
            {"classes": {"tumour": [1, 4], "edema": 2}, "regions": {"whole": [1, 2]}},
            ["a part of the class 'tumour'", "Add 4 to the region"],
        ),
        ({"ignore": 0}, ["ignore: 0 is the background", "such as 255"]),
        ({"ignore": [255, 255]}, ["ignore: the value 255 stands twice"]),
        ({"ignore": 4}, ["regions.core: a value is to be learned and to be ignored: 4"]),
        ({"ignore": -1}, ["ignore: ", "got -1"]),
        ({"ignore": 70000}, ["ignore: ", "got 70000"]),
        ({"ignore": "none"}, ["ignore: ", "got 'none'"]),
        ({"training": {"loss": {"cross_entropy": {"class_weights": [1, 2]}}}}, ["3, one for each of whole, core"]),
    ],
)
def test_slips_are_told(changes: dict[str, Any], said: list[str], tmp_path: Path) -> None:
    content = {"regions": NESTED, **changed(SEGMENTATION, classes=None), **changes}
    with pytest.raises(InputError) as error:
        load_study(write_study(tmp_path / "study.yaml", content))
    for words in said:
        assert words in str(error.value)


def test_a_slip_of_the_pen_in_a_key_is_told(tmp_path: Path) -> None:
    content = changed(SEGMENTATION, classes=None) | {"region": NESTED, "ignored": 255}
    with pytest.raises(InputError) as error:
        load_study(write_study(tmp_path / "study.yaml", content))
    assert "regions" in str(error.value)
    assert "`ignore`" in str(error.value) or "'ignore'" in str(error.value)


def test_all_slips_are_told_at_once(tmp_path: Path) -> None:
    content = changed(SEGMENTATION, regions={"whole": [0, 1], "core": [9]}, ignore=1)
    with pytest.raises(InputError) as error:
        load_study(write_study(tmp_path / "study.yaml", content))
    assert len(error.value.problems) >= 4


@pytest.mark.parametrize("base", [CLASSIFICATION, REGRESSION])
@pytest.mark.parametrize(("key", "value"), [("regions", NESTED), ("ignore", 255)])
def test_only_masks_have_regions_and_voxels_to_ignore(base: dict[str, Any], key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"has no masks, to which `{key}` belongs"):
        study_of({**base, key: value})
