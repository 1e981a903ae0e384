"""A part of an unknown name: what is wrong with its parameters, and with `select`, is told in the same pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.study import load_study

TRAINING, VALIDATION = SEGMENTATION["training"], SEGMENTATION["validation"]


def told(folder: Path, **changes: object) -> list[str]:
    write_study(folder / "study.yaml", changed(SEGMENTATION, **changes))
    with pytest.raises(InputError) as caught:
        load_study(folder / "study.yaml")
    return [problem.render() for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        ({"name": "Adam", "lr": 0.01}, "unknown key 'lr'"),
        ({"Adam": {"lr": 0.01}}, "unknown key 'lr'"),
        ({"name": "AdamW", "weight_decay": -1}, "training.optimizer.weight_decay: this value cannot be used (got -1"),
    ],
    ids=["beside", "beneath", "value"],
)
def test_parameters_are_told_with_the_unknown_name(tmp_path: Path, optimizer: object, words: str) -> None:
    problems = told(tmp_path, training={**TRAINING, "optimizer": optimizer})
    assert len(problems) == 2
    assert any("unknown optimizer 'Adam" in problem for problem in problems)
    (about,) = [problem for problem in problems if words in problem]
    assert "lr" not in words or "Did you mean 'learning_rate'?" in about


def test_parameters_of_a_name_that_is_like_no_part_are_not_judged(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, training={**TRAINING, "optimizer": {"name": "shampoo", "momentum": 0.9}})
    assert "unknown optimizer 'shampoo'" in problem


def test_only_what_no_likely_part_knows_is_told(tmp_path: Path) -> None:
    network = {"name": "UNet3D", "dimensions": 3, "filters": 4, "levels": 2, "channels": [4, 8]}
    problems = told(tmp_path, model=network)
    assert len(problems) == 2
    assert any("unknown key 'channels'" in problem for problem in problems)


@pytest.mark.parametrize(
    ("metrics", "select", "words"),
    [
        (["dsc"], "dsc", "Write `select: dice`"),
        (["hd95", {"Dice": {}}], "Dice", "Write `select: dice`"),
        (["dsc"], "dice", ""),
        (
            ["dsc", "hd95"],
            "accuracy",
            "'accuracy' is not one of the study's metrics (got 'accuracy'; expected one of dice",
        ),
    ],
    ids=["same", "other form", "right", "none of them"],
)
def test_select_is_told_with_the_metric_whose_name_it_repeats(
    tmp_path: Path, metrics: list[object], select: str, words: str
) -> None:
    problems = told(tmp_path, validation={**VALIDATION, "metrics": metrics, "select": select})
    about = [problem for problem in problems if "validation.select" in problem]
    assert len(about) == bool(words)
    assert all(words in problem for problem in about)
