"""`wardround explain`: what of an image a model's answer rests on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import Findings, InputError, did_you_mean
from wardround.engine.cli import options
from wardround.engine.cli.images import gathered_images, require_images, sound_images
from wardround.engine.cli.partial import end_with, tell_left_out
from wardround.engine.cli.telling import described

if TYPE_CHECKING:
    from wardround.engine.basics.made import Made
    from wardround.engine.cohort import Case, Cohort
    from wardround.engine.experiments.models import TrainedModel
    from wardround.engine.explain import Explained, Method
    from wardround.engine.report.explained import Shown

PAGE = "explained.html"


def explain(
    model: Annotated[Path, typer.Argument(help="A model folder, as `wardround fit` writes.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the maps and their page.", show_default=False)],
    manifest: Annotated[Path | None, typer.Option(help="The CSV with one row per case.", show_default=False)] = None,
    folder: Annotated[Path | None, typer.Option(help="Or a folder of images.", show_default=False)] = None,
    method: Annotated[
        str,
        typer.Option(
            help="grad_cam, grad_cam++, guided_backpropagation, guided_grad_cam, integrated_gradients or occlusion."
        ),
    ] = "grad_cam",
    output: Annotated[
        str, typer.Option(help="The class or number to explain; default: what is predicted.", show_default=False)
    ] = "",
    layer: Annotated[
        str, typer.Option(help="The layer of a class activation map; default: the last of the coarsest.")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write a map for every image, on the image's own grid, of what the model's answer rests on, and a page of them.

    By default the most probable class of a whole image is explained, the first class of a segmentation, or the first
    number. Maps are float32: NIfTI for NIfTI, TIFF for pictures. The page names subjects and stays at the hospital. A
    case that cannot be explained is left out and told at the end, and the exit code is 2. Files that an earlier
    explanation did not write are not replaced.

    \b
    Examples:
      wardround explain run/fold-0/model --folder images --out explained
      wardround explain run/fold-0/model --manifest test.csv --method occlusion --output pneumonia --out explained
    """
    from wardround.engine.basics.made import EXPLAIN, Made
    from wardround.engine.basics.progress import progress
    from wardround.engine.experiments import load_model
    from wardround.engine.experiments.models import require_images_alone, require_model
    from wardround.engine.explain import explain_case

    options.require_all(
        partial(require_model, model),
        partial(require_images, manifest, folder),
        partial(_method, method),
        partial(options.require_device, device),
        partial(options.take_threads, threads),
        partial(options.require_folder, out, "--out", "explained"),
    )
    loaded, chosen, made = load_model(model, device=device), _method(method), Made(out, EXPLAIN)
    require_images_alone(loaded.study, "explained")
    _require_output(loaded, output)
    for notice in loaded.notices:
        note(f"note: {notice.render()}")
    gathered = gathered_images(loaded.study, manifest, folder)
    sound = sound_images(loaded.study, gathered)
    tell_left_out(sound)
    findings = Findings([*sound.problems])
    cases = list(_named(sound.cohort, findings))
    made.require_free([PAGE, *map(_map_name, cases)], "explained")
    shown: list[Shown] = []
    layers: dict[str, None] = {}
    with progress("Explaining", len(cases)) as watched:
        for done, case in enumerate(cases, start=1):
            with findings.gather():
                found = explain_case(loaded, case, chosen, output, layer)
                layers[found.layer] = None
                shown.append(_written(loaded, found, chosen, made))
            watched.advance(done, case.subject)
    if not shown:
        raise InputError(dict.fromkeys(findings.problems))
    _write_page(loaded, chosen, ", ".join(layers), shown, made)
    _tell(out, shown, list(layers), findings, as_json)
    end_with(findings.problems, as_json=as_json)


def _method(name: str) -> Method:
    from wardround.engine.explain import METHODS

    if name not in METHODS:
        raise InputError.one(
            f"unknown method {name!r}",
            where="--method",
            got=name,
            expected=f"one of {', '.join(METHODS)}",
            remedy=did_you_mean(name, METHODS),
        )
    return METHODS[name]


def _require_output(model: TrainedModel, output: str) -> None:
    if output and output not in model.study.outputs:
        raise InputError.one(
            f"the model has no output {output!r}",
            where="--output",
            got=output,
            expected=f"one of {', '.join(model.study.outputs)}",
            remedy=did_you_mean(output, model.study.outputs),
        )


def _named(cohort: Cohort, findings: Findings) -> Iterator[Case]:
    """The cases whose subjects can name a file."""
    from wardround.engine.experiments.masks import unnameable

    nameless = unnameable(cohort)
    findings.extend(nameless.values())
    yield from (case for case in cohort.cases if case.subject not in nameless)


def _written(model: TrainedModel, found: Explained, method: Method, made: Made) -> Shown:
    from wardround.engine.imaging import write_image
    from wardround.engine.imaging.image import Image
    from wardround.engine.report.explained import shown_case

    with made.writing(_map_name(found.case)) as path:
        image = Image(found.values[None], found.sample.image.geometry)
        write_image(path, image, like=found.case.channels[0])
    return shown_case(found, model.study, method)


def _map_name(case: Case) -> str:
    """The name of a case's map: its subject, and the ending of its first channel; TIFF, which holds any number, for
    pictures, and NIfTI for DICOM."""
    from wardround.engine.imaging.formats import Format, format_of, suffix_of

    source = case.channels[0]
    if format_of(source) is Format.DICOM:
        return f"{case.subject}.nii.gz"
    return case.subject + (suffix_of(source) if format_of(source).spatial else ".tif")


def _write_page(model: TrainedModel, method: Method, layer: str, shown: list[Shown], made: Made) -> None:
    from wardround.engine.report.explained import explanation_page

    with made.writing(PAGE) as path:
        explanation_page(model.study, method, layer, shown).save(path)


def _tell(out: Path, shown: list[Shown], layers: list[str], findings: Findings, as_json: bool) -> None:
    if as_json:
        told: dict[str, JsonValue] = {"problems": described(findings.problems)} if findings.problems else {}
        titles: list[JsonValue] = [case.title for case in shown]
        say_json({"cases": titles, "page": str(out / PAGE), "layers": [*filter(None, layers)], **told})
    else:
        say_text(f"{len(shown)} cases explained: {out / PAGE}")
