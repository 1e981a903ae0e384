"""Readers and writers of images and masks, and the geometry of voxel grids. Heavy readers load when they are used."""

from wardround.engine.imaging.geometry import geometry_differences
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.readable import ArrayReadable, Readable
from wardround.engine.imaging.reading import (
    label_grid,
    open_image,
    read_header,
    read_image,
    read_label,
    read_label_header,
    takes_grid,
)
from wardround.engine.imaging.writing import write_image, write_label

__all__ = [
    "ArrayReadable",
    "Geometry",
    "Header",
    "Image",
    "Readable",
    "geometry_differences",
    "label_grid",
    "open_image",
    "read_header",
    "read_image",
    "read_label",
    "read_label_header",
    "takes_grid",
    "write_image",
    "write_label",
]
