"""Decimal commas, units, and lists in the place of sections: a person is told what to write, in their own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.support.spoiling import FORBIDDEN
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import parse_document, validate_document
from wardround.engine.study.models import Study
from wardround.engine.study.numerals import numeral

STEPS = "preprocessing:\n  - orient: RAS\n  - resample: {spacing: [1.0, 1.0, 1.0]}"
PATCHES = "patches: {size: [16, 16, 16], per_case: 2}"
MODEL = "model: {name: unet, dimensions: 3, filters: 4, levels: 3}"
CLASSES = "classes: {left: 1, right: 2}"
SPATIAL = "spatial: {rotation: 15, scale: [0.9, 1.1], probability: 0.5}"
STUDY = f"""schema: 1
study: blobs
task: segmentation
inputs: [T1w]
{CLASSES}
{STEPS}
augmentation:
  - {SPATIAL}
{PATCHES}
{MODEL}
training: {{loss: dice_ce, optimizer: {{name: adamw, learning_rate: 1e-3}}, epochs: 2}}
validation: {{outer_folds: 2, inner_folds: 2, metrics: [dice], select: dice}}
inference: {{overlap: 0.5, blend: gaussian}}
seed: 42
"""


class Named(BaseModel):
    metric: str


def told(*changes: tuple[str, str]) -> list[Problem]:
    """What is said of the study with some of its texts changed."""
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    try:
        validate_document(Study, parse_document(text, Path("study.yaml")), strict=True)
    except InputError as error:
        return [*error.problems]
    return []


def test_the_study_itself_is_sound() -> None:
    assert told() == []
    assert told(("[16, 16, 16]", "[16,16,16]")) == []
    assert told(("[16, 16, 16]", "[16,16, 16]")) == []


@pytest.mark.parametrize(
    ("old", "new", "place", "remedy"),
    [
        (
            "overlap: 0.5",
            "overlap: 0,25",
            ":15, inference.overlap",
            "Decimals have a point here; write `overlap: 0.25`",
        ),
        ("overlap: 0.5", "overlap: 0, 25", ":15, inference.overlap", "write `overlap: 0.25`"),
        (
            "overlap: 0.5, blend: gaussian",
            "blend: gaussian, overlap: 0,25",
            ":15, inference.overlap",
            "`overlap: 0.25`",
        ),
        ("{overlap: 0.5, blend: gaussian}", "\n  overlap: 0,25", ":16, inference.overlap", "write `overlap: 0.25`"),
        ("1e-3", "0,003", ":13, training.optimizer.learning_rate", "write `learning_rate: 0.003`"),
        ("1e-3", "1,5e-3", ":13, training.optimizer.learning_rate", "write `learning_rate: 1.5e-3`"),
        ("1e-3", "10^-3", ":13, training.optimizer.learning_rate", "write `learning_rate: 1e-3`"),
        ("0.9, 1.1", "0,9, 1,1", ":10, augmentation.0.spatial.scale", "write `scale: [0.9, 1.1]`"),
        ("0.9, 1.1", "0,9,1,1", ":10, augmentation.0.spatial.scale", "write `scale: [0.9, 1.1]`"),
        ("1.0, 1.0, 1.0", "1,0, 1,0, 2,5", ":8, preprocessing.1.resample.spacing", "`spacing: [1.0, 1.0, 2.5]`"),
        ("[1.0, 1.0, 1.0]", "1,0 1,0 2,5", ":8, preprocessing.1.resample.spacing", "`spacing: [1.0, 1.0, 2.5]`"),
        ("epochs: 2", "epochs: 10,000", ":13, training.epochs", "write `epochs: 10000`"),
        ("epochs: 2", "epochs: 10.000", ":13, training.epochs", "Write it without a point: `epochs: 10`"),
        ("rotation: 15", "rotation: 15°", ":10, augmentation.0.spatial.rotation", "write `rotation: 15`"),
        ("overlap: 0.5", "overlap: 25%", ":15, inference.overlap", "without a percent sign; write `overlap: 0.25`"),
        ("per_case: 2", "per_case: 2 patches", ":11, patches.per_case", "without a unit; write `per_case: 2`"),
        ("seed: 42", "seed: 1,5", ":16, seed", "Decimals have a point here; write for example `seed: 42`"),
    ],
)
def test_a_number_that_is_written_otherwise_is_told_with_its_key_and_line(
    old: str, new: str, place: str, remedy: str
) -> None:
    (problem,) = told((old, new))
    assert problem.where == f"study.yaml{place}"
    assert remedy in problem.remedy


def test_several_decimal_commas_are_told_at_once_and_none_is_a_key_that_stands_twice() -> None:
    found = told(("1e-3", "0,25"), ("overlap: 0.5", "overlap: 0,25"), ("probability: 0.5", "probability: 0,25"))
    assert [problem.remedy.partition("; ")[2] for problem in found] == [
        "write `probability: 0.25`",
        "write `learning_rate: 0.25`",
        "write `overlap: 0.25`",
    ]


def test_a_decimal_comma_never_passes_as_a_text() -> None:
    problem = told(("select: dice}", "select: 1,5}"))[0]
    assert problem.where == "study.yaml:14, validation.select"
    assert problem.got == "'1,5'"
    with pytest.raises(InputError, match=r"a.yaml:1, metric: .* a point here; write `metric: 1.5`"):
        validate_document(Named, parse_document("{metric: 1,5}\n", Path("a.yaml")))


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("0,001", ("0.001",)),
        (",5", ("0.5",)),
        ("-1,5", ("-1.5",)),
        ("10,000", ("10.000", "10000")),
        ("1.000,5", ("1000.5",)),
        ("1,000.5", ("1000.5",)),
        ("1.000.000", ("1000000",)),
        ("1'000", ("1000",)),
        ("10 000", ("10000",)),
        ("10\u202f000", ("10000",)),
        ("12,5 %", ("0.125", "12.5")),
        ("3 mm", ("3",)),
        ("0,3cm", ("3",)),
        ("1/4", ("0.25",)),
        ("2x10^-4", ("2e-4",)),
        ("10k", ("10000",)),
        ("0.25,", ("0.25",)),
        ("0,25;", ("0.25",)),
        ("word", ()),
        ("12:30", ()),
    ],
)
def test_the_ways_in_which_people_write_numbers(text: str, readings: tuple[str, ...]) -> None:
    found = numeral(text)
    assert (found.readings if found else ()) == readings


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        (
            STEPS,
            "preprocessing:\n  orient: RAS\n  resample: {spacing: [1.0, 1.0, 1.0]}",
            "Begin each step with `- `: `- orient: RAS`, `- resample: {spacing: [1, 1, 1]}`",
        ),
        (
            "  - resample",
            "    resample",
            "Begin each step with `- `: `- orient: RAS`, `- resample: {spacing: [1, 1, 1]}`",
        ),
        (
            "resample: {spacing: [1.0, 1.0, 1.0]}",
            "resample:\n    spacing: [1, 1, 1]",
            "Write `- resample: {spacing: [1, 1, 1]}`",
        ),
        (PATCHES, "patches:\n  - size: [16, 16, 16]\n  - per_case: 2", f"Take the dashes away: `{PATCHES}`"),
        (PATCHES, "patches: [size: [16, 16, 16], per_case: 2]", f"in the place of the square brackets: `{PATCHES}`"),
        (PATCHES, "patches: [16, 16, 16]", "Say what it is: `patches: {size: [16, 16, 16]}`"),
        ("size: [16, 16, 16]", "size: 16x16x16", "Write a list: `size: [16, 16, 16]`"),
        ("size: [16, 16, 16]", "size: {x: 16, y: 16, z: 16}", "Write a list: `size: [16, 16, 16]`"),
        (MODEL, "model:\n  - name: unet\n  - filters: 4", "Take the dashes away: `model: {name: unet, filters: 4}`"),
        (MODEL, "model: {unet: , filters: 4}", "Write `model: {name: unet, filters: 4}`"),
        (MODEL, "model: [unet]", "Write `model: unet`"),
        (
            MODEL,
            "model: {unet: , resnet: }",
            "Only one can stand here; write `model: unet`, or write `model: resnet`",
        ),
        (STEPS, "preprocessing: {name: orient, axes: RAS}", "Begin each step with `- `: `- orient: {axes: RAS}`"),
        (STEPS, "preprocessing:\n  - - orient: RAS\n    - rescale:", "`- orient: RAS`, `- rescale`"),
        (STEPS, "preprocessing:\n  - [orient, RAS]", "Write `- orient: RAS`"),
        ("dimensions: 3", "dimensions: 3D", "without a unit; write `dimensions: 3`"),
        ("loss: dice_ce", "loss: [dice_ce, cross_entropy]", "write `loss: dice_ce`, or write `loss: cross_entropy`"),
        ("loss: dice_ce", "loss: {first: 1, second: 1}", "Write for example `loss: "),
        (
            "{rotation: 15, scale: [0.9, 1.1], probability: 0.5}",
            "[rotation: 15, probability: 0.5]",
            "`spatial: {rotation: 15, probability: 0.5}`",
        ),
        ("probability: 0.5}", "probability: 0.5D}", "without a unit; write `probability: 0.5`"),
        ("inputs: [T1w]", "inputs:\n  - T1w: 0", "Write the value alone: `T1w`"),
        ("size: [16, 16, 16]", "size: [[16, 16, 16]]", "Take the inner brackets away: `[16, 16, 16]`"),
        (
            "size: [16, 16, 16]",
            "size: 16",
            "Write a list, such as `size: [16, 16, 16]`, or `size: [16, 16]` for images of two axes",
        ),
        (CLASSES, "classes:\n  - {name: left, value: 1}\n  - {name: right, value: 2}", f"dashes away: `{CLASSES}`"),
        (MODEL, "model: {dimensions: 3, stem: small}", "Say its name, for example `model: {name: resnet,"),
        (CLASSES, "classes: [left, right]", f"Write `{CLASSES}`"),
        (CLASSES, "classes: [background, left, right]", f"Write `{CLASSES}`"),
        (CLASSES, "classes: {left, right}", f"Write `{CLASSES}`"),
        (STEPS, "preprocessing:\n  orient\n  rescale", "Write a list: `preprocessing: [orient, rescale]`"),
        (CLASSES, "classes: left, right", f"Write `{CLASSES}`"),
        (CLASSES, "classes:\n  - left: 1\n  - right: 2", f"Take the dashes away: `{CLASSES}`"),
        (CLASSES, "classes: [1, 2]", "Give each number a name: `classes: {class1: 1, class2: 2}`"),
        ("left: 1,", "left: 1,3,", "Write a list: `left: [1, 3]`"),
        ("inputs: [T1w]", "inputs: {T1w: 0, FLAIR: 1}", "Write a list: `inputs: [T1w, FLAIR]`"),
        ("inputs: [T1w]", "inputs: T1w, FLAIR", "Write a list: `inputs: [T1w, FLAIR]`"),
        ("metrics: [dice]", "metrics: {dice: , hd95: }", "Begin each entry with `- `: `- dice`, `- hd95`"),
        ("epochs: 2", "epochs: [2]", "Write it without brackets or a dash: `epochs: 2`"),
        ("select: dice", "select: [dice, hd95]", "Only one can stand here; write `select: dice`, or `select: hd95`"),
        ("epochs: 2", "epochs: {most: 2}", "Write the value alone: `epochs: 2`"),
        ("schema: 1", "schema: 2", "Write `schema: 1`, or, if a later release wrote this file, update Wardround"),
        ("schema: 1\n", "", "Add `schema: 1`"),
        ("schema: 1", "schema: one", "Write `schema: 1`"),
    ],
)
def test_what_has_another_shape_is_told_as_it_should_be(old: str, new: str, remedy: str) -> None:
    found = told((old, new))
    assert remedy in found[0].remedy
    for word in (*FORBIDDEN, "mapping", "dictionary", "scalar"):
        assert all(word not in problem.render() for problem in found)


def test_names_alone_are_numbered_as_tables_number_them_in_a_classification() -> None:
    found = told(("task: segmentation", "task: classification"), (CLASSES, "classes: [benign, malignant]"))
    assert any("`classes: {benign: 0, malignant: 1}`" in problem.remedy for problem in found)


@pytest.mark.parametrize(
    ("new", "remedy"),
    [
        ("1 mm", "Numbers are written without a unit; write a list, such as `spacing: [1, 1, 1]`, or"),
        (
            "1e-3 mm",
            "write a list, such as `spacing: [1e-3, 1e-3, 1e-3]`, or `spacing: [1e-3, 1e-3]` for images of two",
        ),
        ("2", "Write a list, such as `spacing: [2, 2, 2]`, or `spacing: [2, 2]` for images of two axes"),
        ("'2'", "Write a list, such as `spacing: [2, 2, 2]`, or"),
        ("many", "Write for example `spacing: [1, 1]`"),
    ],
)
def test_a_single_number_for_all_axes_is_offered_once_for_each(new: str, remedy: str) -> None:
    (problem,) = told(("[1.0, 1.0, 1.0]", new))
    assert problem.remedy.startswith(remedy) or remedy in problem.remedy


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("[1.0, 1.0, 1.0]", "[1 mm, 1 mm, 2.5 mm]", "Numbers are written without a unit; write `spacing: [1, 1, 2.5]`"),
        ("[1.0, 1.0, 1.0]", "[1 mm, 1, 2 mm]", "Numbers are written without a unit; write `spacing: [1, 1, 2]`"),
        ("size: [16, 16, 16]", "size: [16 px, 16 px, 16 px]", "write `size: [16, 16, 16]`"),
    ],
)
def test_entries_of_a_list_that_are_written_in_the_same_wrong_way_are_told_once(
    old: str, new: str, remedy: str
) -> None:
    (problem,) = told((old, new))
    assert remedy in problem.remedy
    assert problem.expected.startswith("a list, each a ")


def test_entries_that_are_wrong_in_different_ways_are_told_each() -> None:
    assert len(told(("[1.0, 1.0, 1.0]", "[1 mm, -1, x]"))) == 3
    assert len(told(("size: [16, 16, 16]", "size: [x, y, 16]"))) == 2
