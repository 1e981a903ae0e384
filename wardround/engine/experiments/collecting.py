"""Finished runs beside each other: what they scored with the same cases, and in which settings they differ.

Runs are ordered by their validation cases: who chooses by test cases has none left to tell how good the choice is.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wardround.engine.basics.canonical import canonical_json
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.experiments.casetables import CASES, Distribution, distribution, distributions, read_cases
from wardround.engine.experiments.claims import RUN
from wardround.engine.experiments.folds import SplitSizes, across
from wardround.engine.experiments.judging import Judge
from wardround.engine.experiments.models import METRICS, STUDY
from wardround.engine.experiments.run_record import Metrics, RunRecord, read_metrics, read_record
from wardround.engine.metrics.intervals import of_mean
from wardround.engine.metrics.scores import CaseScores
from wardround.engine.study import Study, load_study
from wardround.engine.study.differences import shown

TEST, VALIDATION = "test", "validation"
_SHOWN = 3


@dataclass(frozen=True)
class FinishedSplit:
    """A split of a run that is finished.

    Attributes:
        name: of its folder.
        record: what the run is.
        metrics: what its weights are worth.
        cases: the scores of those that it was tested with; of the validation cases where there is no test set.
        part: which of the two they are.
    """

    name: str
    record: RunRecord
    metrics: Metrics
    cases: tuple[CaseScores, ...]
    part: str

    @property
    def scores(self) -> Mapping[str, float]:
        """Means over its cases, and what only all of them have."""
        return (self.metrics.test or self.metrics.validation).values

    @property
    def subjects(self) -> frozenset[str]:
        """The names of its cases."""
        return frozenset(case.subject for case in self.cases)


@dataclass(frozen=True)
class FinishedRun:
    """A run that is finished: its name here, its study, and its splits by their names."""

    name: str
    study: Study
    splits: Mapping[str, FinishedSplit]

    @property
    def validation(self) -> float | None:
        """The mean over its splits of what the best weights have of the selecting metric on the validation cases; None
        where one has none."""
        metric = self.study.validation.select
        found = [split.metrics.validation.values.get(metric) for split in self.splits.values()]
        known = [value for value in found if value is not None]
        return statistics.fmean(known) if len(known) == len(found) else None

    @property
    def scored(self) -> int:
        """How many cases it was tested with."""
        return len({subject for split in self.splits.values() for subject in split.subjects})


@dataclass(frozen=True)
class Standing:
    """A run in a comparison.

    Attributes:
        run: the run.
        settings: what it has of the settings in which the runs differ, by their paths.
        scores: how each metric is distributed: over its splits, or, of a single one, over its cases.
        behind: of the selecting metric, how the cases' differences from the first run are distributed; None for that
            run itself, and where cases have no score of their own.
    """

    run: FinishedRun
    settings: Mapping[str, str]
    scores: Mapping[str, Distribution]
    behind: Distribution | None


@dataclass(frozen=True)
class Comparison:
    """Runs in their order, the best by validation first.

    Attributes:
        standings: a row for each run.
        metrics: the names of their scores, the selecting one first.
        part: which cases were scored, test or validation.
        notes: what is to be known of the comparison, in sentences.
    """

    standings: tuple[Standing, ...]
    metrics: tuple[str, ...]
    part: str
    notes: tuple[str, ...]


def collect(folders: Sequence[Path]) -> Comparison:
    """Compare the runs in these folders.

    Raises `InputError` with everything that is in the way: no run, one that is not finished, several tasks or metrics,
    other splits or other cases.
    """
    findings, runs = Findings(), list[FinishedRun]()
    for folder, name in zip(folders, _names(folders), strict=True):
        with findings.gather():
            runs.append(read_run(folder, name))
    places = Counter(folder.resolve() for folder in folders)
    for place in (place for place, count in places.items() if count > 1):
        findings.add(
            "a run is named twice", where=str(place), expected="each run once", remedy="Leave one of the two out"
        )
    findings.raise_if_any()
    for run in runs[1:]:
        _require_alike(runs[0], run, findings)
    findings.raise_if_any()
    return _compared(runs)


def _names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, or all of it where two have the same."""
    counted = Counter(folder.resolve().name for folder in folders)
    return [str(each) if counted[each.resolve().name] > 1 else each.resolve().name for each in folders]


