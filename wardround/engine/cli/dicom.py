"""`wardround dicom`: the series of a DICOM export, and a manifest of them."""

from __future__ import annotations

import csv
import io
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.cli import options
from wardround.engine.cli.telling import described

if TYPE_CHECKING:
    from wardround.engine.imaging.dicom.catalogue import Catalogue, ListedSeries

_KEY_BYTES = 32


def dicom(
    folder: Annotated[Path, typer.Argument(help="A folder with DICOM files, in it or below it.", show_default=False)],
    manifest: Annotated[
        Path | None, typer.Option(help="Write a CSV with a row for each series that can be read.", show_default=False)
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="The secret behind the pseudonyms, made if it is not there.", show_default=False),
    ] = None,
    resample: Annotated[
        Path | None,
        typer.Option(
            help="Write tilted and uneven series, and their masks, as .nii.gz into this folder.", show_default=False
        ),
    ] = None,
    descriptions: Annotated[
        bool, typer.Option("--descriptions", help="Show what the scanner's staff wrote of a series.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the series, or the problems, as JSON.")] = False,
) -> None:
    """List the series of a DICOM export: what a manifest calls each, what it holds, and why one cannot be read.

    Headers are read, and no pixels. In the manifest a patient is known by a pseudonym; take out the rows that are not
    wanted, and add masks or values. Segmentations of the export stand in Label beside the series that they name.
    Pseudonyms are others in every call, unless --key-file names the secret that they are made with. Descriptions of
    series are free text, which may name people. --resample makes volumes of series that are refused for their gantry's
    tilt or for uneven distances, by linear interpolation; the manifest then names these files.

    \b
    Examples:
      wardround dicom export
      wardround dicom export --manifest data.csv
      wardround dicom export --manifest data.csv --key-file pseudonyms.key
      wardround dicom export --manifest data.csv --resample volumes
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.basics.places import files_below
    from wardround.engine.basics.progress import progress
    from wardround.engine.basics.reading import require_folder
    from wardround.engine.cli.resampled import resampled
    from wardround.engine.imaging.dicom.catalogue import require_series, series_in

    require_folder(folder, "a folder with DICOM files", "Name the folder in which the file lies")
    options.require_folder(resample, "--resample", "volumes")
    if manifest is not None:
        _require_free(manifest)
    key, folder = _key(key_file), folder.absolute()
    with progress("Reading headers", sum(1 for _ in files_below(folder))) as shown:
        found = series_in(folder, key, shown)
    require_series(found, folder)
    if resample is not None:
        found = resampled(found, resample)
    if manifest is not None:
        write_atomic(manifest, _table(found, manifest).encode())
    if as_json:
        say_json(_as_json(found, folder, described_too=descriptions))
        return
    say_text("\n".join([*_lines(found, folder, described_too=descriptions), *_written(found, manifest)]))


def _key(file: Path | None) -> bytes:
    """The secret of a file, which is made where there is none; without a file one that nobody will know again."""
    from wardround.engine.basics.files import write_private
    from wardround.engine.basics.keeping import Kept, require_kept
    from wardround.engine.basics.reading import read_named

    if file is None:
        return secrets.token_bytes(_KEY_BYTES)
    options.require_folder(file.absolute().parent, "--key-file", "pseudonyms.key")
    if not file.exists():
        write_private(file, secrets.token_hex(_KEY_BYTES).encode())
        note(f"note: made {file}: who has it can find out whom a pseudonym stands for; keep it apart from the tables")
    require_kept(file, Kept.SECRET, "key of pseudonyms")
    content = read_named(file, "key of pseudonyms")
    if len(content.strip()) < _KEY_BYTES:
        raise InputError.one(
            "this key is too short to be a secret",
            where=str(file),
            got=f"{len(content.strip())} bytes",
            expected=f"{_KEY_BYTES} or more that nobody can guess",
            remedy="Name a file that is not there yet, and it is made",
        )
    return content.strip()


def _require_free(manifest: Path) -> None:
    options.require_folder(manifest.absolute().parent, "--manifest", "data")
    if manifest.exists():
        raise InputError.one(
            "there is a file of this name already",
            where=str(manifest),
            remedy="Name another one behind --manifest, or move this one away",
        )


def _readable(found: Catalogue) -> list[ListedSeries]:
    return [each for each in found.series if not each.problems]


def _table(found: Catalogue, manifest: Path) -> str:
    """The text of a manifest; its paths are relative to it."""
    base, rows = manifest.absolute().parent, _readable(found)
    has_masks = any(len(each.segmentations) == 1 for each in rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["SubjectID", "PatientID", "Modality", "Channel_0", *(["Label"] if has_masks else [])])
    for each in rows:
        mask = os.path.relpath(each.segmentations[0], base) if len(each.segmentations) == 1 else ""
        cells = [each.subject, each.patient, each.modality, os.path.relpath(each.path, base)]
        writer.writerow([*cells, *([mask] if has_masks else [])])
    return text.getvalue()


def _written(found: Catalogue, manifest: Path | None) -> list[str]:
    if manifest is None:
        return []
    rows, left = len(_readable(found)), len(found.series) - len(_readable(found))
    without = f"; {left} that cannot be read {'is' if left == 1 else 'are'} left out" if left else ""
    several = sum(len(each.segmentations) > 1 for each in _readable(found))
    unclear = f"; of {several} series with several segmentations, choose one for Label" if several else ""
    return [f"{rows} rows written: {manifest}{without}{unclear}"]


def _lines(found: Catalogue, folder: Path, *, described_too: bool) -> list[str]:
    lines = [line for each in found.series for line in _told(each, folder, each.description if described_too else "")]
    lines += [f"not an image: {count} x {named}" for named, count in found.others.items()]
    if found.strangers:
        lines.append(f"no DICOM: {len(found.strangers)} files, such as {found.strangers[0].relative_to(folder)}")
    return [*lines, *(f"cannot be read: {problem.render()}" for problem in found.problems)]


def _told(each: ListedSeries, folder: Path, description: str) -> list[str]:
    grid = each.grid
    sizes = "cannot be read"
    if grid is not None:
        shape, spacing = (" x ".join(f"{value:g}" for value in values) for values in (grid.shape, grid.spacing))
        sizes = f"{shape} voxels of {spacing} mm"
    drawn = f", {len(each.segmentations)} x DICOM-SEG" if each.segmentations else ""
    counted = "1 file" if each.files == 1 else f"{each.files} files"
    called = f" '{description}'" if description else ""
    place = os.path.relpath(each.path, folder)
    head = f"{place}: {each.modality or 'no modality'}{called}, {counted}, {sizes}{drawn} ({each.patient})"
    burned = ["  text is burned into the pixels, as a header says: it may name the patient"] if each.burned_in else []
    return [head, *burned, *(f"  {problem.render()}" for problem in each.problems)]


def _as_json(found: Catalogue, folder: Path, *, described_too: bool) -> JsonValue:
    series: list[JsonValue] = [
        {
            "path": str(each.path),
            "series": each.series,
            "number": each.number,
            "modality": each.modality,
            **({"description": each.description} if described_too else {}),
            "files": each.files,
            "patient": each.patient,
            "shape": None if each.grid is None else list(each.grid.shape),
            "spacing": None if each.grid is None else list(each.grid.spacing),
            "channels": each.channels,
            "burned_in": each.burned_in,
            "segmentations": [str(path) for path in each.segmentations],
            "problems": described(each.problems),
        }
        for each in found.series
    ]
    return {
        "folder": str(folder),
        "series": series,
        "others": dict(found.others),
        "strangers": [str(path) for path in found.strangers],
        "problems": described(found.problems),
    }
