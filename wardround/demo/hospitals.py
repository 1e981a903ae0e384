"""The demo's three hospitals: files and manifests as a real hospital would have them, made from nobody's brain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wardround.demo.anatomy import Anatomy, Variation, deformed, load_average
from wardround.demo.scanners import Scanner, acquire, stored, stored_geometry
from wardround.engine.basics.progress import Progress
from wardround.engine.basics.randomness import stream
from wardround.engine.imaging import Image, write_image, write_label
from wardround.lab.manifests import write_manifest


@dataclass(frozen=True)
class Hospital:
    """A name, what its scanner is like in words, and the scanner."""

    name: str
    description: str
    scanner: Scanner


@dataclass(frozen=True)
class Cases:
    """How many cases each hospital has for what. `test` cases are held back from all training."""

    train: int = 2
    validation: int = 1
    test: int = 2

    def splits(self) -> tuple[str, ...]:
        """The content of the manifest's `Split` column, row by row."""
        return ("train",) * self.train + ("validation",) * self.validation + ("test",) * self.test


HOSPITALS = (
    Hospital(
        "harbour",
        "a recent scanner with balanced contrast and little noise",
        Scanner(contrast=((0, 0), (1, 1)), bias=0.05, blur=(0.5, 0.5, 0.5), noise=0.02, gain=900),
    ),
    Hospital(
        "meadow",
        "dark grey matter, a strong bias field, thick slices",
        Scanner(
            contrast=((0, 0), (0.3, 0.02), (0.65, 0.25), (0.85, 0.9), (1, 1)),
            bias=0.25,
            blur=(0.5, 0.5, 2.5),
            noise=0.03,
            gain=300,
            flipped=(0,),
        ),
    ),
    Hospital(
        "summit",
        "an old scanner: pale contrast, a strong bias field, blurred and noisy",
        Scanner(
            contrast=((0, 0), (0.3, 0.4), (0.65, 0.75), (0.85, 0.92), (1, 1)),
            bias=0.3,
            blur=(1.5, 1.5, 1.5),
            noise=0.08,
            gain=4000,
            flipped=(1, 2),
        ),
    ),
)


def make_hospitals(
    folder: Path, cases: Cases, shown: Progress, *, spacing: int = 3, seed: int = 152
) -> Mapping[str, Path]:
    """Write every hospital's images, masks and manifest under `folder`; returns the manifests by hospital.

    A case is a function of seed, hospital and number. Raises `InputError` when nilearn is not installed.
    """
    average = load_average(spacing)
    manifests = {}
    for number, hospital in enumerate(HOSPITALS):
        manifests[hospital.name] = _make_hospital(folder / hospital.name, hospital, average, cases, seed)
        shown.advance(number + 1, hospital.name)
    return manifests


def _make_hospital(folder: Path, hospital: Hospital, average: Anatomy, cases: Cases, seed: int) -> Path:
    rows = []
    for number, split in enumerate(cases.splits(), start=1):
        subject = f"{hospital.name}-{number:02}"
        brain = deformed(average, Variation(), stream(seed, hospital.name, number, "anatomy"))
        _write_case(folder, subject, hospital.scanner, brain, seed)
        rows.append((subject, f"images/{subject}.nii.gz", f"masks/{subject}.nii.gz", split))
    return write_manifest(folder / "data.csv", ("SubjectID", "Channel_0", "Label", "Split"), rows)


def _write_case(folder: Path, subject: str, scanner: Scanner, brain: Anatomy, seed: int) -> None:
    signal = acquire(scanner, brain.intensity, brain.geometry.spacing[0], stream(seed, subject, "scanner"))
    grid = stored_geometry(scanner, brain.geometry)
    write_image(folder / "images" / f"{subject}.nii.gz", Image(stored(scanner, signal)[None], grid))
    write_label(folder / "masks" / f"{subject}.nii.gz", stored(scanner, brain.tissues()), grid)
