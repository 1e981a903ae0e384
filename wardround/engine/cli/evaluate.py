"""`wardround evaluate`: score a model, or predictions from anywhere, against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.cli import options
from wardround.engine.cli.partial import end_with, tell_left_out
from wardround.engine.cli.telling import described

if TYPE_CHECKING:
    from wardround.engine.cohort import Cohort
    from wardround.engine.experiments.casetables import Distribution
    from wardround.engine.experiments.ensemble import Combine
    from wardround.engine.experiments.evaluation import Scored
    from wardround.engine.experiments.results import CasePrediction, Predictor
    from wardround.engine.inspection import Sound
    from wardround.engine.metrics.scores import CaseScores, Evaluation
    from wardround.engine.report.agreement import Pair
    from wardround.engine.study import Study

_UNKNOWN = (
    "note: nothing here tells with which cases the model was trained, so every case counts as unseen; if this site "
    "took part in training it, say --work and the site's work folder"
)


def evaluate(
    study: Annotated[Path, typer.Argument(help="The study file; its metrics are computed.", show_default=False)],
    manifest: Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)],
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="A model folder, or a run's; say it again for models that predict together.", show_default=False
        ),
    ] = None,
    combine: Annotated[str, typer.Option(help="mean, majority or staple: how several models become one.")] = "mean",
    predictions: Annotated[
        Path | None, typer.Option(help="Or the folder that `wardround predict` wrote, or a table.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for cases.csv and report.html.", show_default=False)] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Work folder of the site, if it took part in training the model.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores, or the problems, as JSON.")] = False,
) -> None:
    """Score every case on the grid of its own file, and summarise. A case that cannot be scored is left out and told at
    the end, with exit code 2. Files of `--out` that an earlier evaluation did not write are not replaced.

    Cases that the model was trained or chosen with are left out, where its run's folder says which they were, or the
    work folder of a site that trained it together with others. A table of predictions has the columns SubjectID and
    Prediction: the path of a mask, a class or a number; or the columns that `wardround predict` writes.

    \b
    Examples:
      wardround evaluate study.yaml --manifest test.csv --model run/fold-0/model --out scores
      wardround evaluate study.yaml --manifest test.csv --model run --combine majority
      wardround evaluate study.yaml --manifest test.csv --predictions predictions --json
      wardround evaluate study.yaml --manifest test.csv --predictions others.csv --out scores
    """
    from wardround.engine.study import load_study

    options.require_all(
        partial(load_study, study),
        partial(options.require_table, manifest),
        partial(_require_scored, model, predictions),
        partial(options.combine_of, combine),
        partial(_require_alike, study, model, combine),
        partial(options.require_device, device),
        partial(options.take_threads, threads),
        partial(options.require_folder, out, "--out", "scores"),
        partial(_require_free, out),
    )
    chosen, models = load_study(study), _models(model)
    sound = _sound(chosen, manifest)
    tell_left_out(sound)
    cohort = _unseen(chosen, models, sound.cohort, work)
    pairs: list[Pair] = []
    way = options.combine_of(combine)
    predictor = _predictor(chosen, cohort, models, way, predictions, device)
    scored = _evaluate(chosen, cohort, predictor, out, sound.left_out, pairs)
    problems = (*sound.problems, *scored.problems)
    if scored.evaluation is None:
        raise InputError(problems)
    failed = _failed(cohort, scored.evaluation, sound.left_out)
    warnings = _warn(chosen, pairs)
    if as_json:
        told: dict[str, JsonValue] = {"warnings": warnings} if warnings else {}
        told |= {"problems": described(problems)} if problems else {}
        say_json({**_described(scored.evaluation), **told})
    else:
        say_text(_text(scored.evaluation, out, failed))
    end_with(problems, as_json=as_json)


def _require_free(out: Path | None) -> None:
    from wardround.engine.basics.made import EVALUATE, Made
    from wardround.engine.experiments.casetables import CASES
    from wardround.engine.report.own_pages import REPORT

    if out is not None:
        Made(out, EVALUATE).require_free((CASES, REPORT), "scores")


def _sound(study: Study, manifest: Path) -> Sound:
    from wardround.engine.cohort import Truth, read_manifest
    from wardround.engine.inspection import sound_cases

    return sound_cases(study, read_manifest(manifest, study, truth=Truth.REQUIRED))


def _failed(cohort: Cohort, evaluation: Evaluation, left_out: int) -> int:
    """How many cases of the table should have been scored and were not."""
    return len(cohort.cases) - len(evaluation.cases) + left_out


def _unseen(study: Study, models: Sequence[Path], cohort: Cohort, work: Path | None) -> Cohort:
    """The cohort without what any of the models has learned from or was chosen by, where a record says that."""
    from wardround.engine.experiments.learned import unseen

    left, uses, unknown = cohort, dict[str, str](), False
    for model in models:
        left, used = unseen(model, left, work, study.dicom)
        unknown = unknown or used is None
        uses |= used or {}
    if unknown:
        note(_UNKNOWN)
    for use in ("training", "validation"):
        count = sum(each == use for each in uses.values())
        if count:
            note(f"note: left out {count} of {len(cohort.cases)} cases, which the model has seen in {use}")
    return left


def _models(named: list[Path] | None) -> tuple[Path, ...]:
    from wardround.engine.experiments.ensemble import model_folders

    return model_folders(named or ())


def _predictor(
    study: Study, cohort: Cohort, models: Sequence[Path], combine: Combine, predictions: Path | None, device: str
) -> Predictor:
    from wardround.engine.experiments import folder_predictor, load_ensemble, model_predictor

    if predictions is not None:
        return folder_predictor(study, cohort, predictions)
    loaded = load_ensemble(models, combine, device=device)
    for notice in loaded.notices:
        note(f"note: {notice.render()}")
    return model_predictor(study, loaded)


def _require_scored(model: list[Path] | None, predictions: Path | None) -> None:
    if (not model) == (predictions is None):
        got = "both" if model else "neither --model nor --predictions"
        remedy = "Add `--model run/fold-0/model`, or `--predictions predictions`, and not both"
        what, expected = "what is to be scored?", "either --model or --predictions"
        raise InputError.one(what, got=got, expected=expected, remedy=remedy)
    _models(model)


def _require_alike(study: Path, model: list[Path] | None, combine: str) -> None:
    """Before any image is opened: a study and a model that do not fit, each difference with its line, and models that
    do not fit each other. What cannot be read of either is told by those who need it."""
    from wardround.engine.experiments import ensemble
    from wardround.engine.experiments.evaluation import require_alike
    from wardround.engine.experiments.models import STUDY
    from wardround.engine.inspection.preflight import in_file
    from wardround.engine.study import load_study

    try:
        models, way = _models(model), options.combine_of(combine)
        if not models:
            return
        stated, trained = load_study(study), load_study(models[0] / STUDY)
    except InputError:
        return
    ensemble.require_alike(models, way)
    try:
        require_alike(stated, trained)
    except InputError as error:
        raise InputError(in_file(study, error.problems)) from None


def _warn(study: Study, pairs: list[Pair]) -> list[JsonValue]:
    """Say what people must be told of predictions that are no good; and return it."""
    from wardround.engine.report.runs import warnings_of

    found = warnings_of(study, pairs)
    for sentence in found:
        note(f"warning: {sentence}")
    return [*found]


def _evaluate(
    study: Study, cohort: Cohort, predictor: Predictor, out: Path | None, left_out: int, pairs: list[Pair]
) -> Scored:
    """Score every case; what was predicted of those with a vector is added to `pairs`."""
    from wardround.engine.basics.made import EVALUATE, Made
    from wardround.engine.basics.progress import progress
    from wardround.engine.experiments.casetables import CASES, write_cases
    from wardround.engine.experiments.evaluation import score_cases
    from wardround.engine.preprocessing import told_of
    from wardround.engine.report.own_pages import REPORT
    from wardround.engine.report.runs import write_evaluation_report
    from wardround.engine.report.scores import telling_cases
    from wardround.engine.report.units import Units

    def watch(prediction: CasePrediction, scores: CaseScores) -> None:
        if prediction.vector is not None:
            pairs.append((prediction.vector, told_of(study, prediction.case)))

    with progress("Scoring", len(cohort.cases)) as shown:
        scored = score_cases(study, cohort, predictor, shown, watch)
    evaluation = scored.evaluation
    if out is not None and evaluation is not None:
        cases = {case.subject: case for case in cohort.cases}
        shown_cases = [predictor(cases[subject]) for subject in telling_cases(evaluation.cases, study)]
        made = Made(out, EVALUATE)
        with made.writing(CASES) as path:
            write_cases(path, {"evaluated": evaluation})
        failed = _failed(cohort, evaluation, left_out)
        units = Units.of_cases(study, cohort.cases)
        with made.writing(REPORT) as path:
            write_evaluation_report(study, units, evaluation, shown_cases, path, failed, pairs)
    return scored


def _described(evaluation: Evaluation) -> dict[str, JsonValue]:
    from wardround.engine.experiments.casetables import distributions

    spreads = distributions(evaluation.cases)
    return {
        "cases": [{"subject": case.subject, "scores": dict(case.scores)} for case in evaluation.cases],
        "summary": {
            name: {
                "value": score.value,
                "count": score.count,
                "spread": _spread(spreads, name),
                "interval": None if score.interval is None else [score.interval.low, score.interval.high],
            }
            for name, score in evaluation.summary.items()
        },
    }


def _spread(spreads: Mapping[str, Distribution], name: str) -> float | None:
    return spreads[name].spread if name in spreads else None


def _text(evaluation: Evaluation, out: Path | None, failed: int) -> str:
    from wardround.engine.experiments.casetables import distributions, metric_names

    names = metric_names(evaluation.cases)
    width = max(12, *(len(case.subject) + 2 for case in evaluation.cases))
    lines = ["".join(["case".ljust(width), *(name.rjust(max(10, len(name) + 2)) for name in names)])]
    for case in evaluation.cases:
        lines.append("".join([case.subject.ljust(width), *(_cell(case.scores, name) for name in names)]))
    spreads = distributions(evaluation.cases)
    lines += [f"mean {name}: {_mean(score)} (n = {score.count})" for name, score in spreads.items()]
    alone = [name for name in evaluation.summary if name not in spreads]
    lines += [f"{name} of the cohort: {evaluation.summary[name].value:.4f}" for name in alone]
    if failed:
        lines.append(f"{failed} of {failed + len(evaluation.cases)} cases could not be scored and are not in the means")
    return "\n".join([*lines, *([f"report: {out / 'report.html'}"] if out else [])])


def _mean(score: Distribution) -> str:
    return f"{score.mean:.4f}" if score.spread is None else f"{score.mean:.4f} ± {score.spread:.4f}"


def _cell(scores: Mapping[str, float], name: str) -> str:
    text = f"{scores[name]:.4f}" if name in scores else "-"
    return text.rjust(max(10, len(name) + 2))
