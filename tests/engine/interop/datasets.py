"""Small data sets in the forms of nnU-Net and of the Decathlon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.images import oblique_geometry
from wardround.engine.imaging import Geometry, Image, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry

SECOND: dict[str, Any] = {
    "channel_names": {"0": "T1", "1": "FLAIR"},
    "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4},
    "regions_class_order": [1, 2, 3],
    "numTraining": 4,
    "file_ending": ".nii.gz",
}
FIRST: dict[str, Any] = {
    "name": "Prostate",
    "modality": {"0": "CT"},
    "labels": {"0": "background", "1": "peripheral zone", "2": "Transition/zone"},
    "numTraining": 4,
    "numTest": 2,
    "training": [
        {"image": f"./imagesTr/case_{number}.nii.gz", "label": f"./labelsTr/case_{number}.nii.gz"}
        for number in range(4)
    ],
    "test": ["./imagesTs/case_8.nii.gz", "./imagesTs/case_9.nii.gz"],
}
SHAPE = (20, 24, 18)


def write_dataset(folder: Path, content: dict[str, Any], *, numbered: bool = True, values: int = 5) -> Path:
    """Files of four cases with masks and two without, as `content` announces their channels, and `dataset.json`."""
    channels = len(content.get("channel_names", content.get("modality", {})))
    grid, random = oblique_geometry(SHAPE), np.random.default_rng(0)
    for place, cases in (("imagesTr", range(4)), ("imagesTs", (8, 9))):
        for case in cases:
            data = random.normal(100, 20, (channels, *SHAPE)).astype(np.float32)
            _write_images(folder / place, f"case_{case}", data, grid, numbered=numbered)
            if place == "imagesTr":
                mask = random.integers(0, values, SHAPE).astype(np.uint8)
                write_label(folder / "labelsTr" / f"case_{case}.nii.gz", mask, grid)
    return describe(folder, content)


def _write_images(folder: Path, case: str, data: np.ndarray, grid: Geometry, *, numbered: bool) -> None:
    if not numbered:
        write_image(folder / f"{case}.nii.gz", Image(data, grid))
        return
    for number, channel in enumerate(data):
        write_image(folder / f"{case}_{number:04d}.nii.gz", Image(channel[None], grid))


def write_flat(folder: Path) -> Path:
    """Pictures of nnU-Net's form."""
    random, grid = np.random.default_rng(0), plain_geometry((40, 56))
    for case in range(3):
        picture = random.integers(0, 255, (1, 40, 56)).astype(np.uint8)
        write_image(folder / "imagesTr" / f"p{case}_0000.png", Image(picture, grid))
        write_label(folder / "labelsTr" / f"p{case}.png", (picture[0] > 200).astype(np.uint8), grid)
    labels = {"background": 0, "cell": 1}
    return describe(folder, {"channel_names": {"0": "grey"}, "labels": labels, "numTraining": 3, "file_ending": ".png"})


def describe(folder: Path, content: dict[str, Any]) -> Path:
    """Write `dataset.json`; the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder
