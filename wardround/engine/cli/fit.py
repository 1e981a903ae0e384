"""`wardround fit`: train a study on a hospital's own cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.children import module_command
from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.experiments import Leaderboard
    from wardround.engine.experiments.order import Order
    from wardround.engine.study import Study
    from wardround.engine.training.team import Team

_ONE_SPLIT = "wardround.engine.cli.one_split"
_LAST_SECONDS = 5.0


def fit(
    study: Annotated[Path, typer.Argument(help="The study file.", show_default=False)],
    manifest: Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The run's folder.", show_default=False)],
    folds: Annotated[str, typer.Option(help="An outer fold's number, `all` of them, or `nested`.")] = "0",
    parallel: Annotated[
        int, typer.Option(help="How many folds are trained at the same time, in as many processes.")
    ] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; a result's last bits depend on it.")] = None,
    steps: Annotated[int | None, typer.Option(help="Train so many steps instead of the study's epochs.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where preprocessed cases are kept; default: the run.")] = None,
    store_limit: Annotated[str | None, typer.Option(help="How much disk they may take, such as `200 GB`.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="A model folder to begin with, in place of random weights.", show_default=False)
    ] = None,
    asset: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH of a file that the study needs; for each.", show_default=False)
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(help="`mlflow` or `wandb`: also tell it the values; for each.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")] = False,
) -> None:
    """Train, validate and test a model on the cases of a manifest.

    Every voxel is read, once, before anything is learned, and an estimate of time and disk is printed first. What was
    preprocessed before is not read again. Ctrl-C or SIGTERM leaves a checkpoint and exit code 130: the same command
    goes on exactly there, and repeats nothing that is finished.
    `--start-from` fine-tunes a model: its weights are taken by their names, those of other shapes or classes begin
    afresh, and its training cases may not be among the test cases. `--asset` says where a file lies that the study
    names by its content, as `training.start` does.
    `--track` tells a program that keeps runs side by side the curves, the study's settings and digests, and nothing of
    cases; it is set up by its own settings, and without any keeps its files in the run's folder.
    `all` runs each outer fold with its first inner fold, `nested` with all of its inner folds.
    `--parallel` divides threads and memory among the folds and keeps a log of each beside its folder. If the process
    of one of them is killed the others go on; the command then ends with exit code 3, and typed again goes on there.

    \b
    Examples:
      wardround fit study.yaml --manifest data.csv --out run
      wardround fit study.yaml --manifest data.csv --out run --folds all --threads 8 --parallel 4
      wardround fit other.yaml --manifest few.csv --out tuned --start-from run/fold-0/model
      torchrun --nproc-per-node 4 -m wardround fit study.yaml --manifest data.csv --out run
      wardround predict run/fold-0/model --folder images --out predictions
    """
    from wardround.engine.cli.interrupted import resumable
    from wardround.engine.inspection.preflight import study_for
    from wardround.engine.report.board import board_json, board_text
    from wardround.engine.training.team import of_torchrun

    order = partial(
        _order, study, manifest, out, folds, device, threads, steps, work, store_limit, start_from, asset, track
    )
    with of_torchrun() as team:
        if not team.leads:
            _follow(order, team)
            return
        options.require_all(
            partial(study_for, study, manifest),
            partial(options.require_table, manifest),
            partial(options.made_folds, folds, study, manifest),
            partial(options.require_steps, steps),
            partial(options.require_device, device),
            partial(options.require_own_devices, device, team.size),
            partial(options.take_threads, threads),
            partial(options.require_parallel, parallel, folds, threads, team.size),
            partial(options.size_of, store_limit, "--store-limit"),
            partial(_require_start, start_from),
            partial(options.require_assets, asset or (), study),
            partial(_require_trackers, track or ()),
            partial(options.require_folder, out, "--out", "run"),
            partial(options.require_folder, work, "--work", "work"),
        )
        with resumable(), _unfinished(as_json=as_json):
            board = _conducted(order, parallel, team)
    if as_json:
        say_json(board_json(board))
    else:
        say_text(board_text(board, out))


def _order(
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
    asset: list[str] | None,
    track: list[str] | None,
) -> Order:
    """What these words order, each of which has been checked."""
    from wardround.engine.experiments.order import Order
    from wardround.engine.training.team import own_device

    return Order(
        study=_study(study, steps),
        study_file=study,
        manifest=manifest,
        out=out,
        work=work,
        folds=options.folds_of(folds),
        device=own_device(device),
        threads=threads,
        store_limit=options.size_of(store_limit, "--store-limit"),
        start_from=start_from,
        assets=options.assets_of(asset or ()),
        track=tuple(track or ()),
    )


def _conducted(order: Callable[[], Order], parallel: int, team: Team) -> Leaderboard:
    """Conduct an order; what it needs is imported where an interruption is heard."""
    from wardround.engine.experiments.conducting import conduct
    from wardround.engine.experiments.side_by_side import SideBySide
    from wardround.engine.report.pages import RunPages

    return conduct(order(), RunPages(), SideBySide(parallel, module_command(_ONE_SPLIT)), team)


def _follow(order: Callable[[], Order], team: Team) -> None:
    """Train with the process that leads, which says all that there is to say."""
    from wardround.engine.basics.loudness import be_quiet
    from wardround.engine.basics.signals import interrupts
    from wardround.engine.cli.runner import ExitCode
    from wardround.engine.experiments.together import follow
    from wardround.engine.training.team import TeamLostError

    be_quiet()
    try:
        with interrupts():
            try:
                follow(order, team)
            except TeamLostError:
                # `torchrun` names the process that ends first as the cause: let it be the one that has a reason.
                time.sleep(_LAST_SECONDS)
                raise
    except (TeamLostError, KeyboardInterrupt):
        raise typer.Exit(ExitCode.INCOMPLETE) from None


@contextmanager
def _unfinished(*, as_json: bool) -> Iterator[None]:
    """End with the problems of the folds that could not be finished, and what kind they are of."""
    from wardround.engine.cli.runner import ExitCode
    from wardround.engine.cli.telling import show_problems
    from wardround.engine.experiments.side_by_side import UnfinishedError

    try:
        yield
    except UnfinishedError as error:
        show_problems(error.problems, as_json=as_json)
        gravest = (ExitCode.INTERNAL, ExitCode.BAD_INPUT, ExitCode.MACHINE)
        raise typer.Exit(next((code for code in gravest if code in error.codes), ExitCode.INCOMPLETE)) from None


def _require_start(model: Path | None) -> None:
    from wardround.engine.experiments.models import require_model

    if model is not None:
        require_model(model)


def _require_trackers(names: Sequence[str]) -> None:
    from wardround.engine.experiments.tracking.known import require_trackers

    require_trackers(names)


def _study(path: Path, steps: int | None) -> Study:
    from wardround.engine.study import Study, load_study

    study = load_study(path)
    if steps is None:
        return study
    training = study.training.model_copy(update={"steps": steps})
    return Study.model_validate(study.model_copy(update={"training": training}).model_dump(by_alias=True))
