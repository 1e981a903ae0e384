"""`wardround fit`: train a study on a hospital's own cases."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.durations import estimated_duration
from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import complain, say_json, say_text
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.cohort import Folds
    from wardround.engine.experiments import Estimate, Leaderboard, Survey
    from wardround.engine.experiments.casetables import Distribution
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")] = False,
) -> None:
    """Train, validate and test a model on the cases of a manifest.

    Every voxel is read, once, before anything is learned, and an estimate of time and disk is printed first. What was
    preprocessed before is not read again. Ctrl-C or SIGTERM leaves a checkpoint and exit code 130: the same command
    goes on exactly there, and repeats nothing that is finished.
    `all` runs each outer fold with its first inner fold, `nested` with all of its inner folds.

    \b
    Examples:
      wardround fit study.yaml --manifest data.csv --out run
      wardround fit study.yaml --manifest data.csv --out run --folds all --threads 8
      wardround predict run/fold-0/model --folder images --out predictions
    """
    from wardround.engine.basics.signals import interrupts
    from wardround.engine.cli.runner import ExitCode
    from wardround.engine.inspection.preflight import study_for
    from wardround.engine.training import Halted

    options.require_all(
        partial(study_for, study, manifest),
        partial(options.require_table, manifest),
        partial(options.made_folds, folds, study, manifest),
        partial(options.require_steps, steps),
        partial(options.require_device, device),
        partial(options.take_threads, threads),
        partial(options.size_of, store_limit, "--store-limit"),
        partial(options.require_folder, out, "--out", "run"),
        partial(options.require_folder, work, "--work", "work"),
    )
    chosen, wanted, limit = _study(study, steps), options.folds_of(folds), options.size_of(store_limit, "--store-limit")
    try:
        with interrupts():
            survey = _survey(study, chosen, manifest, wanted, out, device, threads)
            board = _fit(survey, out, work or out, limit)
    except Halted as halted:
        complain(f"stopped after {halted.step} steps; the same command goes on there")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except KeyboardInterrupt:
        complain("the same command goes on, and repeats nothing that is finished")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        say_json(_described(board))
    else:
        say_text(_text(board, out))


def _study(path: Path, steps: int | None) -> Study:
    from wardround.engine.study import Study, load_study

    study = load_study(path)
    if steps is None:
        return study
    training = study.training.model_copy(update={"steps": steps})
    return Study.model_validate(study.model_copy(update={"training": training}).model_dump(by_alias=True))


def _survey(
    path: Path, study: Study, manifest: Path, folds: Folds | int, out: Path, device: str, threads: int | None
) -> Survey:
    """Try the study's parts, check tables and headers. Voxels are read once, while the store is filled, before the
    first step; of a run that goes on, none: the store knows the files by their content.

    Patients that the run's folder knows keep their sets, whatever the table has become.
    """
    from wardround.engine.cohort.assignment import SETS_FILE, read_assignment
    from wardround.engine.experiments import Survey
    from wardround.engine.inspection.preflight import in_file
    from wardround.engine.trial import trial_pass

    findings, survey = Findings(in_file(path, trial_pass(study))), None
    with findings.gather():
        known = read_assignment(out / SETS_FILE)
        survey = Survey.of(study, manifest, folds=folds, known=known, device=device, threads=threads)
    if survey is None or findings.problems:
        raise InputError(findings.problems)
    return survey


def _fit(survey: Survey, out: Path, work: Path, store_limit: int | None) -> Leaderboard:
    from wardround.engine.basics.files import require_space
    from wardround.engine.basics.progress import progress
    from wardround.engine.cohort.assignment import SETS_FILE, write_assignment
    from wardround.engine.experiments import Workbench, estimate, fit_splits
    from wardround.engine.experiments.estimate import UnreadableCaseError
    from wardround.engine.inspection.room import memory_shortage, needs_of, require_store_room
    from wardround.engine.report.runs import write_leaderboard_report, write_run_report
    from wardround.engine.report.units import Units

    splits = survey.plan.splits
    _require_usable(out, [out / named.name for named in splits])
    for notice in (*survey.inspection.notices, *memory_shortage(needs_of(survey.study, survey.inspection.grids))):
        note(f"note: {notice.render()}")
    if not any((out / named.name).exists() for named in splits):
        # A case that cannot be read is told below, with all others that cannot.
        with contextlib.suppress(UnreadableCaseError):
            expected = estimate(survey, work)
            note(*_announcement(survey, expected, len(splits)))
            require_store_room(expected.store_bytes, work)
            require_space(out, expected.run_bytes * len(splits), "checkpoints and weights")
    workbench = Workbench.fill(survey, work, store_limit)
    workbench.require_foreground()
    of_masks = *workbench.selection_notices(splits), *workbench.unseen_classes(splits)
    for notice in (*workbench.notices, *workbench.padding_notices(), *of_masks):
        note(f"note: {notice.render()}")
    write_assignment(out / SETS_FILE, workbench.assignment)
    board = fit_splits(workbench, splits, out, progress)
    for named in splits:
        write_run_report(workbench.with_split(named.split), board.results[named.name], named.name)
    if len(splits) > 1:
        write_leaderboard_report(survey.study, board, Units.of_cases(survey.study, workbench.cohort.cases), out)
    return board


def _require_usable(out: Path, folders: Sequence[Path]) -> None:
    """Before any voxel is read: two of the same command must not write into one another's files, and none into
    anybody else's."""
    from wardround.engine.basics.sole import require_idle
    from wardround.engine.experiments.claims import require_a_runs
    from wardround.engine.report.runs import require_own_comparison

    findings = Findings()
    for folder in folders:
        with findings.gather():
            require_idle(folder)
            require_a_runs(folder)
    if len(folders) > 1:
        with findings.gather():
            require_own_comparison(out)
    findings.raise_if_any()


