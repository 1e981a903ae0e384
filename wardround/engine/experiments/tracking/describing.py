"""What the record of a run, and the worth of its weights, give trackers to keep."""

from __future__ import annotations

from pathlib import Path

from wardround.engine.experiments.run_record import Metrics, read_record
from wardround.engine.experiments.tracking.settings import settings_of
from wardround.engine.experiments.tracking.tracker import Described
from wardround.engine.study import Study


def described(folder: Path, study: Study) -> Described:
    """The run in a split's folder, whose own name is the split's. Raises `InputError` where its record is damaged."""
    record = read_record(folder)
    digests = {
        "run": record.identity,
        "study": record.study,
        "cohort": record.cohort,
        "fitted": record.fitted,
        "start": record.start,
    }
    told = {name: digest for name, digest in digests.items() if digest}
    return Described(study.study, folder.name, settings_of(study), told)


def final_scores(metrics: Metrics) -> dict[str, float]:
    """Scores of the chosen weights, as `chosen/test/dice`."""
    sets = {"validation": metrics.validation, "test": metrics.test}
    return {
        f"chosen/{name}/{metric}": value
        for name, scores in sets.items()
        if scores is not None
        for metric, value in scores.values.items()
    }
