"""What a file says of itself before its voxels are read."""

from __future__ import annotations

from dataclasses import dataclass

from wardround.engine.imaging.image import Geometry, Remark, Space


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its voxels are read.

    Attributes:
        geometry: the voxel grid.
        channels: values per voxel: 3 for RGB, the length of the fourth axis of a 4D file, otherwise 1.
        pixel_type: numpy's name of the values' type, such as `int16`.
        remarks: oddities that the header's owner should know.
        space: what the file tells of the space that its voxels lie in.
    """

    geometry: Geometry
    channels: int
    pixel_type: str
    remarks: tuple[Remark, ...] = ()
    space: Space = Space.BODY
