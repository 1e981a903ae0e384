"""A few of the real images that each ready study is for, as tables; sets of one or two images are given noise anew."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid

from tests.support.dicoms import save
from tests.support.images import write_table
from tests.support.shared_data import shared_data
from wardround.engine.basics.progress import Silent
from wardround.engine.imaging import read_image, read_label, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.interop.archives import import_npz

CASES = 12
Row = Sequence[object]
Maker = Callable[[Path], Path]


def _of_table(name: str, truth: str) -> Maker:
    """Rows of a table of the shared data, of each class as many where the truth is one."""

    def make(folder: Path) -> Path:
        source = shared_data() / name
        with source.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        kept = _mixed(rows, truth) if truth == "ValueToPredict" else rows[:CASES]
        files = {"Channel_0", "Label"}
        columns = ("SubjectID", "Channel_0", truth)
        found = [[source.parent / row[key] if key in files else row[key] for key in columns] for row in kept]
        return write_table(folder / "data.csv", columns, found)

    return make


def _mixed(rows: Sequence[dict[str, str]], truth: str) -> Sequence[dict[str, str]]:
    """So many rows, the two ends of what is to be told in turn."""
    ordered = sorted(rows, key=lambda row: float(row[truth]))
    return [*ordered[: CASES // 2], *ordered[-(CASES - CASES // 2) :]]


def _heads(folder: Path) -> Path:
    source = shared_data() / "brain_ixi"
    rows = [(path.name, path, _labels_of(source, path)) for path in sorted((source / "nifti").iterdir())]
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)


def _labels_of(source: Path, image: Path) -> Path:
    return source / "dlmuse" / image.name.replace("_ds.nii.gz", "_ds_DLMUSE.nii.gz")


def _ages(folder: Path) -> Path:
    source = shared_data() / "brain_ixi"
    with (source / "lists" / "IXI_demog_n10.csv").open(newline="", encoding="utf-8") as handle:
        rows = [
            (row["MRID"], source / "nifti" / f"{row['MRID']}-T1_ds.nii.gz", row["Age"])
            for row in csv.DictReader(handle)
        ]
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "ValueToPredict"), rows)


def _with_noise(*pairs: tuple[str, str]) -> Maker:
    """Images with their masks, in turn: each time moved by some voxels, with other noise of a hundredth of their
    spread. No two images or masks are one file's."""

    def make(folder: Path) -> Path:
        rows: list[Row] = []
        for number in range(CASES):
            image, mask = (shared_data() / name for name in pairs[number % len(pairs)])
            read, (label, grid) = read_image(image), read_label(mask)
            noise = np.random.default_rng(number).normal(0, read.data.std() / 100, read.data.shape)
            names = f"image_{number:02d}.nii", f"mask_{number:02d}.nii"
            moved = np.roll(read.data + noise, number, axis=1).astype(np.float32)
            write_image(folder / names[0], replace(read, data=moved))
            write_label(folder / names[1], np.roll(label, number, axis=0), grid)
            rows.append((f"case_{number:02d}", *names))
        return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)

    return make


def _shapes(folder: Path) -> Path:
    """The first of the archive, by the command that unpacks it."""
    with np.load(shared_data() / "adrenal_shapes" / "adrenal_shapes.npz") as archive:
        few = {f"train_{what}": archive[f"val_{what}"][:CASES] for what in ("images", "labels")}
    np.savez(folder / "few.npz", **few)
    table = import_npz(folder / "few.npz", folder / "shapes", Silent()).manifest
    table.write_text(table.read_text().replace(",Split", "").replace(",train\n", "\n"))  # the study makes its own sets
    return table


def _slices(folder: Path) -> Path:
    """Slices of a CT as DICOM, every fourth pixel of them, each with noise of its own; masks of the liver as PNG."""
    source = shared_data() / "dicom_ct_seg"
    label = read_label(source / "liver_seg.nrrd")[0][::4, ::4].astype(np.uint8)
    files, rows = sorted((source / "ct-3slice").iterdir()), []
    for number in range(CASES):
        made = pydicom.dcmread(files[number % len(files)])
        pixels = made.pixel_array[::4, ::4] + np.random.default_rng(number).integers(0, 9, (128, 128))
        made.SOPInstanceUID, made.SeriesInstanceUID, made.StudyInstanceUID = (generate_uid() for _ in range(3))
        made.Rows, made.Columns, made.PixelSpacing = 128, 128, [4 * each for each in made.PixelSpacing]
        made.PixelData = np.roll(pixels, number, axis=0).astype(np.int16).tobytes()
        save(folder / f"slice_{number:02d}.dcm", made)
        lying = np.roll(label[..., number % len(files)].T, number, axis=0)
        write_label(folder / f"mask_{number:02d}.png", lying, plain_geometry(lying.shape))
        rows.append((f"case_{number:02d}", f"slice_{number:02d}.dcm", f"mask_{number:02d}.png"))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)


_NORTH = "hippocampus/north.csv"
REAL: Mapping[str, Maker] = {
    "adrenal": _shapes,
    "brain": _heads,
    "brain_age": _ages,
    "ct_slice": _slices,
    "hippocampus": _of_table(_NORTH, "Label"),
    "hippocampus_regions": _of_table(_NORTH, "Label"),
    "hippocampus_volume": _of_table(_NORTH, "ValueToPredict"),
    "histology": _of_table("histology_tiles/tiles.csv", "Label"),
    "lesions_mr": _with_noise(
        *((f"nrrd_pairs/brain{n}_image.nrrd", f"nrrd_pairs/brain{n}_label.nrrd") for n in (1, 2))
    ),
    "nnunet": _of_table(_NORTH, "Label"),
    "nuclei": _of_table("nuclei/confocal_256.csv", "Label"),
    "nuclei_count": _of_table("nuclei/confocal_256.csv", "ValueToPredict"),
    "pneumonia": _of_table("pneumonia/riverside.csv", "ValueToPredict"),
    "spinal_cord": _with_noise(("spine_aniso/t2s.nii.gz", "spine_aniso/t2s_gmseg_manual.nii.gz")),
}
"""By the study's folder."""
