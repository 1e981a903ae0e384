"""`wardround check`: every problem of a study, its manifest and the images, before any work starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.basics.problems import Problem
    from wardround.engine.cohort import Case
    from wardround.engine.inspection import Depth, Preflight
    from wardround.engine.inspection.preflight import Trial
    from wardround.engine.inspection.room import Needs
    from wardround.engine.study import Study


def check(
    study: Annotated[Path, typer.Argument(help="The study file.", show_default=False)],
    manifest: Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)],
    full: Annotated[
        bool, typer.Option("--full", help="Read every voxel and preprocess it, not only tables and headers.")
    ] = False,
    folds: Annotated[
        str, typer.Option(help="The folds to make, as for `fit`; default: each that it could.")
    ] = "nested",
    work: Annotated[
        Path | None,
        typer.Option(help="Where `fit` will keep preprocessed cases; its disk is compared with what they need."),
    ] = None,
    asset: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH of a file that the study needs; for each.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")] = False,
) -> None:
    """Find every problem of a study, its parts, its manifest and its images at once. Writes nothing.

    Every part that the study names works once on a small case that is made for it, if one of them is from an installed
    package, or with `--full`.

    What preprocessed cases will need is compared with the memory of this machine, and with the disk under `--work`: the
    folder that `fit` will be given as `--work`, or else as `--out`.
    """
    from wardround.engine.inspection import Depth
    from wardround.engine.inspection.room import memory_shortage, needs_of, require_store_room

    depth = Depth.STEPS if full else Depth.HEADERS
    result = _checked(study, manifest, depth, folds, asset or ())
    needs = needs_of(result.study, result.inspection.grids)
    if work is not None:
        require_store_room(needs.disk, work)
    notices = (*result.inspection.notices, *memory_shortage(needs))
    if as_json:
        say_json(_described(result, needs, notices, depth.value))
    else:
        say_text(_text(result, needs, _store(needs, work), notices, depth))


def _checked(study: Path, manifest: Path, depth: Depth, folds: str, assets: Sequence[str]) -> Preflight:
    from wardround.engine.cohort import Folds
    from wardround.engine.inspection import check_files

    findings, result = Findings(), None
    wanted: Folds | int = Folds.NESTED
    with findings.gather():
        wanted = options.made_folds(folds, study, manifest)
    with findings.gather():
        options.require_assets(assets, study)
    with findings.gather():
        result = check_files(study, manifest, depth, wanted, _trial(depth))
    if result is None or findings.problems:
        raise InputError(dict.fromkeys(findings.problems))
    return result


def _trial(depth: Depth) -> Trial:
    """Tries the parts of a study where `_are_tried` says so. Torch takes longer to load than all else that `check`
    does, and Wardround's own parts are held to their word by its tests; before a fit all are tried."""

    def attempt(study: Study) -> tuple[Problem, ...]:
        if not _are_tried(study, depth):
            return ()
        from wardround.engine.trial import trial_pass

        return trial_pass(study)

    return attempt


def _are_tried(study: Study, depth: Depth) -> bool:
    from wardround.engine.inspection import Depth
    from wardround.engine.parts import Kind, builtin_and_plugins

    named = (placed.use.part(placed.kind) for placed in study.parts)
    parts = (builtin_and_plugins().find(Kind.TASK, study.task), *named)
    return depth is not Depth.HEADERS or any(part.package for part in parts)


def _store(needs: Needs, work: Path | None) -> str:
    from wardround.engine.basics.files import free_bytes

    if work is None:
        return needs.described
    return f"{needs.described}; {shown_size(free_bytes(work))} free"


def _text(result: Preflight, needs: Needs, store: str, notices: Sequence[Problem], depth: Depth) -> str:
    from wardround.engine.targets import target_of

    study, cases = result.study, result.cohort.cases
    target = target_of(study)
    axes = f", {study.dimensions}D" if study.inputs else ""
    lines = {
        "study": f"{study.study} ({study.task}{axes}), digest {study.digest}",
        "cases": f"{len(cases)}, {_whose(result)}",
        **_given(study, cases),
        target.title_of(study): target.described(study, Counter(case.value for case in cases)),
        "sets": _sets(result),
        **(_pictured(result) if study.inputs else {}),
        "parts": _parts(study, depth),
        "store": store,
        "read": _read(study, depth),
    }
    if fitted := _fitted(result):
        lines["fitted"] = fitted
    body = [f"{name:<9}{value}" for name, value in lines.items()]
    return "\n".join([*body, *(f"note: {notice.render()}" for notice in notices), "no problems"])


