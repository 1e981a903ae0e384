"""Small cohorts of images that are to be made of others, which a small network learns within seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from tests.engine.experiments.cohorts import flat_study
from tests.support.images import blobs, oblique_geometry, write_table
from wardround.engine.imaging import Image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.study import Study


def made_study(**changes: Any) -> Study:
    """A picture of the inverse, in another unit, 9 cases in 3 x 2 folds."""
    settings: dict[str, Any] = {
        "study": "made",
        "task": "synthesis",
        "targets": ["inverse"],
        "classes": {},
        "augmentation": [{"flip": "all"}],
        "patches": {"size": [16, 16], "per_case": 2},
        "model": {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2},
        "training": {
            "loss": "l1",
            "optimizer": {"name": "adamw", "learning_rate": 0.03},
            "batch_size": 4,
            "steps": 40,
        },
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["mae", "ncc", "psnr"], "select": "mae"},
    }
    return flat_study(**(settings | changes))


def made_cohort(folder: Path, cases: int = 9, shape: tuple[int, ...] = (24, 28), targets: int = 1) -> Path:
    """Smooth blobs and, in each target, 1000 minus four times them, less the number of the target; NIfTI of volumes and
    TIFF of pictures."""
    random, rows = np.random.default_rng(0), []
    geometry = oblique_geometry(shape) if len(shape) == 3 else plain_geometry(shape)
    suffix = ".nii.gz" if len(shape) == 3 else ".tif"
    for number in range(cases):
        image = ndimage.gaussian_filter(blobs(shape, 1, random)[0], 1.5)
        write_image(folder / f"image-{number}{suffix}", Image(image[None], geometry))
        names = [f"target-{number}-{place}{suffix}" for place in range(targets)]
        for place, name in enumerate(names):
            write_image(folder / name, Image((1000 - 4 * image - place)[None].astype(np.float32), geometry))
        rows.append((f"case-{number}", f"image-{number}{suffix}", *names))
    columns = ("SubjectID", "Channel_0", *(f"Target_{place}" for place in range(targets)))
    return write_table(folder / "data.csv", columns, rows)
