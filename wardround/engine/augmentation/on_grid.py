"""Image and truth of a batch as far as they lie on its grid, while transforms are at work on them.

Each tensor is copied once, when it is first written into, however many transforms there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from wardround.engine.augmentation.transform import (
    Drawn,
    GeometricTransform,
    IntensityTransform,
    Motion,
    Transform,
    active,
    put,
)
from wardround.engine.parts import BreachError
from wardround.engine.sampling.batch import Batch

MASK, VALID, IMAGE = "mask", "valid", "image"
ON_GRID = frozenset({MASK, "regions", VALID, IMAGE})
"""Tensors of truth that have a value for each voxel in every kind of truth that has them."""


class OnGrid:
    """What of a batch lies on its grid; the truth by name."""

    def __init__(self, batch: Batch, names: Collection[str]) -> None:
        self._batch = batch
        self.image = batch.image
        self.truth = {name: tensor for name, tensor in batch.truth.items() if name in names}

    @property
    def batch(self) -> Batch:
        """The batch as it is by now; what nothing has changed is what it was."""
        return replace(self._batch, image=self.image, truth={**self._batch.truth, **self.truth})

    def undergo(self, transform: Transform[Drawn], drawn: Sequence[Drawn | None]) -> None:
        """Let each sample be changed by its parameters."""
        if isinstance(transform, IntensityTransform):
            self._own_image()
            for place, parameters in active(drawn):
                self._change(place, partial(transform.changed, drawn=parameters))
        elif isinstance(transform, GeometricTransform):
            self._own_image()
            self._own_truth()
            for place, parameters in active(drawn):
                self._move(place, transform.motion(parameters, tuple(self.image.shape[2:]), self.image.device))
        else:
            self._apply(transform, drawn)

    def _own_image(self) -> None:
        if _shares(self.image, self._batch.image):
            self.image = self.image.clone(memory_format=torch.contiguous_format)

    def _own_truth(self) -> None:
        for name, tensor in self.truth.items():
            if _shares(tensor, self._batch.truth[name]):
                self.truth[name] = tensor.clone(memory_format=torch.contiguous_format)

    def _change(self, place: int, change: Callable[[Tensor], Tensor]) -> None:
        sample = self.image[place]
        put(sample, _alike(change(sample), sample, "a sample"))

    def _move(self, place: int, motion: Motion) -> None:
        self._change(place, motion.image)
        around = self._batch.surroundings
        for name, tensor in self.truth.items():
            values = tensor[place].reshape(-1, *self.image.shape[2:])
            beyond = around[place].beyond if around and name == IMAGE else ()
            put(values, _alike(_moved(name, values, motion, beyond), values, f"the truth `{name}`"))

    def _apply(self, transform: Transform[Drawn], drawn: Sequence[Drawn | None]) -> None:
        """A transform that says only what becomes of an image and a label: all truth beside a mask is its label too."""
        label, others = self.truth.get(MASK), {name: one for name, one in self.truth.items() if name != MASK}

        def moved(label: Tensor) -> Tensor:
            found = _kept(transform.apply(self.image, label, drawn), self.image, label)[1]
            return label if found is None else found

        followed = {name: _followed(name, tensor, self.image, moved) for name, tensor in others.items()}
        image, label = _kept(transform.apply(self.image, label, drawn), self.image, label)
        self.image, self.truth = image, {**followed, **({} if label is None else {MASK: label})}


def _shares(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in the same memory, as what a transform returned may do with what it was given."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _moved(name: str, values: Tensor, motion: Motion, beyond: Sequence[float]) -> Tensor:
    """Truth of one sample, (channels, *spatial), after a motion; `beyond` is what comes in from outside, if not 0."""
    if any(beyond) and values.is_floating_point():
        around = values.new_tensor(beyond).reshape(-1, *(1,) * (values.ndim - 1))
        return motion.values(values - around) + around
    if values.is_floating_point():
        return motion.values(values)
    # What comes in from outside counts as background, and background is learnt: so it is valid.
    return ~motion.labels(~values) if name == VALID else motion.labels(values)


def _followed(name: str, tensor: Tensor, image: Tensor, moved: Callable[[Tensor], Tensor]) -> Tensor:
    """Truth of a batch after a transform of which `moved` says what becomes of a label, (samples, *spatial)."""
    if name == VALID:
        return moved((~tensor).to(torch.uint8)) == 0
    by_channel = tensor.reshape(len(tensor), -1, *image.shape[2:])
    if tensor.is_floating_point():
        return _taken(by_channel, moved).reshape(tensor.shape)
    channels = [moved(channel.contiguous()) for channel in by_channel.unbind(1)]
    return torch.stack(channels, dim=1).reshape(tensor.shape)


def _taken(values: Tensor, moved: Callable[[Tensor], Tensor]) -> Tensor:
    """Numbers of the truth, (samples, channels, *spatial), from where a label that tells its place is taken: nothing
    but the geometry of a transform reaches them. Outside lies 0."""
    samples, channels, *shape = values.shape
    index, inside = torch.zeros_like(values[:, 0], dtype=torch.int64), torch.ones_like(values[:, 0], dtype=torch.bool)
    for axis, side in enumerate(shape):
        places = torch.arange(1, side + 1, device=values.device).reshape(-1, *(1,) * (len(shape) - 1 - axis))
        found = moved(places.expand(samples, *shape).contiguous())
        inside &= found > 0
        index = index * side + (found - 1).clamp_min(0)
    flat = index.flatten(1)[:, None].expand(samples, channels, -1)
    return (values.flatten(2).gather(2, flat) * inside.flatten(1)[:, None]).reshape(values.shape)


def _kept(found: object, image: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What a transform gave, if forms and types are still those of `image` and `label`."""
    expected = f"an image {_form(image)} and a label {_form(label)}"
    if not isinstance(found, tuple) or len(found) != 2:
        raise BreachError(f"a {type(found).__name__}", expected)
    if (_form(found[0]), _form(found[1])) != (_form(image), _form(label)):
        raise BreachError(f"an image {_form(found[0])} and a label {_form(found[1])}", expected)
    return found


def _alike(found: object, given: Tensor, what: str) -> Tensor:
    """What became of a part of a sample, if form and type are still those of what was given."""
    if not isinstance(found, Tensor) or (found.dtype, found.shape) != (given.dtype, given.shape):
        raise BreachError(f"{what} {_form(found)}", f"one {_form(given)}")
    return found


def _form(tensor: object) -> str:
    if not isinstance(tensor, Tensor):
        return "None" if tensor is None else f"that is a {type(tensor).__name__}"
    return f"of {str(tensor.dtype).removeprefix('torch.')} and shape {tuple(tensor.shape)}"
