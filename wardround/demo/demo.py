"""`wardround demo`: three hospitals on this machine learn one model together, and what that is worth."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.demo.plan import DemoPlan
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.loudness import is_quiet, note
from wardround.engine.basics.printable import say, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import progress

if TYPE_CHECKING:
    from wardround.demo.figure import Strip
    from wardround.demo.matrix import Matrix
    from wardround.lab.lab import Lab

STUDY = Path(__file__).with_name("demo_study.yaml")
AGGREGATOR_LOG = "aggregator"
_MARK = ".wardround-demo"


@dataclass(frozen=True)
class DemoResult:
    """What the demo leaves: the table, the paths, and how many seconds each part took."""

    matrix: Matrix
    model: Path
    table: Path
    figure: Path
    report: Path
    seconds: Mapping[str, float] = field(default_factory=dict)


def demo(
    out: Annotated[Path, typer.Option(help="The demo's folder; an earlier demo in it is replaced.")] = Path("demo-run"),
) -> None:
    """Let three hospitals on this machine train one 3D model together over TLS, and compare it with going alone.

    Needs no download beyond the Python packages and takes a few minutes on two cores. The hospitals' images are made
    from the average of 152 brains: none shows a patient.
    """
    from wardround.engine.basics.durations import duration
    from wardround.engine.basics.signals import interrupts

    with interrupts():  # so that SIGTERM, too, ends every process that the demo started
        result = run_demo(out, DemoPlan())
    say_text(f"\nDice of each model on each hospital's held-back cases\n\n{result.matrix.text()}\n")
    say(f"Training together gains {result.matrix.gain:+.3f} over the mean of the hospitals alone.")
    _tell(f"All of it took {duration(sum(result.seconds.values()))}.", "")
    paths = {"global model": result.model, "table": result.table, "figure": result.figure, "report": result.report}
    say(*(f"{name:<12} {path}" for name, path in paths.items()))


def run_demo(out: Path, plan: DemoPlan) -> DemoResult:
    """Run the whole demo in `out`. Raises `InputError` when that folder holds something else, or a part fails."""
    from wardround.demo.anatomy import NOTICE
    from wardround.demo.baselines import fit_baselines, plan_baselines
    from wardround.demo.figure import compare_predictions
    from wardround.demo.hospitals import HOSPITALS, make_hospitals
    from wardround.demo.matrix import FEDERATED, score_models
    from wardround.lab.lab import Lab, LabSettings

    folder = _claim(out.resolve())
    seconds: dict[str, float] = {}
    _tell(*textwrap.wrap(NOTICE, 100), "")
    with _part("Making three hospitals", seconds), progress("Hospitals", len(HOSPITALS)) as shown:
        manifests = make_hospitals(folder / "hospitals", plan.cases, shown, spacing=plan.spacing)
    lab = Lab(folder / "federation", STUDY, manifests, plan.horizon, LabSettings(plan.machine, name="demo"))
    with _part("Founding the federation: keys, certificates, enrolment, invitation", seconds):
        lab.prepare()
    with _part("Training together: one aggregator and three sites over TLS on loopback", seconds):
        _run_federation(lab)
    baselines = plan_baselines(folder / "baselines", manifests)
    with _part("Training alone, and on all data pooled", seconds), progress("Baselines", len(baselines)) as shown:
        fit_baselines(STUDY, plan.horizon.total_steps, baselines, plan.machine, shown)
    models = {run.name: run.model for run in baselines if run.name in manifests}
    models |= {FEDERATED: lab.best_model} | {run.name: run.model for run in baselines if run.name not in manifests}
    with _part("Scoring every model on every hospital's held-back cases", seconds):
        with progress("Scores", len(manifests)) as shown:
            matrix = score_models(models, manifests, folder / "scoring", shown, threads=plan.threads)
        pictures = compare_predictions(models, manifests, folder / "scoring", threads=plan.threads)
    return _write_up(folder, plan, lab, matrix, pictures, seconds)


def _run_federation(lab: Lab) -> None:
    with lab:
        # The aggregator's live view is none of the demo's results.
        lab.start(watched=lab.log(AGGREGATOR_LOG) if is_quiet() else None)
        code = lab.wait_finished()
    if code != 0:
        raise InputError.one(
            f"the federation ended with exit code {code}", where=str(lab.coordinator), remedy=f"Logs: {lab.folder}/logs"
        )


def _write_up(
    folder: Path,
    plan: DemoPlan,
    lab: Lab,
    matrix: Matrix,
    pictures: tuple[Sequence[Strip], Sequence[str]],
    seconds: Mapping[str, float],
) -> DemoResult:
    from wardround.demo.figure import draw_strips
    from wardround.demo.report import write_report

    table, *_ = matrix.save(folder, "table")
    write_atomic(folder / "figure.png", draw_strips(*pictures))
    report = write_report(folder / "report.html", matrix, pictures, plan, lab.results, seconds)
    return DemoResult(matrix, lab.best_model, table, folder / "figure.png", report, seconds)


@contextmanager
def _part(title: str, seconds: dict[str, float]) -> Iterator[None]:
    _tell(f"== {title}")
    began = time.monotonic()
    yield
    seconds[title] = time.monotonic() - began
    note(f"   {seconds[title]:.0f} s", "")


def _tell(*lines: str) -> None:
    """Say what is no result, unless only results are wanted."""
    if not is_quiet():
        say(*lines)


def _claim(folder: Path) -> Path:
    """An empty folder that is the demo's; an earlier demo's is emptied, anybody else's is left alone."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise InputError.one(
                "the folder holds something that is not a demo", where=str(folder), remedy="Choose another with --out"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / _MARK, b"`wardround demo` made this folder and may replace it.\n")
    return folder
