"""What several models say of each voxel, brought together one class at a time on the grid of the file.

Every model has its own preprocessed grid: so its probabilities are resampled first, and combined there. In memory are
those of one class, as float64, however many models and classes there are; the rest lies as `class_volumes` keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import MappingProxyType
from typing import Protocol

import numpy as np

from wardround.engine.experiments.ensemble import Combine, Ensemble
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.imaging.image import Geometry
from wardround.engine.inference import ClassVolumes, Painter
from wardround.engine.preprocessing import only_rearranged, to_native
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.regions import Regions
from wardround.engine.tasks import SegmentationTask

Prepared = Callable[[TrainedModel], StoredCase]
"""A case as a model's preprocessing makes it."""
Said = Callable[[int], Iterator[np.ndarray]]
"""What the models say of one output: volumes on the native grid, float32 from 0 to 1."""


class Watcher(Protocol):
    """Sees what is said of each output, in their order."""

    spreads: bool
    """Whether it looks at the variance."""

    def put(self, index: int, mean: np.ndarray, variance: np.ndarray | None) -> None:
        """float32 (*native): an output's combined probability, which is overwritten afterwards, and the variance of
        what the models say."""


def combined_labels(ensemble: Ensemble, prepared: Prepared, *watchers: Watcher) -> np.ndarray:
    """Class indices on the native grid, before post-processing, uint8 where they fit; every watcher sees what is said
    of each output."""
    study = ensemble.study
    if len(ensemble.members) == 1 and not watchers:
        (only,) = ensemble.members
        return native_labels_of(only, prepared(only))
    with _WAYS[ensemble.combine](ensemble, prepared) as said:
        return _labels(study, _watched(said, len(study.outputs), watchers))


def _labels(study: Study, volumes: Iterator[np.ndarray]) -> np.ndarray:
    if study.overlaps is None:
        return most_probable(volumes, len(study.outputs))
    painter = Painter(study.overlaps)
    return painter.labels(painter.codes(volumes))


def _watched(said: Said, outputs: int, watchers: Sequence[Watcher]) -> Iterator[np.ndarray]:
    spreads = any(watcher.spreads for watcher in watchers)
    for index in range(outputs):
        mean, variance = mean_and_variance(said(index)) if spreads else (_mean(said(index)), None)
        for watcher in watchers:
            watcher.put(index, mean, variance)
        yield mean


def _mean(volumes: Iterator[np.ndarray]) -> np.ndarray:
    """In float64, where a sum of a few equal numbers is exact: the mean of a model with itself is that model."""
    total, count = np.zeros((), np.float64), 0
    for count, volume in enumerate(volumes, start=1):  # noqa: B007  how many there were
        total = total + volume
    return np.asarray(total / count, dtype=np.float32)