def read_run(folder: Path, name: str) -> FinishedRun:
    """The run of a folder that `wardround fit` wrote, or of one of its splits. Raises `InputError`."""
    places = [folder] if (folder / RUN).is_file() else sorted(_splits(folder))
    if not places:
        raise InputError.one(
            "there is no run in this folder",
            where=str(folder),
            expected=f"what `wardround fit --out` wrote: folders as fold-0, each with a {RUN}",
            remedy="Name the folder of a run",
        )
    findings, splits = Findings(), dict[str, FinishedSplit]()
    for place in places:
        with findings.gather():
            splits[place.name] = _read_split(place)
    findings.raise_if_any()
    return FinishedRun(name, load_study(places[0] / "model" / STUDY), splits)


def _splits(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if (path / RUN).is_file())


def _read_split(folder: Path) -> FinishedSplit:
    record = read_record(folder)
    if not (folder / "model" / METRICS).is_file():
        raise InputError.one(
            "this run is not finished",
            where=str(folder),
            got=f"no model/{METRICS}",
            remedy="Go on with it by the command that began it, or leave it out",
        )
    try:
        cases = read_cases(folder / CASES)
    except (OSError, KeyError, ValueError):
        remedy = "Restore it from a copy, or leave the run out"
        raise InputError.one(
            "the scores of its cases cannot be read", where=str(folder / CASES), remedy=remedy
        ) from None
    part = TEST if TEST in cases else VALIDATION
    return FinishedSplit(folder.name, record, read_metrics(folder), cases.get(part, ()), part)


def _require_alike(first: FinishedRun, other: FinishedRun, findings: Findings) -> None:
    """Findings for what makes it senseless to compare a run with the first."""
    remedy = "Compare runs that were scored alike; `wardround evaluate` scores models with the same cases and metrics"
    for what, ours, theirs in _measures(first.study, other.study):
        if ours != theirs:
            expected = f"{ours}, as {first.name}"
            findings.add(
                f"the runs have several {what}", where=other.name, got=theirs, expected=expected, remedy=remedy
            )
    if first.splits.keys() != other.splits.keys():
        findings.add(
            "the runs have other splits",
            where=other.name,
            got=", ".join(other.splits),
            expected=f"{', '.join(first.splits)}, as {first.name}",
            remedy="Name one split of each, such as run/fold-0, or fit the others too",
        )
        return
    for name, split in other.splits.items():
        told = _other_cases(first.splits[name], split)
        if told:
            findings.add(
                "the runs were scored with other cases",
                where=f"{other.name}, {name}",
                got=told,
                expected=f"the cases of {first.name}",
                remedy=remedy,
            )


def _measures(one: Study, other: Study) -> Iterator[tuple[str, str, str]]:
    """What must be alike of two studies, in words."""
    for what, read in _MEASURES.items():
        yield what, read(one), read(other)


def _metrics_of(study: Study) -> str:
    uses = sorted((use.model_dump(mode="json") for use in study.validation.metrics), key=lambda use: str(use["name"]))
    return ", ".join(f"{use['name']} {canonical_json(use['parameters']).decode()}" for use in uses)


_MEASURES: Mapping[str, Callable[[Study], str]] = {
    "tasks": lambda study: str(study.task),
    "outputs": lambda study: ", ".join(study.outputs),
    "metrics": _metrics_of,
    "selecting metrics": lambda study: str(study.validation.select),
}


def _other_cases(ours: FinishedSplit, theirs: FinishedSplit) -> str:
    """In which cases two splits differ; empty where they are the same."""
    if ours.part != theirs.part:
        return f"{theirs.part} cases, not {ours.part} cases"
    lacking, more = sorted(ours.subjects - theirs.subjects), sorted(theirs.subjects - ours.subjects)
    parts = [f"{len(each)} {word} ({_few(each)})" for word, each in (("more", more), ("fewer", lacking)) if each]
    return ", ".join(parts)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


