"""What of a study belongs to its number of axes, and how these lines are written for images with another number.

It goes by the document and not by the model: a study whose lines do not fit each other is none yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from wardround.engine.parts.networks import NetworkParameters
from wardround.engine.study.expectations import Location, flow

AXES = (2, 3)
_STEP = 2**6
"""What the halvings of the deepest network divide a patch by."""
_PER_AXIS = {"resample": "spacing", "resize": "size"}


@dataclass(frozen=True)
class Images:
    """What the images of a cohort are: their voxels along each axis, and the distance of these in mm."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]

    @property
    def axes(self) -> int:
        """2 for flat images, 3 for volumes."""
        return len(self.shape)


@dataclass(frozen=True)
class Change:
    """A line of a study that is to be written otherwise, or to go: its place, what to write, and in what."""

    location: Location
    line: str
    within: str
    is_to_go: bool = False


def stated_axes(content: Any) -> int | None:
    """The axes for which a document's model is; None where that cannot be told."""
    name, parameters, _ = _part(content.get("model") if isinstance(content, Mapping) else None)
    axes = parameters.get("dimensions", NetworkParameters.model_fields["dimensions"].default)
    return axes if name and axes in AXES and not isinstance(axes, bool) else None


def changes_for(content: Mapping[str, Any], images: Images) -> list[Change]:
    """Every line that keeps a document from being a study of images with so many axes."""
    return [*_of_model(content, images), *_of_patches(content, images), *_of_steps(content, images)]


def _of_model(content: Mapping[str, Any], images: Images) -> Iterator[Change]:
    if stated_axes(content) == images.axes:
        return
    written = content["model"]
    if isinstance(written, str):
        yield Change(("model",), f"model: {{name: {written}, dimensions: {images.axes}}}", "")
        return
    _, _, place = _part(written)
    yield Change(("model", *place, "dimensions"), f"dimensions: {images.axes}", "model")


def _of_patches(content: Mapping[str, Any], images: Images) -> Iterator[Change]:
    patches = content.get("patches")
    size = patches.get("size") if isinstance(patches, Mapping) else None
    if _are_numbers(size) and len(size) != images.axes:
        yield Change(("patches", "size"), f"size: {flow(_fitting(size, images.axes, _side(size, images)))}", "patches")


def _side(size: Sequence[Any], images: Images) -> Any:
    """A third side of a patch: the last one, halved while it is much longer than the images, as networks allow."""
    side = size[-1]
    while isinstance(side, int) and side % (2 * _STEP) == 0 and side // 2 >= images.shape[-1]:
        side //= 2
    return side


def _of_steps(content: Mapping[str, Any], images: Images) -> Iterator[Change]:
    for section in ("preprocessing", "augmentation"):
        steps = content.get(section)
        for index, step in enumerate(steps if isinstance(steps, Sequence) and not isinstance(steps, str) else ()):
            name, parameters, place = _part(step)
            if name == "orient" and images.axes == min(AXES):
                yield Change((section, index), name, section, is_to_go=True)
            elif name in _PER_AXIS:
                yield from _of_numbers((section, index, *place), name, parameters, images)
            elif name == "flip":
                yield from _of_flip((section, index, *place), parameters, images)


def _of_numbers(place: Location, name: str, parameters: Mapping[str, Any], images: Images) -> Iterator[Change]:
    key = _PER_AXIS[name]
    short = parameters.get("")
    values = short if short is not None else parameters.get(key)
    if _are_numbers(values) and len(values) != images.axes:
        more = values[-1] if key == "size" else float(f"{images.spacing[-1]:.3g}")
        written = flow(_fitting(values, images.axes, more))
        yield Change(place, f"{name if short is not None else key}: {written}", "preprocessing" if short else name)


def _of_flip(place: Location, parameters: Mapping[str, Any], images: Images) -> Iterator[Change]:
    short = parameters.get("")
    axes = short if short is not None else parameters.get("axes")
    if _are_numbers(axes) and any(axis >= images.axes for axis in axes):
        left = [axis for axis in axes if axis < images.axes] or [0]
        yield Change(
            place, f"{'flip' if short is not None else 'axes'}: {flow(left)}", "augmentation" if short else "flip"
        )


def _fitting(values: Sequence[Any], axes: int, more: Any) -> list[Any]:
    return [*values, *[more] * axes][:axes] if len(values) < axes else [*values[:axes]]


def _are_numbers(values: Any) -> TypeGuard[Sequence[Any]]:
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and len(values) > 0
        and all(isinstance(value, int | float) for value in values)
    )


def _part(written: Any) -> tuple[str, Mapping[str, Any], Location]:
    """A part as it is written: its name, its parameters and the way to them; a bare value stands under no name."""
    if isinstance(written, str):
        return written, {}, ()
    if not isinstance(written, Mapping):
        return "", {}, ()
    if "name" in written:
        inner = written.get("parameters")
        if isinstance(inner, Mapping):
            return str(written["name"]), inner, ("parameters",)
        return str(written["name"]), written, ()
    if len(written) != 1:
        return "", {}, ()
    (name, value), *_ = written.items()
    return str(name), value if isinstance(value, Mapping) else {"": value}, (name,)
