"""Masks that hold several values per voxel: a volume for each class, or colours; each has its own way out."""

from __future__ import annotations

from pathlib import Path

from wardround.engine.basics.problems import Problem
from wardround.engine.imaging.header import Header
from wardround.engine.study.labels import spoken
from wardround.engine.study.models import Study

_SPATIAL = 3


def layered(study: Study, where: str, path: Path, mask: Header) -> Problem:
    """The problem of a mask whose header announces several values per voxel."""
    count, what, expected = mask.channels, "a mask has one value per voxel", "1 value per voxel"
    if mask.geometry.dimensions != _SPATIAL:
        remedy = f"Is this the mask at all? {_numbers(study, 'grey image')}, whatever the colours are now"
        return Problem(what, where, f"{count} values per voxel", expected, remedy)
    slicer = " From 3D Slicer export it as a labelmap." if path.name.lower().endswith(".seg.nrrd") else ""
    remedy = f"{_doubt(study, count)}{slicer} {_numbers(study, 'volume')}"
    return Problem(what, where, f"{count} volumes in one file", expected, remedy)


def _doubt(study: Study, count: int) -> str:
    """What several volumes may be: one for each class, with the background or without, or something else."""
    if study.regions and count == len(study.outputs):
        return "Is it one volume for each region?"
    if count == len(study.class_names):
        return "Is it one volume for each class and one for the background?"
    if count == len(study.class_names) - 1:
        return "Is it one volume for each class?"
    return f"Are the {count} structures, readers or times? Or is this an image?"


def _numbers(study: Study, word: str) -> str:
    classes = [f"{spoken(values)} for {name}" for name, values in study.values_by_class.items()][1:]
    shown = ", ".join(classes[:3]) + (" and so on" if len(classes) > 3 else "")
    return f"Save one {word} in which each voxel has the number of its class: {shown}, and 0 where there is none"
