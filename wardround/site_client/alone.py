"""`site-client --local`: the same engine on the same study, without anybody else."""

from __future__ import annotations

from pathlib import Path

from wardround.engine.study import Study, load_study
from wardround.site_client.agreement import load_agreement
from wardround.site_client.settings import load_settings


def train_alone(config: Path, study_path: Path | None) -> Path:
    """Train the accepted study, or that of a file, on this site's cases; returns the model's folder.

    The run goes on where an earlier one was interrupted. Raises `InputError` for bad input.
    """
    from wardround.engine.experiments import Workbench, fit

    settings = load_settings(config)
    study, fold = _study(settings.accepted, study_path)
    bench = Workbench.open(
        study, settings.manifest, settings.work, fold=fold, device=settings.device, threads=settings.threads
    )
    return fit(bench, settings.work / "local" / study.digest[:16]).model


def _study(accepted: Path, study_path: Path | None) -> tuple[Study, int]:
    if study_path is not None:
        return load_study(study_path), 0
    agreement = load_agreement(accepted)
    return agreement.study, agreement.plan.fold
