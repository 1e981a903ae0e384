"""`wardround predict`: apply a trained model to new images."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.cli import options
from wardround.engine.cli.images import gathered_images, require_images, sound_images
from wardround.engine.cli.partial import end_with, tell_left_out
from wardround.engine.cli.telling import described

if TYPE_CHECKING:
    from wardround.engine.basics.problems import Problem
    from wardround.engine.cohort.folders import Gathered
    from wardround.engine.experiments.mask_files import MaskFormat
    from wardround.engine.experiments.prediction import Written


def predict(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="A model folder, as `wardround fit` writes; several, or a run's folder for all its folds, predict "
            "together.",
            metavar="MODEL...",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the predictions.", show_default=False)],
    manifest: Annotated[Path | None, typer.Option(help="The CSV with one row per case.", show_default=False)] = None,
    folder: Annotated[Path | None, typer.Option(help="Or a folder of images.", show_default=False)] = None,
    format_: Annotated[
        str, typer.Option("--format", help="like-image, nifti, nrrd, mha, png, tiff or dicom-seg: of masks and images.")
    ] = "like-image",
    combine: Annotated[str, typer.Option(help="mean, majority or staple: how several models become one.")] = "mean",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write a map of each class's probability too.")
    ] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Write how sure the prediction is: maps, or columns of the table.")
    ] = False,
    features: Annotated[
        bool, typer.Option("--features", help="Write a table of the code of each image, of an autoencoder.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write a mask for every image, on the image's own grid; or one table: of classes and probabilities, or of numbers.

    NIfTI gives NIfTI, PNG gives PNG, a DICOM series gives a DICOM-SEG; `--format` gives another. All headers are
    checked before anything is written. A case that cannot be read or predicted is left out and told at the end, the
    others are written, and the exit code is 2. Masks and values of a table are not needed and not read. The same
    command may be given again: what it wrote is replaced, and nothing else. Where `--out` has files of these names that
    it did not write, or that were changed since, it writes nothing.

    With `--probabilities` there is a folder `probabilities` with one of each class or region, and with `--uncertainty`
    a folder `uncertainty` with maps of the entropy and, of several models, of the variance of their probabilities.
    A model that makes images writes one for each of its targets, with the intensities of the images that it has learned
    from; of an autoencoder, `--features` adds a table features.csv with a vector for each image.

    \b
    Examples:
      wardround predict run/fold-0/model --folder images --out predictions
      wardround predict run/fold-0/model --manifest new.csv --out predictions --format nifti
      wardround predict run --folder images --out predictions --combine majority --uncertainty
    """
    from wardround.engine.basics.progress import progress
    from wardround.engine.experiments import load_ensemble, write_predictions
    from wardround.engine.experiments.ensemble import model_folders, require_alike
    from wardround.engine.experiments.maps import Extras, require_extras
    from wardround.engine.experiments.mask_files import require_format
    from wardround.engine.experiments.prediction import require_free

    if len(models) == 1:
        _require_in_place(models[0], manifest, folder, out)
    options.require_all(
        partial(model_folders, models),
        partial(require_images, manifest, folder),
        partial(_format_of, format_),
        partial(options.combine_of, combine),
        partial(options.require_device, device),
        partial(options.take_threads, threads),
        partial(options.require_folder, out, "--out", "predictions"),
    )
    named, way, extras = (
        model_folders(models),
        options.combine_of(combine),
        Extras(probabilities, uncertainty, features),
    )
    form = _format_of(format_)
    require_alike(named, way)
    loaded = load_ensemble(named, way, device=device)
    _tell(loaded.notices)
    gathered = gathered_images(loaded.study, manifest, folder)
    _tell(gathered.notices)
    require_format(loaded.study, gathered.cohort, form)
    require_free(loaded.study, gathered.cohort, out, form)
    require_extras(loaded, gathered.cohort, out, extras, form)
    cohort, sound = gathered.cohort, sound_images(loaded.study, gathered)
    tell_left_out(sound)
    with progress("Predicting", len(sound.cohort.cases)) as shown:
        written = write_predictions(loaded, sound.cohort, out, shown, form, extras)
    problems = (*sound.problems, *written.problems)
    oddities = (*sound.oddities, *_like_masks(written, gathered))
    if not written.cases:
        raise InputError(problems)
    if as_json:
        files = [str(path) for path in written.files]
        notices = [asdict(each) for each in (*gathered.notices, *oddities)]
        told: dict[str, JsonValue] = {"problems": described(problems)} if problems else {}
        say_json({"cases": written.cases, "files": files, "notices": notices, **told})
    else:
        notes = [f"note: {oddity.render()}" for oddity in oddities]
        say_text("\n".join([*notes, _text(written.cases, len(cohort.cases) + gathered.left_out, out)]))
    end_with(problems, as_json=as_json)


def _tell(notices: Iterable[Problem]) -> None:
    for notice in notices:
        note(f"note: {notice.render()}")


def _format_of(word: str) -> MaskFormat:
    from wardround.engine.experiments.mask_files import MaskFormat

    if word not in [*MaskFormat]:
        remedy, expected = did_you_mean(word, MaskFormat), ", ".join(MaskFormat)
        raise InputError.one("unknown format", where="--format", got=repr(word), expected=expected, remedy=remedy)
    return MaskFormat(word)


def _like_masks(written: Written, gathered: Gathered) -> list[Problem]:
    """A note of images that look like masks and are not called so, which has been told."""
    from wardround.engine.cohort.surroundings import masks_notice

    found = [subject for subject in written.like_masks if subject not in gathered.like_masks]
    place, why = gathered.cohort.manifest, "by few values, all whole numbers"
    return [masks_notice(place, found, written.cases, why)] if found else []


def _require_in_place(model: Path, manifest: Path | None, folder: Path | None, out: Path) -> None:
    """Raise `InputError` where the model is named as the images and the images as the model, with the right command."""
    from wardround.engine.cohort.surroundings import images_as
    from wardround.engine.experiments.models import model_at

    images, option = manifest or folder, images_as(model)
    meant = model_at(images) if images is not None else None
    if option is None or meant is None or model_at(model) is not None:
        return
    words = ["wardround", "predict", str(meant), option, str(model), "--out", str(out)]
    what = "a table of images" if option == "--manifest" else "a folder of images"
    raise InputError.one(
        "model and images are in each other's place",
        got=f"{model}, which is {what}, as the model, and {images}, where a model lies, as the images",
        expected="the model first, and the images behind --folder or --manifest",
        remedy=f"Exchange them: `{shlex.join(words)}`",
    )


def _text(cases: int, of: int, out: Path) -> str:
    counted = f"{cases} cases" if cases == of else f"{cases} of {of} cases"
    return f"{counted} predicted: {out}"
