"""Readers and writers of images and masks, and the geometry of voxel grids. Heavy readers load when they are used."""

from wardround.engine.imaging.geometry import geometry_differences
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.reading import Header, read_header, read_image, read_label, read_label_header
from wardround.engine.imaging.writing import write_image, write_label

__all__ = [
    "Geometry",
    "Header",
    "Image",
    "geometry_differences",
    "read_header",
    "read_image",
    "read_label",
    "read_label_header",
    "write_image",
    "write_label",
]
