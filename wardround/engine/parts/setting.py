"""What a part may ask of the study that names it."""

from __future__ import annotations

from dataclasses import dataclass

from wardround.engine.basics.flaws import Location


@dataclass(frozen=True)
class Setting:
    """A study, as far as its parts have to fit it.

    Attributes:
        place: where the study names the part, such as `("preprocessing", 0, "resample")`: a flaw of one of its
            parameters stands at `(*place, "spacing")`.
        task: such as `segmentation`.
        dimensions: spatial axes of images and patches, 2 or 3.
        inputs: the names of the channels.
        classes: the names of the classes in the order of the network's outputs.
        patch: voxels of a patch along each axis.
        batch_size: samples of a batch in training.
        columns: the names of the columns of the table that are given to the network.
        masked: whether a mask says of each voxel what it is.
    """

    place: Location
    task: str
    dimensions: int
    inputs: tuple[str, ...]
    classes: tuple[str, ...]
    patch: tuple[int, ...]
    batch_size: int
    masked: bool
    columns: tuple[str, ...] = ()
