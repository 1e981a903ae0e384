"""`wardround preview`: look at what the network will see."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import complain, say, say_json
from wardround.engine.basics.problems import InputError

if TYPE_CHECKING:
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

    Each stands beside the whole image that it is taken from, in true proportions, turned as a radiologist reads it.
    Few cases are read, a dozen or so: of every class, every site (where a column is called so) and of small and large
    images, always the same ones.

    \b
    Example:
      wardround preview study.yaml --manifest data.csv --out patches.png
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.preprocessing.fitting import fitted_places
    from wardround.engine.study import load_study

    if out.suffix.lower() != ".png" or not 1 <= count <= 400:
        raise InputError.one(
            "the picture cannot be made so",
            got=f"{out}, {count}",
            expected="a .png, 1 to 400 patches",
            remedy="Write for example `--out patches.png --count 24`",
        )
    _require_own(out)
    chosen = load_study(study)
    _require_images(chosen)
    picture, absent = _draw(chosen, manifest, work, count)
    if fitted := [chosen.preprocessing[place].name for place in fitted_places(chosen)]:
        learned = " and ".join(fitted)
        complain(
            f"note: {learned} learned from the cases of this picture alone; `wardround fit` takes all training cases"
        )
    write_atomic(out, picture)
    if absent:
        complain(f"note: no patch shows {', '.join(absent)}; --count draws more of them, from more cases")
    if as_json:
        say_json({"file": str(out)})
    else:
        say(f"patches: {out}")


def _require_images(study: Study) -> None:
    if not study.inputs:
        remedy = "Run `wardround check`: it says what stands in the columns"
        raise InputError.one("a study without images has no patches to draw", where="inputs", got="[]", remedy=remedy)


def _require_own(out: Path) -> None:
    """Raise `InputError` where a picture would replace something that no preview has made."""
    from PIL import Image, UnidentifiedImageError

    from wardround.engine.report.panels import MAKER

    if not out.exists() and not out.is_symlink():
        return
    try:
        with Image.open(out) as picture:
            maker = picture.info.get("Software")
    except (OSError, UnidentifiedImageError):
        maker = None
    if maker != MAKER or out.is_symlink():
        raise InputError.one(
            "something of this name is there already that `wardround preview` did not make",
            where=str(out),
            expected="a new file, or one of its own pictures",
            remedy="Nothing was replaced: name another file with --out",
        )


def _draw(study: Study, manifest: Path, work: Path | None, count: int) -> tuple[bytes, list[str]]:
    """The picture, and the classes that none of its patches has."""
    from wardround.engine.augmentation import Augmentation
    from wardround.engine.cohort.origins import origins
    from wardround.engine.experiments import Survey
    from wardround.engine.experiments.fitting import prepared_for_a_look
    from wardround.engine.report.choosing import choose_cases, choose_draws
    from wardround.engine.report.patches import Drawn, patch_montage
    from wardround.engine.sampling import PatchSource
    from wardround.engine.store import CaseStore

    survey, sites = Survey.of(study, manifest, device="cpu"), origins(manifest)
    single = study.model_copy(update={"training": study.training.model_copy(update={"batch_size": 1, "accumulate": 1})})
    augment = Augmentation(study)
    cases = choose_cases(survey.split.train, survey.inspection.grids, sites, study.seed, count)
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        stored = prepared_for_a_look(study, cases, CaseStore((work or Path(folder)) / "store"))
        source = PatchSource(single, stored)
        rows = {case.digest: (row, case) for row, case in zip(cases, stored, strict=True)}
        keys = choose_draws(source, stored, count)
        patches = [
            Drawn(*rows[key.case], source.corner(key), augment(source.patches((key,))), study.dicom) for key in keys
        ]
        seen = set[int]().union(*(source.classes(key) for key in keys))
        return patch_montage(study, patches, sites), _absent(study, seen)


def _absent(study: Study, seen: set[int]) -> list[str]:
    from wardround.engine.targets import target_of

    target = target_of(study)
    of_table = {name: frozenset({index}) for index, name in target.classes_in_table(study).items()}
    shown = {**target.structures(study), **of_table}
    return [name for name, classes in shown.items() if not classes & seen]
