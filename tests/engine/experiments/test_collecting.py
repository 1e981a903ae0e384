"""Finished runs beside each other."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import run_wardround
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import write_checked
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.casetables import write_cases
from wardround.engine.experiments.collecting import collect, differing
from wardround.engine.experiments.run_record import Metrics, RunRecord, Scores
from wardround.engine.metrics.intervals import of_folds, of_mean
from wardround.engine.metrics.scores import CaseScores, Evaluation
from wardround.engine.study.written import write_study
from wardround.engine.training import Machine

MACHINE = Machine(wardround="0", torch="2", processor="x", instructions="", device="cpu", precision="fp32", threads=1)


@dataclass(frozen=True)
class Run:
    """What a run has in its folder: the scores of its cases by split, and the mean over its validation cases."""

    dice: Mapping[str, Sequence[float]]
    validation: float = 0.5
    study: Mapping[str, Any] = field(default_factory=lambda: SEGMENTATION)
    cohort: str = "c"
    first: int = 0
    part: str = "test"

    def written(self, folder: Path) -> Path:
        """The folder."""
        for name, values in self.dice.items():
            self._split(folder / name, name, values)
        return folder

    def _split(self, place: Path, name: str, values: Sequence[float]) -> None:
        study = study_of(dict(self.study))
        metric = study.validation.select
        cases = [CaseScores(f"{name}-{self.first + n}", {metric: value}) for n, value in enumerate(values)]
        mean = Scores(cases=len(cases), values={metric: float(np.mean(values))})
        own = Scores(cases=3, values={metric: self.validation})
        test = mean if self.part == "test" else None
        (place / "model").mkdir(parents=True)
        record = RunRecord(
            identity="i", study=study.digest, cohort=self.cohort, total_steps=9, validate_every=3, machine=MACHINE
        )
        write_checked(place / "run.json", canonical_model(record))
        write_study(place / "model" / "study.yaml", study)
        metrics = Metrics(
            study=study.digest,
            best_step=3,
            total_steps=9,
            train_cases=8,
            validation=own if test else mean,
            test=test,
            machine=MACHINE,
        )
        (place / "model" / "metrics.json").write_bytes(canonical_model(metrics))
        write_cases(place / "cases.csv", {self.part: Evaluation(tuple(cases), {})})


def _wider(**changes: Any) -> dict[str, Any]:
    return changed(SEGMENTATION, model={**SEGMENTATION["model"], **changes})


def test_runs_are_in_the_order_of_their_validation_and_not_of_their_test(tmp_path: Path) -> None:
    worse = Run({"fold-0": [0.9, 0.8]}, validation=0.4).written(tmp_path / "a")
    better = Run({"fold-0": [0.5, 0.6]}, validation=0.7, study=_wider(filters=8)).written(tmp_path / "b")
    found = collect([worse, better])
    assert [each.run.name for each in found.standings] == ["b", "a"]
    assert [dict(each.settings) for each in found.standings] == [{"model.filters": "8"}, {"model.filters": "4"}]
    assert found.standings[1].scores["dice"].mean == pytest.approx(0.85)
    assert found.standings[1].scores["dice"].interval == of_mean([0.9, 0.8])
    behind = found.standings[1].behind
    assert behind is not None
    assert behind.mean == pytest.approx(0.3)
    assert behind.interval == of_mean([0.9 - 0.5, 0.8 - 0.6])
    assert found.standings[0].behind is None


def test_several_splits_have_the_interval_that_knows_of_shared_training_cases(tmp_path: Path) -> None:
    folds = {"fold-0": [0.4, 0.6], "fold-1": [0.6, 0.6], "fold-2": [0.5, 0.6]}
    one = Run(folds).written(tmp_path / "a")
    other = Run(folds, study=_wider(filters=8)).written(tmp_path / "b")
    score = collect([one, other]).standings[0].scores["dice"]
    assert (score.count, score.mean) == (3, pytest.approx(0.55))
    assert score.interval == of_folds([0.5, 0.6, 0.55], 2, 8)


def test_a_split_of_a_run_can_be_named_alone(tmp_path: Path) -> None:
    one = Run({"fold-0": [0.4, 0.6], "fold-1": [0.7, 0.9]}).written(tmp_path / "a")
    other = Run({"fold-0": [0.5, 0.5]}).written(tmp_path / "b")
    found = collect([one / "fold-0", other / "fold-0"])
    assert [each.run.name for each in found.standings] == [str(one / "fold-0"), str(other / "fold-0")]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Run({"fold-0": [0.1, 0.2, 0.3]}), "1 more (fold-0-2)"),
        (Run({"fold-0": [0.1]}), "1 fewer (fold-0-1)"),
        (Run({"fold-0": [0.1, 0.2]}, first=5), "2 more"),
        (Run({"fold-0": [0.1, 0.2]}, part="validation"), "validation cases, not test cases"),
        (Run({"fold-1": [0.1, 0.2]}), "other splits"),
        (Run({"fold-0": [0.1, 0.2]}, study=CLASSIFICATION), "several tasks"),
        (Run({"fold-0": [0.1, 0.2]}, study=changed(SEGMENTATION, classes={"left": 1, "mid": 2})), "several outputs"),
        (
            Run(
                {"fold-0": [0.1, 0.2]},
                study=changed(
                    SEGMENTATION,
                    validation={"metrics": ["dice", "hd95"], "select": "dice"},
                ),
            ),
            "several metrics",
        ),
    ],
)
def test_what_was_not_scored_alike_is_refused_in_words(tmp_path: Path, other: Run, told: str) -> None:
    one = Run({"fold-0": [0.4, 0.6]}).written(tmp_path / "a")
    with pytest.raises(InputError, match="b") as error:
        collect([one, other.written(tmp_path / "b")])
    assert told in str(error.value)


def test_all_that_is_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    one = Run({"fold-0": [0.4, 0.6]}).written(tmp_path / "a")
    unfinished = Run({"fold-0": [0.4, 0.6]}).written(tmp_path / "b")
    (unfinished / "fold-0" / "model" / "metrics.json").unlink()
    damaged = Run({"fold-0": [0.4, 0.6]}).written(tmp_path / "c")
    (damaged / "fold-0" / "cases.csv").write_text("nonsense\n1\n", encoding="utf-8")
    (tmp_path / "d").mkdir()
    with pytest.raises(InputError) as error:
        collect([one, one, unfinished, damaged, tmp_path / "d", tmp_path / "e"])
    whats = [problem.what for problem in error.value.problems]
    assert whats == [
        "this run is not finished",
        "the scores of its cases cannot be read",
        "there is no run in this folder",
        "there is no run in this folder",
        "a run is named twice",
    ]


def test_what_is_to_be_known_of_a_comparison_is_said(tmp_path: Path) -> None:
    one = Run({"fold-0": [0.4, 0.6]}, part="validation").written(tmp_path / "a")
    steps = changed(SEGMENTATION, preprocessing=["rescale"])
    other = Run({"fold-0": [0.4, 0.6]}, part="validation", study=steps, cohort="d").written(tmp_path / "b")
    notes = " ".join(collect([one, other]).notes)
    assert "There are no test cases" in notes
    assert "another table" in notes
    assert "preprocessed otherwise" in notes


def test_settings_that_differ_are_named_by_their_paths() -> None:
    one = study_of(SEGMENTATION)
    other = study_of(
        changed(
            SEGMENTATION,
            study="others",
            augmentation=[{"noise": {"std": [0, 0.3]}}, "gamma"],
            training={"loss": "dice_ce", "epochs": 2, "optimizer": {"name": "adamw", "learning_rate": 0.1}},
        )
    )
    mine, theirs = differing([one, other])
    assert mine["augmentation.noise.std"] == "[0.0, 0.1]"
    assert (mine["augmentation.gamma.name"], theirs["augmentation.gamma.name"]) == ("", "gamma")
    assert theirs["training.optimizer.learning_rate"] == "0.1"
    assert "study" not in mine
    assert differing([one, one]) == [{}, {}]


def test_the_command_writes_a_table_and_a_page_and_replaces_nothing(tmp_path: Path) -> None:
    runs = [
        Run({"fold-0": [0.4, 0.6]}).written(tmp_path / "a"),
        Run({"fold-0": [0.5, 0.7]}, validation=0.8, study=_wider(filters=8)).written(tmp_path / "b"),
    ]
    done = run_wardround("collect", *runs, "--out", tmp_path / "out" / "t.csv")
    assert done.code == 0, done.err
    with (tmp_path / "out" / "t.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["Run"], row["model.filters"], row["Cases"]) for row in rows] == [("b", "8", "2"), ("a", "4", "2")]
    assert float(rows[0]["dice"]) == pytest.approx(0.6)
    assert float(rows[1]["dice against b"]) == pytest.approx(-0.1)
    assert run_wardround("collect", *runs, "--out", tmp_path / "out" / "t.csv").code == 2
    page = run_wardround("collect", *runs, "--out", tmp_path / "t.html", "--json")
    assert page.code == 0, page.err
    assert [each["run"] for each in page.json["runs"]] == ["b", "a"]
    assert "Best by validation: b" in (tmp_path / "t.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("words", "told"), [(["--out", "x.txt"], ".csv or .html"), ([], "one run alone")])
def test_a_command_line_that_makes_no_sense_is_told(tmp_path: Path, words: list[str], told: str) -> None:
    done = run_wardround("collect", tmp_path, *words)
    assert done.code == 2
    assert told in done.err
