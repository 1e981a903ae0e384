"""`wardround export`: a trained model for other programs, and for other people."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.cohort import Cohort
    from wardround.engine.delivery import Delivered, Format
    from wardround.engine.study import Study


def export(
    model: Annotated[Path, typer.Argument(help="A model folder, as `wardround fit` writes.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for what can be given away.", show_default=False)],
    to: Annotated[
        list[str] | None, typer.Option(help="torch, onnx or openvino; may be given several times.", show_default=False)
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="A CSV of real cases to compare the networks on.", show_default=False)
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of the comparison.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found, or the problems, as JSON.")] = False,
) -> None:
    """Write a folder that holds the model, a card that says what it is, and its network for other programs.

    `wardround predict` takes the folder on any machine. Each network is read back from its file and compared with the
    trained one, on every window of the cases of `--manifest`, or else on windows that are made up; where one is not
    equal, nothing is written. The card and the screen say how far outputs lie apart, and how fast each network is. The
    folder holds no subject and no path. Files that an earlier export did not write are not replaced.

    \b
    Examples:
      wardround export run/fold-0/model --out delivered
      wardround export run/fold-0/model --to onnx --to torch --manifest test.csv --out delivered
    """
    from wardround.engine.basics.progress import progress
    from wardround.engine.delivery import deliver
    from wardround.engine.experiments import load_model
    from wardround.engine.experiments.models import require_model

    options.require_all(
        partial(require_model, model),
        partial(_formats, to),
        partial(options.take_threads, threads),
        partial(options.require_folder, out, "--out", "delivered"),
        *([] if manifest is None else [partial(options.require_table, manifest)]),
    )
    formats, loaded = _formats(to), load_model(model, device="cpu")
    for notice in loaded.notices:
        note(f"note: {notice.render()}")
    cohort = None if manifest is None else _cohort(loaded.study, manifest)
    total = len(formats) * (len(cohort.cases) if cohort is not None else 0)
    with progress("Comparing", total) as shown:
        delivered = deliver(loaded, model, out, formats, cohort, shown)
    if as_json:
        say_json(_described(delivered))
    else:
        say_text(_text(delivered))


def _formats(names: list[str] | None) -> tuple[Format, ...]:
    from wardround.engine.delivery import FORMATS

    wanted = tuple(dict.fromkeys(names or ()))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown:
        raise InputError.one(
            f"unknown format {unknown[0]!r}",
            where="--to",
            got=unknown[0],
            expected=f"one of {', '.join(FORMATS)}",
            remedy=did_you_mean(unknown[0], FORMATS),
        )
    found = tuple(FORMATS[name] for name in wanted)
    for one in found:
        one.require_installed()
    return found


def _cohort(study: Study, manifest: Path) -> Cohort:
    from wardround.engine.cohort import Truth, read_manifest
    from wardround.engine.inspection import sound_cases

    sound = sound_cases(study, read_manifest(manifest, study, truth=Truth.UNREAD))
    if sound.problems:  # a proof on some of the cases that were named would not be the proof that was asked for
        raise InputError(sound.problems)
    return sound.cohort


def _text(delivered: Delivered) -> str:
    lines = [f"{delivered.folder}: {', '.join(delivered.files)}"]
    for one, proof in delivered.proofs:
        on = f"of {proof.cases} real cases" if proof.cases else "that were made up; with --manifest on real cases"
        lines.append(
            f"{one.name}: {proof.windows:,} windows {on}. Outputs at most {proof.difference:.1e} apart (largest "
            f"{proof.largest:.3g}), {proof.alike:.4%} told alike; {1000 * proof.exported_seconds:.3g} ms a window, "
            f"the trained network {1000 * proof.trained_seconds:.3g} ms, {proof.threads} threads"
        )
    return "\n".join(lines)


def _described(delivered: Delivered) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "folder": str(delivered.folder),
        "files": list(delivered.files),
        "networks": {one.name: asdict(proof) for one, proof in delivered.proofs},
    }