def mean_and_variance(volumes: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """float32, of at least one volume; the variance by Welford's updates, which lose no digits."""
    mean, squares, count = np.zeros((), np.float64), np.zeros((), np.float64), 0
    for count, volume in enumerate(volumes, start=1):
        apart = volume - mean
        mean = mean + apart / count
        squares = squares + apart * (volume - mean)
    return np.asarray(mean, dtype=np.float32), np.asarray(squares / count, dtype=np.float32)


@contextmanager
def _probabilities(ensemble: Ensemble, prepared: Prepared) -> Iterator[Said]:
    """Each model's probabilities."""
    with ExitStack() as stack:
        kept = [_kept(stack, member, prepared(member)) for member in ensemble.members]

        def said(index: int) -> Iterator[np.ndarray]:
            return (native(index) for native in kept)

        yield said


def _kept(stack: ExitStack, member: TrainedModel, stored: StoredCase) -> Callable[[int], np.ndarray]:
    """A model's probabilities, predicted now and resampled when they are asked for. The case itself is let go of."""
    assert isinstance(member.task, SegmentationTask)
    volumes = stack.enter_context(member.task.by_class(member.network, stored, member.device))
    grid, native, cut_to, regions = stored.geometry, stored.native, stored.cut_to, member.study.overlaps
    return lambda index: native_volume(volumes, index, grid, native, cut_to, regions)


@contextmanager
def _votes(ensemble: Ensemble, prepared: Prepared) -> Iterator[Said]:
    """1 for each model that puts a voxel there, else 0."""
    masks = [native_labels_of(member, prepared(member)) for member in ensemble.members]
    tables = _tables(ensemble.study)
    yield lambda index: (tables[index][labels] for labels in masks)


@contextmanager
def _staple(ensemble: Ensemble, prepared: Prepared) -> Iterator[Said]:
    """The probability by STAPLE that a voxel lies in a structure, by itself; of what all agree on, that."""
    with _votes(ensemble, prepared) as votes:
        yield lambda index: iter([staple([*votes(index)])])


def staple(masks: Sequence[np.ndarray]) -> np.ndarray:
    """float32 probabilities from masks of 0 and 1 (Warfield et al. 2004, by SimpleITK)."""
    first = masks[0].astype(np.float32)
    if all(np.array_equal(first, mask) for mask in masks[1:]):
        return first
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
    combined = sitk.STAPLE(images, 1.0)  # type: ignore[no-untyped-call]
    return np.asarray(sitk.GetArrayFromImage(combined), dtype=np.float32)


_WAYS: Mapping[Combine, Callable[[Ensemble, Prepared], AbstractContextManager[Said]]] = MappingProxyType(
    {Combine.MEAN: _probabilities, Combine.MAJORITY: _votes, Combine.STAPLE: _staple}
)


def _tables(study: Study) -> list[np.ndarray]:
    """For each output 1 at the classes that lie in it, float32."""
    if study.overlaps is not None:
        return [table.astype(np.float32) for table in study.overlaps.tables().values()]
    return [*np.eye(len(study.class_names), dtype=np.float32)]


def native_labels_of(model: TrainedModel, stored: StoredCase) -> np.ndarray:
    """The most probable class per native voxel. Probabilities are brought to another grid one class at a time, and are
    in memory one class at a time where they are big; to another order of axes labels can be brought as they are."""
    if only_rearranged(stored.geometry, stored.native):
        labels = model.task.most_probable(model.network, stored, model.device)
        return to_native(labels, stored.geometry, stored.native, "label", stored.cut_to)
    with _probabilities(Ensemble((model,)), lambda _: stored) as said:
        volumes = (next(said(index)) for index in range(len(model.study.outputs)))
        return _labels(model.study, volumes)


def native_labels(
    probabilities: ClassVolumes, stored: Geometry, native: Geometry, cut_to: Sequence[Geometry] = ()
) -> np.ndarray:
    """The most probable class per native voxel; probabilities are resampled, one class at a time to bound memory.

    What lies outside of a grid of `cut_to` is background.
    """
    places = range(probabilities.classes)
    volumes = (native_volume(probabilities, index, stored, native, cut_to, None) for index in places)
    return most_probable(volumes, probabilities.classes)


def native_volume(
    probabilities: ClassVolumes,
    index: int,
    stored: Geometry,
    native: Geometry,
    cut_to: Sequence[Geometry],
    regions: Regions | None,
) -> np.ndarray:
    """float32 (*native): the probability of one output. Outside of a grid of `cut_to`, which a model has not seen, the
    background is certain."""
    outside = 1.0 if index == 0 and regions is None else 0.0
    volume = probabilities.volume(index)[None]
    return np.asarray(to_native(volume, stored, native, "probabilities", cut_to, outside)[0])


def most_probable(volumes: Iterator[np.ndarray], classes: int) -> np.ndarray:
    """The index of the greatest of some volumes, the first of equal ones; one volume is held beside the greatest."""
    best = next(volumes)
    labels = np.zeros(best.shape, dtype=np.uint8 if classes <= 256 else np.uint16)
    for index, values in enumerate(volumes, start=1):
        higher = values > best
        labels[higher] = index
        np.copyto(best, values, where=higher)
        del values, higher
    return labels