def _described(result: Preflight, needs: Needs, notices: Sequence[Problem], depth: str) -> dict[str, JsonValue]:
    from wardround.engine.targets import target_of

    study, cases = result.study, result.cohort.cases
    return {
        "problems": [],
        "study": study.study,
        "digest": study.digest,
        "cases": len(cases),
        "patients": _patients(result) if result.cohort.patients.stated else None,
        "sets": dict(Counter(case.split or "folds" for case in cases)),
        "depth": depth,
        "not_read": list(target_of(study).unread) if depth == "headers" else [],
        "fitted": _fitted(result),
        "store": asdict(needs),
        "notices": [asdict(notice) for notice in notices],
    }


def _parts(study: Study, depth: Depth) -> str:
    if _are_tried(study, depth):
        return "each worked once, on a small case that was made for it"
    return "all are Wardround's own; `fit` and `--full` let each work once before anything else"


def _fitted(result: Preflight) -> str:
    """What will be fitted, and to how many cases; empty where nothing is."""
    from wardround.engine.preprocessing.fitting import fitted_places

    names = [result.study.preprocessing[place].name for place in fitted_places(result.study)]
    counts = sorted({len(named.split.train) for named in result.plan.splits})
    cases = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    each = " of each split" if len(result.plan.splits) > 1 else ""
    return f"{' and '.join(names)}, to the {cases} training cases{each} alone" if names else ""


def _patients(result: Preflight) -> int:
    return len({case.patient for case in result.cohort.cases})


def _whose(result: Preflight) -> str:
    if result.cohort.patients.stated:
        return f"of {result.cohort.patients.counted(_patients(result))}"
    return "each counted as a patient: there is no PatientID column"


def _read(study: Study, depth: Depth) -> str:
    from wardround.engine.targets import target_of

    if not study.inputs:
        return "every row of the table"
    if depth.value != "headers":
        return "every voxel, and preprocessed it"
    *others, last = target_of(study).unread
    return f"headers only. Not looked at: {', '.join(others)} and {last}; `--full` looks at all of them"


def _sets(result: Preflight) -> str:
    stated = Counter(case.split for case in result.cohort.cases if case.split)
    if stated:
        named = (f"{name} {stated[name]}" for name in ("train", "validation", "test") if stated[name])
        return f"{', '.join(named)}, by the Split column"
    folds, by = result.study.validation, "patient" if result.cohort.patients.stated else "row"
    return f"{folds.outer_folds} outer x {folds.inner_folds} inner folds, made by {by}"


def _given(study: Study, cases: Sequence[Case]) -> dict[str, str]:
    """What the network is given of each case."""
    from wardround.engine.cohort.given import described

    inputs = {"inputs": ", ".join(study.inputs)} if study.inputs else {}
    return inputs | ({"columns": described(study.columns, cases)} if study.columns else {})


def _pictured(result: Preflight) -> dict[str, str]:
    patches = result.study.patches
    return {"images": _images(result), "patches": f"{_sizes(patches.size)}, {patches.per_case} per case and epoch"}


def _images(result: Preflight) -> str:
    from wardround.engine.imaging.formats import format_of

    grids = result.inspection.grids.values()
    shapes = list(zip(*(grid.shape for grid in grids), strict=True))
    spacings = list(zip(*(grid.spacing for grid in grids), strict=True))
    smallest, largest = _sizes(tuple(map(min, shapes))), _sizes(tuple(map(max, shapes)))
    sizes = smallest if smallest == largest else f"{smallest} to {largest}"
    if not any(format_of(case.channels[0]).spatial for case in result.cohort.cases):
        return f"{sizes} pixels"  # of photographs nobody knows the size of a pixel
    finest, coarsest = _sizes(tuple(map(min, spacings))), _sizes(tuple(map(max, spacings)))
    spacing = finest if finest == coarsest else f"{finest} to {coarsest}"
    return f"{sizes} voxels of {spacing} mm"


def _sizes(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
