"""A key in the wrong section or file is told where it belongs, once, and nothing that follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.study.test_copied import STUDY
from tests.support.spoiling import unfit_for_people
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import parse_document, validate_document
from wardround.engine.study.models import Study

INDENTED = "validation:\n  metrics: [dice]\n  select: dice\n"
BELOW_TRAINING = "  validation:\n    metrics: [dice]\n    select: dice\n"


def told(text: str) -> list[Problem]:
    try:
        validate_document(Study, parse_document(text, Path("study.yaml")), strict=True)
    except InputError as error:
        return [*error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "where", "remedy"),
    [
        (
            STUDY.replace("  epochs: 2\n", "") + "epochs: 2\n",
            ":17, epochs",
            "`epochs` belongs to `training`; move it there",
        ),
        (
            STUDY.replace("levels: 3", "levels: 3, epochs: 2").replace("  epochs: 2\n", ""),
            ":10, model.epochs",
            "`training`",
        ),
        (
            STUDY.replace("per_case: 2", "per_case: 2, batch_size: 2"),
            ":9, patches.batch_size",
            "belongs to `training`, or",
        ),
        (
            STUDY + "epochs: 3\n",
            ":18, epochs",
            "`epochs` belongs to `training`, which has it already on line 14; take it out here, and correct it "
            "there if need be",
        ),
        (STUDY + "size: [16, 16, 16]\n", ":18, size", "`size` belongs to `patches`, which has it already on line 9"),
        (
            STUDY + "overlap: 0.5\n",
            ":18, overlap",
            "`overlap` belongs to `inference`; move it there: `inference: {overlap: 0.5}`",
        ),
        (
            STUDY.replace(INDENTED, BELOW_TRAINING),
            ":15, training.validation",
            "belongs to the top of the file; move it there",
        ),
        (
            STUDY.replace("levels: 3}", "levels: 3, seed: 3}"),
            ":10, model.seed",
            "`seed` belongs to the top of the file",
        ),
        (
            STUDY.replace("optimizer: {name: adamw, learning_rate: 1e-3}", "optimizer: adamw\n  learning_rate: 1e-3"),
            ":14, training.learning_rate",
            "`learning_rate` belongs to the optimizer `adamw`: write `optimizer: {name: adamw, learning_rate: 0.001}`",
        ),
        (
            STUDY + "learning_rate: 0.1\n",
            ":18, learning_rate",
            "`learning_rate` belongs to the optimizer `adamw`, which has it already on line 13",
        ),
        (
            STUDY + "spacing: [1, 1, 1]\n",
            ":18, spacing",
            "`spacing` belongs to the preprocessing `resample` or the preprocessing `resample_axis`",
        ),
        (
            STUDY.replace("levels: 3}", "depth: 3}"),
            ":10, model.depth",
            "`resnet`",
        ),
        (STUDY + "lr: 1e-3\n", ":18, lr", "Did you mean `learning_rate`? It belongs to the optimizer `adamw`"),
        (STUDY + "max_epochs: 2\n", ":18, max_epochs", "Did you mean `epochs`? It belongs to `training`"),
        (STUDY + "name: x\n", ":18, name", "Did you mean 'study'?"),
        (STUDY.replace("  epochs", "  epocs"), ":14, training.epocs", "Did you mean 'epochs'?"),
        (
            STUDY + "rounds: 2\n",
            ":18, rounds",
            "belongs to the coordinator's federation.yaml, under `horizon`; take it out",
        ),
        (STUDY + "manifest: a.csv\n", ":18, manifest", "belongs to each hospital's site.yaml; take it out here"),
        (STUDY + "minimum_train_cases: 2\n", ":18, minimum_train_cases", "belongs to each hospital's policy.yaml"),
    ],
)
def test_a_stray_key_is_told_where_it_belongs(text: str, where: str, remedy: str) -> None:
    (problem,) = told(text)
    assert problem.where == f"study.yaml{where}"
    assert remedy in problem.remedy
    assert unfit_for_people(problem) == []


def test_keys_of_one_section_are_told_together() -> None:
    flat = (
        STUDY.replace("training:\n", "").replace("  loss", "loss").replace("  optim", "optim").replace("  epo", "epo")
    )
    (problem,) = told(flat)
    assert problem.what == "unknown keys 'loss', 'optimizer' and 'epochs'"
    assert problem.got == "`loss` on line 11, `optimizer` on line 12, `epochs` on line 13"
    assert problem.remedy == "They belong to `training`; move them there"


def test_what_is_wrong_within_a_stray_section_is_told_with_its_line() -> None:
    found = told(STUDY.replace(INDENTED, BELOW_TRAINING.replace("select: dice", "select: hd95")))
    assert [problem.where for problem in found] == [
        "study.yaml:15, training.validation",
        "study.yaml:17, training.validation.select",
    ]


def test_what_is_missing_beside_a_stray_key_is_told_with_its_section() -> None:
    found = told(
        STUDY.replace("training:\n", "")
        .replace("  loss: dice_ce\n", "")
        .replace("  optimizer", "optimizer")
        .replace("  epochs", "epochs")
    )
    assert [(problem.what, problem.got) for problem in found][1:] == [
        ("a required key is missing in `training`", "no `loss`")
    ]


def test_wrong_values_beside_and_in_a_stray_key_are_told_once() -> None:
    found = told(STUDY.replace("epochs: 2", "epochs: many").replace("per_case: 2", "per_case: 2, precision: x"))
    assert [(problem.where, problem.what) for problem in found] == [
        ("study.yaml:9, patches.precision", "unknown key 'precision'"),
        ("study.yaml:9, patches.precision", "this value cannot be used"),
        ("study.yaml:14, training.epochs", "this value cannot be used"),
    ]
