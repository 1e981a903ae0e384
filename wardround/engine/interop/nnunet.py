"""nnU-Net's folders, and the Decathlon's, into a manifest and a commented study."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.made import Made
from wardround.engine.basics.problems import Findings
from wardround.engine.basics.reading import require_folder
from wardround.engine.interop.description import Description, read_description
from wardround.engine.interop.grids import read_grids
from wardround.engine.interop.listing import Files, Listed, list_files
from wardround.engine.interop.notebook import FILE
from wardround.engine.interop.study_text import in_painting_order, study_text
from wardround.engine.study import Study
from wardround.engine.study.documents import parse_document, validate_document

COMMAND = "wardround import-nnunet"
MANIFEST, TEST_MANIFEST, STUDY = "data.csv", "test.csv", "study.yaml"
_SHOWN = 5


@dataclass(frozen=True)
class Imported:
    """What was made of a data set.

    Attributes:
        files: what was written.
        training: cases to learn from.
        test: other cases.
        notes: what its owner should know, a sentence each.
    """

    files: tuple[Path, ...]
    training: int
    test: int
    notes: tuple[str, ...]


def import_nnunet(folder: Path, out: Path | None = None) -> Imported:
    """Write `data.csv`, `study.yaml` and, where there are other cases, `test.csv` into `out`, by default the data set's
    own folder. Paths in tables are relative to it; no image is copied.

    Raises `InputError` with everything that is wrong with the data set, before anything is written.
    """
    require_folder(folder, "the folder of a data set, which holds dataset.json", "Name the folder itself")
    description, findings = read_description(folder), Findings()
    files = list_files(folder, description, findings)
    grids = read_grids(description, files.training, findings)
    findings.raise_if_any()
    assert grids is not None
    made = Made(folder if out is None else out, COMMAND)
    text = study_text(description, grids, folder.resolve().name, len(files.training))
    tables = {MANIFEST: _table(files.training, made.folder)}
    if files.test:
        tables[TEST_MANIFEST] = _table(files.test, made.folder)
    study = validate_document(Study, parse_document(text, made.folder / STUDY))
    made.require_free([*tables, STUDY], "imported")
    for name, content in {**tables, STUDY: text}.items():
        with made.writing(name) as path:
            path.write_text(content, encoding="utf-8")
    written = tuple(made.folder / name for name in (*tables, STUDY))
    return Imported(written, len(files.training), len(files.test), tuple(_notes(description, files, study)))


def _table(cases: Sequence[Listed], place: Path) -> str:
    """A manifest. Its cases have masks, or none of them has."""
    masked, channels = all(case.label for case in cases), max(len(case.channels) for case in cases)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ("SubjectID", *(f"Channel_{number}" for number in range(channels)), *(["Label"] if masked else []))
    writer.writerow(header)
    for case in cases:
        files = (*case.channels, *([case.label] if masked and case.label else []))
        writer.writerow([case.name, *(_relative(path, place) for path in files)])
    return text.getvalue()


def _relative(path: Path, place: Path) -> str:
    return Path(os.path.relpath(path.absolute(), place.absolute())).as_posix()


def _notes(description: Description, files: Files, study: Study) -> Iterator[str]:
    yield (
        f"{FILE} does not say which patient a case is of: if any person has more than one, give the table a column "
        "PatientID with the same entry in all of them, or images of one person fall into different sets"
    )
    if description.renamed:
        named = ", ".join(f"{found!r} is called {name!r}" for found, name in description.renamed.items())
        yield f"names that a study cannot have: {named}"
    if files.stray:
        more = f" and {len(files.stray) - _SHOWN:,} more" if len(files.stray) > _SHOWN else ""
        yield f"files that belong to no case were left out: {', '.join(files.stray[:_SHOWN])}{more}"
    if description.order and _painted(study) != in_painting_order(description):
        yield (
            "`regions_class_order` paints other values than predictions will have: the regions of a voxel are the same "
            "wherever a value of the masks lies in just these"
        )


def _painted(study: Study) -> dict[str, int]:
    """The value that each region is written with, where it is the smallest that a voxel lies in."""
    assert study.overlaps is not None
    return {name: study.class_values[index] for name, index in zip(study.outputs, study.overlaps.painted, strict=True)}
