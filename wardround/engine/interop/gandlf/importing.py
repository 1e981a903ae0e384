"""A configuration of GaNDLF, and its tables, into a commented study and, where it needs one, a manifest."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wardround.engine.basics.flaws import flow
from wardround.engine.basics.made import Made
from wardround.engine.basics.printable import printable
from wardround.engine.basics.problems import InputError
from wardround.engine.interop.gandlf.changes import read_augmentation
from wardround.engine.interop.gandlf.config import read_config
from wardround.engine.interop.gandlf.ignored import tell_others
from wardround.engine.interop.gandlf.images import Steps
from wardround.engine.interop.gandlf.learning import training_lines
from wardround.engine.interop.gandlf.network import read_model, read_patch
from wardround.engine.interop.gandlf.notes import Note, Notes
from wardround.engine.interop.gandlf.scoring import inference_line, patches_line, validation_line
from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.tables import Tables, read_tables
from wardround.engine.interop.gandlf.truth import read_inputs, read_network, read_truth
from wardround.engine.interop.gandlf.uses import Use, parts_called
from wardround.engine.parts import Kind, Part
from wardround.engine.study import Study
from wardround.engine.study.documents import parse_document, validate_document

COMMAND = "wardround import-gandlf"
MANIFEST = "data.csv"
_WIDTH, _MOST_NAME = 120, 64
_Sections = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Imported:
    """What was made of a configuration.

    Attributes:
        files: what was written, the study first.
        manifest: the table that the study goes with; None where none was named.
        notes: what its owner should know.
    """

    files: tuple[Path, ...]
    manifest: Path | None
    notes: tuple[Note, ...]


def import_gandlf(config: Path, tables: Mapping[str, Path], out: Path) -> Imported:
    """Write the study to `out`. Tables are named by their sets, or one by an empty name; `data.csv` beside the study is
    written where several are joined, or where columns have other names.

    Raises `InputError` with everything that is wrong with the configuration, before anything is written.
    """
    made, notes = Made(out.parent, COMMAND), Notes(config.name)
    content = read_config(config, notes)
    read = read_tables(tables, made.folder) if tables else Tables((), "", {})
    if read.renamed:
        named = ", ".join(f"{old!r} is {new}" for old, new in read.renamed.items())
        notes.here("the table", f"columns have names of their own: {named}")
    sections = _sections(Settings(content, "", notes), read.columns, notes)
    if out.suffix.lower() == ".csv":
        what, remedy = "a study is no table", f"Write for example `--out study.yaml`: the tables become {MANIFEST}"
        notes.findings.add(what, where="--out", got=out.name, expected="a YAML file", remedy=remedy)
    notes.findings.raise_if_any()
    text = _text(config, sections, notes)
    _require_study(text, config, out)
    contents = {out.name: text, **({MANIFEST: read.text} if read.text else {})}
    made.require_free(contents, "imported")
    for name, written in contents.items():
        with made.writing(name) as path:
            path.write_text(written, encoding="utf-8")
    manifest = made.folder / MANIFEST if read.text else tables.get("")
    return Imported(tuple(made.folder / name for name in contents), manifest, tuple(notes.found))


def _require_study(text: str, config: Path, out: Path) -> None:
    """Raise `InputError` where the parts do not fit together, which a configuration may ask for."""
    try:
        validate_document(Study, parse_document(text, out))
    except InputError as error:
        places = (replace(each, where=f"{config.name}, made into {each.where}") for each in error.problems)
        raise InputError(places) from None


def _sections(config: Settings, columns: Sequence[str], notes: Notes) -> _Sections:
    """The lines of each section of the study; empty where something is wrong."""
    model = config.section("model")
    notes.section = "model"
    network = read_network(model, parts_called(Kind.NETWORK, model.word("architecture")), notes)
    notes.section = "patches"
    patch = read_patch(config, model, notes)
    notes.section = "classes"
    truth = read_truth(model, network, columns, notes)
    inputs = read_inputs(model, columns, notes)
    head = [f"task: {truth.task}", f"inputs: {flow(list(inputs))}"]
    found: dict[str, Sequence[str]] = {"task": head, "classes": [*truth.lines()]}
    if network is None or not patch:
        return found
    return {**found, **_parts(config, model, network, patch, truth.task, notes)}


def _parts(
    config: Settings, model: Settings, network: Part, patch: tuple[int, ...], task: str, notes: Notes
) -> _Sections:
    if not network.serves(task):
        told = ", ".join(sorted(network.tasks))
        notes.wrong(
            "model.architecture", f"this network is not for {task}", network.name, f"one that is; it is for {told}"
        )
    found: dict[str, Sequence[str]] = {}
    notes.section = "preprocessing"
    _tell_modality(config, notes)
    found["preprocessing"] = _listed("preprocessing", Steps(config.section("data_preprocessing"), len(patch)).read())
    notes.section = "augmentation"
    found["augmentation"] = _listed(
        "augmentation", read_augmentation(config.take("data_augmentation"), len(patch), notes)
    )
    notes.section = "patches"
    found["patches"] = [patches_line(config, patch, task, notes)]
    notes.section = "training"
    found["training"] = training_lines(config, task, notes)
    notes.section = "model"
    found["model"] = [f"model: {read_model(model, network, patch, notes).value}"]
    notes.section = "validation"
    found["validation"] = [validation_line(config, task, notes)]
    notes.section = "inference"
    found["inference"] = [inference_line(config, patch, notes)]
    notes.section = "task"
    tell_others(config, notes)
    return found


def _tell_modality(config: Settings, notes: Notes) -> None:
    modality = config.word("modality").lower() or "rad"
    if modality not in ("rad", "histo", "path"):
        notes.wrong("modality", "unknown modality", modality, "rad, histo or path")
    if modality != "rad":
        notes.here("modality", "slides are no images of a table: tiles that were cut from them are")


def _listed(key: str, uses: Sequence[Use]) -> list[str]:
    return [f"{key}:", *(f"  - {use.entry}" for use in uses)] if uses else [f"{key}: []"]


_ORDER = ("task", "classes", "preprocessing", "augmentation", "patches", "model", "training", "validation", "inference")


def _text(config: Path, sections: _Sections, notes: Notes) -> str:
    name = _slug(config.stem)
    lines = [
        *_comment(
            f"Made from {_plain(config.name)} by `{COMMAND}`. It is an ordinary study: change what you like, then ask "
            "`wardround check`. Comments say what it has otherwise, and what GaNDLF 0.1.5 makes of the configuration."
        ),
        "schema: 1",
        f"study: {name}",
    ]
    for section in _ORDER:
        told = [note.sentence for note in notes.found if note.section == section]
        lines += [line for sentence in told for line in _comment(sentence)]
        lines += sections[section]
    return "\n".join([*lines, "seed: 42"]) + "\n"


def _comment(sentence: str) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(sentence), _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MOST_NAME].strip("-") or "imported"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+ -]", "_", name)[:_MOST_NAME]
