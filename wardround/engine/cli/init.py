"""`wardround init`: a folder of images, or a table, becomes a manifest and a commented study."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import say, say_json
from wardround.engine.cli import options
from wardround.engine.cli.plan import budget_of, require_task

if TYPE_CHECKING:
    from wardround.engine.planning.fingerprint import Fingerprint
    from wardround.engine.planning.folders import Found
    from wardround.engine.planning.matter import Matter

COMMAND = "wardround init"
MANIFEST, STUDY = "data.csv", "study.yaml"
BACKGROUND = "background"


def init(
    source: Annotated[
        Path, typer.Argument(help="A folder of images and their truth, or a table of them.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for what is written; default: where the images or the table are.")
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="How names of images end, such as _t1.nii.gz; once for each input.", show_default=False),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="How names of masks end, such as _seg.nii.gz.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="segmentation, classification or regression; default: as the truth is.")
    ] = None,
    memory: Annotated[str, typer.Option(help="What a step of training may take.")] = "4 GB",
    steps: Annotated[int, typer.Option(help="How long to train.")] = 2000,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take names that can be changed later.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write a manifest and a commented study for a folder of images, or a study for a table. Nothing is replaced.

    Masks lie in a folder `labels` beside the folder `images`, or beside each image as case1_seg.nii.gz; or each class
    has a folder of its own; or --channel and --label tell how names end. On a terminal, names of inputs and of the
    values of masks are asked for.

    \b
    Examples:
      wardround init hospital-data --out study
      wardround init patients --channel _t1.nii.gz --channel _flair.nii.gz --label _seg.nii.gz --yes
      wardround init data.csv
    """
    from wardround.engine.basics.made import Made

    options.require_all(
        lambda: budget_of(memory, steps),
        lambda: require_task(task, None),
        lambda: options.require_folder(out, "--out", "study"),
        lambda: _require_source(source, channel, label),
    )
    made = Made(out or (source if source.is_dir() else source.absolute().parent), COMMAND)
    found = _cases(source, channel or [], label)
    made.require_free([*([MANIFEST] if found else []), STUDY], "study")
    with TemporaryDirectory() as place:
        # The table as it will be, but with whole paths: nothing is written before all is known to fit.
        manifest = _written(Path(place) / MANIFEST, found, None) if found else source
        text = _study_text(manifest, task, source, (memory, steps), is_asked=not (yes or as_json))
    if found:
        with made.writing(MANIFEST) as path:
            _written(path, found, made.folder)
    with made.writing(STUDY) as path:
        path.write_text(text, encoding="utf-8")
    _tell(made.folder / STUDY, made.folder / MANIFEST if found else None, source, as_json=as_json)


def _require_source(source: Path, channel: Sequence[str] | None, label: str | None) -> None:
    from wardround.engine.basics.problems import InputError
    from wardround.engine.basics.reading import require_folder

    if not source.is_file():
        require_folder(source, "a folder of images, or a table", "Name the folder")
        if label and not channel:
            remedy = "Add for example `--channel _t1.nii.gz`"
            raise InputError.one("endings of masks are told, and none of images", where="--label", remedy=remedy)
        return
    options.require_table(source)
    if channel or label:
        where, remedy = "--channel" if channel else "--label", "Leave it out, or name the folder of images"
        raise InputError.one("a table names its files itself", where=where, got=str(source), remedy=remedy)


def _cases(source: Path, channel: Sequence[str], label: str | None) -> tuple[Found, ...]:
    from wardround.engine.planning.folders import cases_in

    return () if source.is_file() else cases_in(source, channel, label)


def _written(path: Path, found: Sequence[Found], place: Path | None) -> Path:
    """The manifest, with paths relative to a place or whole."""
    from wardround.engine.planning.folders import rows_of

    def cell(each: str | Path) -> str:
        if not isinstance(each, Path):
            return each
        whole = each.absolute()
        return str(whole) if place is None else Path(os.path.relpath(whole, place.absolute())).as_posix()

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(cell, row) for row in rows_of(found))
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def _study_text(manifest: Path, task: str | None, source: Path, budget: tuple[str, int], *, is_asked: bool) -> str:
    from wardround.engine.basics.progress import progress
    from wardround.engine.planning.matter import read_matter
    from wardround.engine.planning.plan import plan_study
    from wardround.engine.planning.reading import read_fingerprint

    matter = replace(read_matter(manifest, None, task), title=source.resolve().name.removesuffix(".csv"))
    with progress("Reading images", len(matter.cohort.cases)) as shown:
        print_ = read_fingerprint(matter.cohort, shown)
    if is_asked and sys.stdin.isatty():
        matter = _asked(matter, print_)
    return plan_study(matter, print_, budget_of(*budget), Path(STUDY)).text


def _asked(matter: Matter, print_: Fingerprint) -> Matter:
    """The same with the names that a person gives."""
    from wardround.engine.planning.intensities import tomographic
    from wardround.engine.planning.matter import input_names

    say(f"{print_.cases} cases, a {matter.task}")
    usual = input_names(matter, len(print_.channels), tomographic(print_).value)
    taken = list[str]()
    inputs = tuple(_name(f"Name of input {number}", name, taken) for number, name in enumerate(usual, 1))
    return replace(matter, inputs=inputs, names=_names(print_))


def _names(print_: Fingerprint) -> Mapping[int, str]:
    taken = [BACKGROUND]
    return {
        each.value: _name(f"Name of the value {each.value}, in {each.cases} cases", f"class {each.value}", taken)
        for each in print_.classes
    }


def _name(question: str, usual: str, taken: list[str]) -> str:
    """A name that a study can have and that is not taken yet; asked for again until it is one."""
    from wardround.engine.study.names import is_name, plain_name

    def read(word: str) -> str:
        if not is_name(word):
            plain = plain_name(word)
            like = f", such as {plain}" if plain else ""
            raise typer.BadParameter(f"a name has letters of English, digits, blanks and . _ & + - alone{like}")
        if word.lower() in map(str.lower, taken):
            raise typer.BadParameter(f"{word!r} is taken")
        return word

    taken.append(typer.prompt(question, default=usual, value_proc=read))
    return taken[-1]


def _tell(study: Path, written: Path | None, source: Path, *, as_json: bool) -> None:
    files, table = [*([written] if written else []), study], written or source
    if as_json:
        say_json({"files": [str(path) for path in files]})
        return
    for path in files:
        say(f"wrote {path}")
    say(f"next: wardround check {study} --manifest {table} --full")
    say(f"then: wardround fit {study} --manifest {table} --out run")
