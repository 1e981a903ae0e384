"""`wardround fit`: train a study on a hospital's own cases."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.experiments import Leaderboard
    from wardround.engine.study import Study


def fit(
    study: Annotated[Path, typer.Argument(help="The study file.", show_default=False)],
    manifest: Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The run's folder.", show_default=False)],
    folds: Annotated[str, typer.Option(help="An outer fold's number, `all` of them, or `nested`.")] = "0",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; a result's last bits depend on it.")] = None,
    steps: Annotated[int | None, typer.Option(help="Train so many steps instead of the study's epochs.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where preprocessed cases are kept; default: the run.")] = None,
    store_limit: Annotated[str | None, typer.Option(help="How much disk they may take, such as `200 GB`.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="A model folder to begin with, in place of random weights.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")] = False,
) -> None:
    """Train, validate and test a model on the cases of a manifest.

    Every voxel is read, once, before anything is learned, and an estimate of time and disk is printed first. What was
    preprocessed before is not read again. Ctrl-C or SIGTERM leaves a checkpoint and exit code 130: the same command
    goes on exactly there, and repeats nothing that is finished.
    `--start-from` fine-tunes a model: its weights are taken by their names, those of other shapes or classes begin
    afresh, and its training cases may not be among the test cases.
    `all` runs each outer fold with its first inner fold, `nested` with all of its inner folds.

    \b
    Examples:
      wardround fit study.yaml --manifest data.csv --out run
      wardround fit study.yaml --manifest data.csv --out run --folds all --threads 8
      wardround fit other.yaml --manifest few.csv --out tuned --start-from run/fold-0/model
      wardround predict run/fold-0/model --folder images --out predictions
    """
    from wardround.engine.cli.interrupted import resumable
    from wardround.engine.inspection.preflight import study_for
    from wardround.engine.report.board import board_json, board_text

    options.require_all(
        partial(study_for, study, manifest),
        partial(options.require_table, manifest),
        partial(options.made_folds, folds, study, manifest),
        partial(options.require_steps, steps),
        partial(options.require_device, device),
        partial(options.take_threads, threads),
        partial(options.size_of, store_limit, "--store-limit"),
        partial(_require_start, start_from),
        partial(options.require_folder, out, "--out", "run"),
        partial(options.require_folder, work, "--work", "work"),
    )
    with resumable():
        board = _fit(study, manifest, out, folds, device, threads, steps, work, store_limit, start_from)
    if as_json:
        say_json(board_json(board))
    else:
        say_text(board_text(board, out))


def _fit(
    study: Path,
    manifest: Path,
    out: Path,
    folds: str,
    device: str,
    threads: int | None,
    steps: int | None,
    work: Path | None,
    store_limit: str | None,
    start_from: Path | None,
) -> Leaderboard:
    from wardround.engine.experiments.conducting import Order, conduct
    from wardround.engine.report.pages import RunPages

    limit, wanted = options.size_of(store_limit, "--store-limit"), options.folds_of(folds)
    order = Order(_study(study, steps), study, manifest, out, work, wanted, device, threads, limit, start_from)
    return conduct(order, RunPages())


def _require_start(model: Path | None) -> None:
    from wardround.engine.experiments.models import require_model

    if model is not None:
        require_model(model)


def _study(path: Path, steps: int | None) -> Study:
    from wardround.engine.study import Study, load_study

    study = load_study(path)
    if steps is None:
        return study
    training = study.training.model_copy(update={"steps": steps})
    return Study.model_validate(study.model_copy(update={"training": training}).model_dump(by_alias=True))