def _compared(runs: Sequence[FinishedRun]) -> Comparison:
    judge = Judge(runs[0].study)
    sign = -1 if judge.higher_is_better else 1
    known = [run for run in runs if run.validation is not None]
    ordered = sorted(known, key=lambda run: sign * (run.validation or 0.0)) + [run for run in runs if run not in known]
    settings = differing([run.study for run in ordered])
    standings = tuple(
        Standing(run, own, _scores(run), None if place == 0 else _behind(ordered[0], run))
        for place, (run, own) in enumerate(zip(ordered, settings, strict=True))
    )
    names = dict.fromkeys(name for each in standings for name in each.scores)
    metrics = sorted(names, key=lambda name: name.partition(".")[0] != judge.metric)
    part = next(iter(runs[0].splits.values())).part
    return Comparison(standings, tuple(metrics), part, tuple(_notes(ordered, part)))


def _scores(run: FinishedRun) -> dict[str, Distribution]:
    """Over the splits; of a single one over its cases, where these have a score."""
    splits = [*run.splits.values()]
    if len(splits) == 1:
        alone = {name: distribution([value]) for name, value in splits[0].scores.items() if name != "loss"}
        return alone | {name: found for name, found in distributions(splits[0].cases).items() if name in alone}
    tested: dict[frozenset[str], list[SplitSizes]] = {}
    for split in splits:
        sizes = SplitSizes(split.name, len(split.cases), split.metrics.train_cases)
        tested.setdefault(split.subjects if split.part == TEST else frozenset(), []).append(sizes)
    return across(run.study, {split.name: split.scores for split in splits}, [*tested.values()])


def _behind(first: FinishedRun, run: FinishedRun) -> Distribution | None:
    metric = run.study.validation.select
    ours, theirs = (_by_case(each, metric) for each in (first, run))
    found = [theirs[case] - value for case, value in ours.items() if case in theirs]
    return replace(distribution(found), interval=of_mean(found)) if found else None


def _by_case(run: FinishedRun, metric: str) -> dict[tuple[str, str], float]:
    return {
        (split.name, case.subject): case.scores[metric]
        for split in run.splits.values()
        for case in split.cases
        if metric in case.scores
    }


def differing(studies: Sequence[Study]) -> list[dict[str, str]]:
    """Of each study the settings that not all have alike, by their paths; the study's name is none."""
    nameless = (study.model_copy(update={"study": "x"}) for study in studies)
    flat = [dict(_flat((), study.model_dump(mode="json", by_alias=True))) for study in nameless]
    paths = dict.fromkeys(path for each in flat for path in each)
    differ = [path for path in paths if len({each.get(path) for each in flat}) > 1]
    return [{path: each.get(path, "") for path in differ} for each in flat]


def _flat(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, str]]:
    """Single values, or lists of them, with their paths; parts of a list by their names."""
    items = _items(value)
    if not items:
        yield ".".join(path), shown(value)
    for key, each in items:
        yield from _flat(path if key == "parameters" else (*path, key), each)


def _items(value: Any) -> list[tuple[str, Any]]:
    """What a value holds that has a path of its own, by the last part of that; empty for what is shown as it is."""
    if isinstance(value, Mapping):
        return [(str(key), each) for key, each in value.items()]
    if not (isinstance(value, list) and all(isinstance(each, Mapping) for each in value)):
        return []
    names = [str(each.get("name")) for each in value]
    counts = [names[: place + 1].count(name) for place, name in enumerate(names)]
    told = [name if count == 1 else f"{name} {count}" for name, count in zip(names, counts, strict=True)]
    return [*zip(told, value, strict=True)]


def _notes(runs: Sequence[FinishedRun], part: str) -> Iterator[str]:
    first = runs[0]
    if part == VALIDATION:
        yield "There are no test cases: these are the cases by which the weights were chosen, so scores are too good."
    cohorts = {run.name: {split.record.cohort for split in run.splits.values()} for run in runs}
    other = [name for name, found in cohorts.items() if found != cohorts[first.name]]
    if other:
        yield f"Made from another table, or other images or masks, than {first.name}: {', '.join(other)}."
    grids = {run.name: run.study.preprocessing for run in runs}
    other = [name for name, steps in grids.items() if steps != grids[first.name]]
    if other and first.study.truth.on_grid:
        yield (
            f"Scores are those on the preprocessed grid, and {', '.join(other)} preprocessed otherwise than "
            f"{first.name}: `wardround evaluate` scores models on the grid of the files."
        )
