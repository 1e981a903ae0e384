"""Each kind of truth in a federation of one: what a local run learns, to the last byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.federation import PATIENCE, STUDY, Copy, Template, weights_digest
from tests.end_to_end.test_fitted import NUMBERS
from tests.end_to_end.test_rule_two import local_run
from tests.engine.experiments.made import made_cohort
from tests.engine.experiments.test_given_tables import table_cohort
from tests.engine.experiments.test_multilabel import findings_cohort
from tests.engine.experiments.test_survival import outcome_cohort
from wardround.engine.experiments import Survey, Workbench, load_model
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study, load_study

pytestmark = [pytest.mark.timeout(3 * PATIENCE), pytest.mark.slow]
LABELS = NUMBERS.replace("task: regression", "task: multilabel\ntargets: [left, top]")
LABELS = LABELS.replace("huber", "bce").replace("[mae, pearson], select: mae", "[auc, f1], select: auc")
OUTCOME = NUMBERS.replace("task: regression", "task: survival").replace("batch_size: 2", "batch_size: 8")
OUTCOME = OUTCOME.replace("huber", "cox").replace("[mae, pearson], select: mae", "[c_index], select: c_index")
TABLES = """\
schema: 1
study: table
task: classification
inputs: []
classes: {healthy: 0, ill: 1}
columns: {age: number, chol: {missing: mean}, mark: {levels: [a, b], missing: unknown}}
model: {name: dense, hidden: [8], dropout: 0.1}
training: {loss: cross_entropy, optimizer: {name: adamw, learning_rate: 1e-2}, batch_size: 8, steps: 48}
validation: {outer_folds: 3, inner_folds: 3, metrics: [accuracy, auc], select: auc}
seed: 5
"""
MADE = NUMBERS.replace("task: regression", "task: synthesis\ntargets: [inverse]").replace("huber", "l1")
MADE = re.sub(r"model: \{.*?\}", "model: {name: unet, dimensions: 2, filters: 4, levels: 2, norm: group}", MADE)
MADE = MADE.replace("[mae, pearson]", "[mae, ncc]")
GAME = MADE.replace("loss: l1", "loss: {name: adversarial, filters: 4, levels: 2}")
Cohort = Callable[[Path, int], Path]


def images_cohort(folder: Path, seed: int) -> Path:
    """Pictures and their inverses."""
    return made_cohort(folder)


TASKS: tuple[tuple[str, str, Cohort, str], ...] = (
    ("multilabel", LABELS, findings_cohort, "f1"),
    ("survival", OUTCOME, outcome_cohort, "loss"),
    ("table", TABLES, table_cohort, "auc"),
    ("synthesis", MADE, images_cohort, "ncc"),
    ("adversary", GAME, images_cohort, "ncc"),
)
"""The name of a task, a study of it, its cohorts, and a score that its sites report."""


@pytest.mark.parametrize(("name", "text", "cohort", "score"), TASKS, ids=[row[0] for row in TASKS])
def test_one_site_learns_as_a_local_run_does(
    name: str, text: str, cohort: Cohort, score: str, federation_of: Copy, tmp_path: Path
) -> None:
    assert text != STUDY
    template = Template.prepare(tmp_path / "one", sites=("north",), text=text, cohort=cohort)
    federation = federation_of(template)
    federation.start()
    found = federation.finish()
    local_run(template, tmp_path / "run").finish()
    model = tmp_path / "run" / "fold-0" / "model"
    assert weights_digest(model / "last.safetensors") == found
    assert load_model(federation.lab.last_model, device="cpu").state == load_model(model, device="cpu").state
    assert score in json.dumps(json.loads((federation.lab.last_model / "metrics.json").read_bytes()))


def _training_cases(study: Study, manifest: Path, work: Path) -> list[StoredCase]:
    """Those of one site, which could not scale its columns alone."""
    bench = Workbench.fill(Survey.of(study, manifest, device="cpu", threads=1), work)
    return [bench.unfitted[case.subject] for case in bench.split.train]


def test_two_sites_scale_columns_by_all_training_cases_together(federation_of: Copy, tmp_path: Path) -> None:
    """A column that too few patients of a site have a value in is told as if none had one."""

    def cohort(folder: Path, seed: int) -> Path:
        manifest = table_cohort(folder, seed)
        if seed:
            rows = [line.split(",") for line in manifest.read_text().splitlines()]
            sparse = [[*row[:3], row[3] if place < 4 else "", row[4]] for place, row in enumerate(rows)]
            manifest.write_text("".join(f"{','.join(row)}\n" for row in sparse))
        return manifest

    template = Template.prepare(tmp_path / "two", sites=("north", "south"), text=TABLES, cohort=cohort)
    federation = federation_of(template)
    federation.start()
    federation.finish()
    study = load_study(template.study)
    cases = {name: _training_cases(study, manifest, tmp_path / name) for name, manifest in template.manifests.items()}
    ages = [case.columns[0] for each in cases.values() for case in each]
    chols = [case.columns[1] for case in cases["north"] if case.columns[1] is not None]
    found = load_model(federation.lab.last_model, device="cpu").state.columns
    expected = [(np.mean(numbers), np.std(numbers)) for numbers in (ages, chols)]
    assert [(scale.mean, scale.deviation) for scale in found] == [pytest.approx(each, rel=1e-12) for each in expected]
