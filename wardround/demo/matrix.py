"""Every model on every hospital's held-back cases: what a federation is worth, at home and elsewhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from wardround.demo.baselines import POOLED
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.progress import Progress

FEDERATED = "federated"
HOME, ELSEWHERE, MEAN = "at home", "elsewhere", "mean"


@dataclass(frozen=True)
class Row:
    """One model's scores.

    Attributes:
        model: its name: a hospital's for the model that it trained alone, `federated` or `pooled`.
        home: the hospital that trained it alone, or None for a model that all hospitals share.
        scores: by hospital, the mean over its held-back cases.
    """

    model: str
    home: str | None
    scores: Mapping[str, float]

    @property
    def at_home(self) -> float:
        """Score at its own hospital; for a shared model every hospital is home."""
        return self.mean if self.home is None else self.scores[self.home]

    @property
    def elsewhere(self) -> float:
        """Mean over the other hospitals; for a shared model, over each hospital's others, which is the mean of all."""
        return fmean(score for site, score in self.scores.items() if self.home is None or site != self.home)

    @property
    def mean(self) -> float:
        """Mean over all hospitals."""
        return fmean(self.scores.values())


@dataclass(frozen=True)
class Matrix:
    """Rows of one metric, over the same hospitals."""

    metric: str
    sites: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def alone(self) -> tuple[Row, ...]:
        """The models that one hospital trained alone."""
        return tuple(row for row in self.rows if row.home is not None)

    @property
    def alone_mean(self) -> float:
        """What a hospital's own model scores on average over all hospitals' cases."""
        return fmean(row.mean for row in self.alone)

    def shared(self, model: str) -> Row:
        """The row of a shared model, `federated` or `pooled`."""
        return next(row for row in self.rows if row.model == model)

    @property
    def gain(self) -> float:
        """Mean of the federated model minus the mean of the models trained alone."""
        return self.shared(FEDERATED).mean - self.alone_mean

    def columns(self) -> tuple[str, ...]:
        """Headings of the table."""
        return ("model", *self.sites, HOME, ELSEWHERE, MEAN)

    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The table's text: each model, and the mean of those trained alone."""
        rows = [_cells(_label(row), [row.scores[site] for site in self.sites], row) for row in self.alone]
        by_site = [fmean(row.scores[site] for row in self.alone) for site in self.sites]
        summary = [fmean(getattr(row, name) for row in self.alone) for name in ("at_home", "elsewhere", "mean")]
        rows.append(_texts("mean of those alone", [*by_site, *summary]))
        shared = [row for row in self.rows if row.home is None]
        rows.extend(_cells(_label(row), [row.scores[site] for site in self.sites], row) for row in shared)
        return tuple(rows)

    def text(self) -> str:
        """The table for a terminal."""
        table = [self.columns(), *self.cells()]
        widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def markdown(self) -> str:
        """The table for a document."""
        head = [f"| {' | '.join(self.columns())} |", f"|---|{'---:|' * (len(self.sites) + 3)}"]
        return "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in self.cells())])

    def save(self, folder: Path, name: str) -> tuple[Path, ...]:
        """Write `name` as .txt, .md, .csv and .json; returns the paths."""
        contents = {"txt": self.text() + "\n", "md": self.markdown() + "\n", "csv": self._csv(), "json": self._json()}
        for suffix, content in contents.items():
            write_atomic(folder / f"{name}.{suffix}", content.encode())
        return tuple(folder / f"{name}.{suffix}" for suffix in contents)

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns())
        for row in self.rows:
            numbers = [row.scores[site] for site in self.sites] + [row.at_home, row.elsewhere, row.mean]
            writer.writerow([_label(row), *(f"{number:.6f}" for number in numbers)])
        return text.getvalue()

    def _json(self) -> str:
        rows = [
            {
                "model": row.model,
                "home": row.home,
                "scores": dict(row.scores),
                "at_home": row.at_home,
                "elsewhere": row.elsewhere,
                "mean": row.mean,
            }
            for row in self.rows
        ]
        content = {"metric": self.metric, "alone_mean": self.alone_mean, "gain": self.gain, "models": rows}
        return json.dumps(content, indent=2) + "\n"


def score_models(
    models: Mapping[str, Path], manifests: Mapping[str, Path], work: Path, shown: Progress, *, threads: int
) -> Matrix:
    """Score model folders on every manifest's test cases.

    A model whose name is a hospital's counts as trained there alone; the others are shared. Each sees the cases as its
    own preprocessing makes them, whatever its cases have fitted. `work` holds the preprocessed cases. The metric is the
    one by which the study selects. Raises `InputError` as `Workbench.open`.
    """
    from wardround.engine.experiments import Survey, Workbench, load_model

    loaded = {name: load_model(folder, device="cpu") for name, folder in models.items()}
    study = next(iter(loaded.values())).study
    metric = study.validation.select
    scores: dict[str, dict[str, float]] = {name: {} for name in loaded}
    for done, (site, manifest) in enumerate(manifests.items(), start=1):
        bench = Workbench.fill(Survey.of(study, manifest, device="cpu", threads=threads), work)
        subjects = [case.subject for case in bench.split.test]
        for name, model in loaded.items():
            cases = bench.with_state(model.state).test_cases
            found = model.task.evaluate(model.network, cases, subjects, model.device)
            scores[name][site] = found.summary[metric].value
        shown.advance(done, site)
    rows = tuple(Row(name, name if name in manifests else None, values) for name, values in scores.items())
    return Matrix(metric, tuple(manifests), rows)


def _label(row: Row) -> str:
    names = {FEDERATED: "together (federated)", POOLED: "all data pooled"}
    return names.get(row.model, f"{row.model} alone")


def _cells(label: str, scores: Sequence[float], row: Row) -> tuple[str, ...]:
    return _texts(label, [*scores, row.at_home, row.elsewhere, row.mean])


def _texts(label: str, numbers: Sequence[float]) -> tuple[str, ...]:
    return (label, *(f"{number:.3f}" for number in numbers))
