"""`wardround preview`: look at what the network will see."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import say, say_json
from wardround.engine.basics.problems import InputError

if TYPE_CHECKING:
    from wardround.engine.sampling import Batch
    from wardround.engine.study import Study


def preview(
    study: Annotated[Path, typer.Argument(help="The study file.", show_default=False)],
    manifest: Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The picture to write, a PNG.", show_default=False)],
    count: Annotated[int, typer.Option(help="How many patches.")] = 24,
    work: Annotated[Path | None, typer.Option(help="Where preprocessed cases are kept; default: nowhere.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Draw patches of training cases, sampled and augmented as in training, with the outlines of their classes.

    At most as many cases are read as patches are drawn.

    \b
    Example:
      wardround preview study.yaml --manifest data.csv --out patches.png
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.report.patches import patch_montage
    from wardround.engine.study import load_study

    if out.suffix.lower() != ".png" or not 1 <= count <= 400:
        raise InputError.one(
            "the picture cannot be made so", got=f"{out}, {count}", expected="a .png, 1 to 400 patches"
        )
    chosen = load_study(study)
    batches = _batches(chosen, manifest, work, count)
    write_atomic(out, patch_montage(chosen, batches))
    if as_json:
        say_json({"file": str(out)})
    else:
        say(f"patches: {out}")


def _batches(study: Study, manifest: Path, work: Path | None, count: int) -> list[Batch]:
    from wardround.engine.augmentation import Augmentation
    from wardround.engine.experiments import Survey
    from wardround.engine.sampling import PatchSource
    from wardround.engine.store import CaseStore

    survey = Survey.of(study, manifest, device="cpu")
    single = study.model_copy(update={"training": study.training.model_copy(update={"batch_size": 1})})
    augment = Augmentation(study)
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        store = CaseStore((work or Path(folder)) / "store")
        source = PatchSource(single, store.open_cases(study, survey.split.train[:count]))
        return [augment(source.batch(step)) for step in range(count)]
