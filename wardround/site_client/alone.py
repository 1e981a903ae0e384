"""`site-client --local`: the same engine on the same study, without anybody else."""

from __future__ import annotations

from pathlib import Path

from wardround.engine.basics.printable import say_text
from wardround.engine.basics.problems import Findings
from wardround.engine.study import Study, load_study
from wardround.site_client.agreement.agreement import load_agreement
from wardround.site_client.agreement.readiness import require_table, require_work
from wardround.site_client.agreement.settings import load_settings
from wardround.site_client.between.two_users import work_folder


def train_alone(config: Path, study_path: Path | None) -> None:
    """Train the accepted study, or that of a file, on this site's cases, as `wardround fit` does.

    The run is kept under the work folder; the same command goes on where an earlier one was interrupted. Preprocessed
    cases are shared with the federation's. Raises `InputError` for bad input.
    """
    from wardround.engine.cli.interrupted import resumable
    from wardround.engine.experiments.conducting import conduct
    from wardround.engine.experiments.models import write_study
    from wardround.engine.experiments.order import Order
    from wardround.engine.report.board import board_text
    from wardround.engine.report.pages import RunPages

    settings, findings = load_settings(config), Findings()
    for require in (require_work, require_table):
        with findings.gather():
            require(settings)
    with findings.gather():
        study, fold = _study(settings.accepted, study_path)
    findings.raise_if_any()
    run = work_folder(settings.work) / "local" / study.digest[:16]
    write_study(run / "study.yaml", study)
    needed = {asset.asset for asset in study.assets.values()}
    order = Order(
        study=study,
        study_file=run / "study.yaml",
        manifest=settings.manifest,
        out=run,
        work=settings.work,
        folds=fold,
        device=settings.device,
        threads=settings.threads,
        store_limit=settings.store_limit,
        # Other studies of this site may need others.
        assets={name: path for name, path in settings.assets.items() if name in needed},
    )
    with resumable():
        board = conduct(order, RunPages())
    say_text(board_text(board, run))


def _study(accepted: Path, study_path: Path | None) -> tuple[Study, int]:
    """The study to train and its outer fold."""
    if study_path is not None:
        return load_study(study_path), 0
    agreement = load_agreement(accepted)
    return agreement.study, agreement.plan.fold
