"""Parameters of the random transforms, which act on batches of patches after normalisation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.registry import Kind, Parameters, Part

Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]


class Spatial(Parameters):
    """Rotation, scaling and elastic deformation, fused into one resampling of image and label.

    rotation: largest angle in degrees about each axis (in 2D, in the plane); it turns in mm, also where voxels are
    longer along one axis. scale: range of one factor for all axes. elastic: standard deviation, in voxels of each axis,
    of the displacement at the control points of a smooth random field, `control_spacing` voxels apart. Outside the
    patch lies `patches.padding`, and background in the label.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale: tuple[Annotated[float, Field(gt=0.1, lt=10)], Annotated[float, Field(gt=0.1, lt=10)]] = (0.9, 1.1)
    elastic: Annotated[float, Field(ge=0, le=50)] = 0.0
    control_spacing: Annotated[int, Field(ge=2, le=64)] = 8
    probability: Probability = 0.5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise unfit(
                "the range of `scale` runs backwards",
                got=str(list(self.scale)),
                expected="the smaller number first",
                remedy=f"Write `scale: {sorted(self.scale)}`",
            )
        return self


_IN_VOLUMES, _IN_FLAT = {"x": 0, "y": 1, "z": 2}, {"y": 0, "x": 1}
"""Which axis a letter means: an image of two axes is indexed by row and column."""
_COUNTED = "Axes are counted from 0: the first is 0, the second 1, the third 2"


def _read_axes(value: Any) -> Any:
    """The axes of a flip; raises pydantic's error for a document that names them otherwise, doubly or from 1."""
    if value == "all" or isinstance(value, Mapping) or value is None:
        return value
    axes = [*value] if isinstance(value, tuple | list | str) else [value]
    if isinstance(value, tuple | list) and all(_is_axis(axis) for axis in axes):
        if len(set(axes)) == len(axes):
            return value
        raise _unlike_axes("an axis stands twice", value, f"Write each axis once, such as `axes: {sorted(set(axes))}`")
    raise _unlike_axes("this value cannot be used", value, _as_axes(axes))


def _is_axis(axis: Any) -> bool:
    return isinstance(axis, int) and not isinstance(axis, bool) and 0 <= axis <= 2


def _as_axes(axes: list[Any]) -> str:
    """What to write for axes that are named by letters, counted from 1, or given without a list."""
    letters = [text for axis in axes if (text := str(axis).strip(" ,;").lower())]
    if letters and set(letters) <= _IN_VOLUMES.keys():
        return _as_numbers(letters)
    if letters and set(letters) <= set("0123") and not {"0", "3"} <= set(letters):
        return f"{_COUNTED}; write {_line(int(letter) - ('3' in letters) for letter in letters)}"
    return f"{_COUNTED}; write for example `axes: [0]`, or `axes: all`"


def _as_numbers(letters: list[str]) -> str:
    said = f"Axes are numbers: in volumes x is 0, y 1 and z 2; write {_line(_IN_VOLUMES[x] for x in letters)}"
    return said if "z" in letters else f"{said}; for images of two axes, {_line(_IN_FLAT[x] for x in letters)}"


def _line(axes: Iterable[int]) -> str:
    return f"`axes: {sorted(set(axes))}`"


def _unlike_axes(what: str, value: Any, remedy: str) -> PydanticCustomError:
    got = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    expected = "all, or a list of different axes: 0 and 1, in volumes 2 as well"
    return unfit(what, got=got, expected=expected, remedy=remedy)


class Flip(Parameters):
    """Mirror each of the named axes (counted from 0 in the patch) independently with `probability`."""

    shorthand: ClassVar[str | None] = "axes"
    axes: Annotated[Literal["all"] | tuple[Annotated[int, Field(ge=0, le=2)], ...], BeforeValidator(_read_axes)] = "all"
    probability: Probability = 0.5

    def allows(self, axis: int) -> bool:
        """Whether this axis may be mirrored."""
        return self.axes == "all" or axis in self.axes


class Noise(Parameters):
    """Additive Gaussian noise; its standard deviation is drawn uniformly from `std`, in units of the input."""

    std: tuple[NonNegative, NonNegative] = (0.0, 0.1)
    probability: Probability = 0.2

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.std[0] > self.std[1]:
            raise unfit(
                "the range of `std` runs backwards",
                got=str(list(self.std)),
                expected="the smaller number first",
                remedy=f"Write `std: {sorted(self.std)}`",
            )
        return self


class Gamma(Parameters):
    """Raise intensities, scaled to 0..1 per sample and channel, to the power exp(g), g uniform in `log_gamma`."""

    log_gamma: tuple[float, float] = (-0.3, 0.3)
    probability: Probability = 0.2

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.log_gamma[0] > self.log_gamma[1]:
            raise unfit(
                "the range of `log_gamma` runs backwards",
                got=str(list(self.log_gamma)),
                expected="the smaller number first",
                remedy=f"Write `log_gamma: {sorted(self.log_gamma)}`",
            )
        return self


_HOME = "wardround.engine.augmentation"
PARTS = (
    Part(Kind.AUGMENTATION, "spatial", Spatial, f"{_HOME}.spatial:SpatialTransform"),
    Part(Kind.AUGMENTATION, "flip", Flip, f"{_HOME}.flip:FlipTransform"),
    Part(Kind.AUGMENTATION, "noise", Noise, f"{_HOME}.intensity:NoiseTransform"),
    Part(Kind.AUGMENTATION, "gamma", Gamma, f"{_HOME}.intensity:GammaTransform"),
)