def _announcement(survey: Survey, expected: Estimate, splits: int) -> tuple[str, str, str]:
    split = survey.split
    counts = f"{len(split.train)} to train, {len(split.validation)} to validate, {len(split.test)} to test"
    steps = f"{expected.total_steps} steps, {expected.validations} validations"
    seconds = expected.prepare_seconds + splits * expected.train_seconds
    disk = expected.store_bytes + splits * expected.run_bytes
    many = f"{splits} splits, the first with " if splits > 1 else ""
    return (
        f"{len(survey.cohort.cases)} cases: {many}{counts}",
        f"{steps}, {expected.step_seconds:.2f} s a step",
        f"about {estimated_duration(seconds)} and {shown_size(disk)} of disk",
    )


def _described(board: Leaderboard) -> dict[str, JsonValue]:
    return {
        "splits": {
            name: {"model": str(result.model), "metrics": result.metrics.model_dump(mode="json")}
            for name, result in board.results.items()
        },
        "scores": {
            name: {"mean": score.mean, "spread": score.spread, "splits": score.count}
            for name, score in board.scores.items()
        },
    }


def _spread(score: Distribution) -> str:
    """How a mean spreads over the splits in which it is defined; one of them has no spread."""
    return " in 1 split" if score.spread is None else f" ± {score.spread:.4f} over {score.count} splits"


def _text(board: Leaderboard, out: Path) -> str:
    several = len(board.results) > 1
    lines = [
        f"{name:<24}{score.mean:10.4f}" + (_spread(score) if several else "") for name, score in board.scores.items()
    ]
    first = next(iter(board.results.values()))
    scored = "test" if first.metrics.test else "validation"
    reports = [str(out / "report.html")] if several else []
    paths = [str(result.folder / "report.html") for result in board.results.values()]
    models = [str(result.model) for result in board.results.values()]
    results = board.results.values()
    which = " and ".join(sorted({result.metrics.which for result in results}))
    head = f"{scored} scores of the {which} weights" + (", mean ± standard deviation" if several else "")
    chosen = [f"{name}: {result.metrics.chosen}" for name, result in board.results.items() if result.metrics.chosen]
    return "\n".join([head, *chosen, *lines, "report:", *reports, *paths, "model:", *models])
