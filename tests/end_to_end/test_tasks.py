"""Each kind of truth in a federation of one: what a local run learns, to the last byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.federation import PATIENCE, STUDY, Copy, Template, weights_digest
from tests.end_to_end.test_fitted import NUMBERS
from tests.end_to_end.test_rule_two import local_run
from tests.engine.experiments.test_multilabel import findings_cohort
from tests.engine.experiments.test_survival import outcome_cohort

pytestmark = [pytest.mark.timeout(3 * PATIENCE), pytest.mark.slow]
LABELS = NUMBERS.replace("task: regression", "task: multilabel\ntargets: [left, top]")
LABELS = LABELS.replace("huber", "bce").replace("[mae, pearson], select: mae", "[auc, f1], select: auc")
OUTCOME = NUMBERS.replace("task: regression", "task: survival").replace("batch_size: 2", "batch_size: 8")
OUTCOME = OUTCOME.replace("huber", "cox").replace("[mae, pearson], select: mae", "[c_index], select: c_index")
Cohort = Callable[[Path, int], Path]
TASKS: tuple[tuple[str, str, Cohort, str], ...] = (
    ("multilabel", LABELS, findings_cohort, "f1"),
    ("survival", OUTCOME, outcome_cohort, "loss"),
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
    assert weights_digest(tmp_path / "run" / "fold-0" / "model" / "last.safetensors") == found
    assert score in json.dumps(json.loads((federation.lab.last_model / "metrics.json").read_bytes()))
