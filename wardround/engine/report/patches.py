"""The patches that a network will see: each beside the whole image that it is taken from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.cohort import Case
from wardround.engine.imaging import read_header
from wardround.engine.imaging.image import Space
from wardround.engine.preprocessing.labels import counted
from wardround.engine.report.cases import outlined_classes, outlined_names, plane_image, shown_input
from wardround.engine.report.colours import Outline
from wardround.engine.report.lettering import shortened
from wardround.engine.report.page import Key
from wardround.engine.report.panels import PATCH, Scene, montage_png, outline_keys
from wardround.engine.report.views import View, main_view, telling_index
from wardround.engine.sampling.batch import Batch
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.targets import Told, target_of

_NOTE = "Left: the preprocessed image and where the patch is taken. Right: the patch as the network sees it, augmented."
_LONGEST_SUBJECT = 40
"""Characters, so that what stands beside it is not lost."""


@dataclass(frozen=True)
class Drawn:
    """One patch: its case as the table has it and as it is stored, its first voxel there, its augmented voxels;
    and the study's word on its DICOM series."""

    case: Case
    stored: StoredCase
    corner: tuple[int, ...]
    batch: Batch
    dicom: Dicom = REFUSING

    @cached_property
    def space(self) -> Space:
        """What the case's file tells of the space that its voxels lie in."""
        return read_header(self.case.channels[0], self.dicom).space


def patch_montage(study: Study, patches: Sequence[Drawn], sites: Mapping[str, str], columns: int = 6) -> bytes:
    """Two pictures for each patch, in the plane of the smallest pixels through most of its foreground, and one more of
    each image that is to be made of it.

    Of several inputs they show one after the other. `sites` tells where a subject comes from, if that is known.
    """
    scenes = []
    for number, patch in enumerate(patches):
        channel = number % len(study.inputs)
        scenes += [_whole(study, patch, channel, sites), _patch(study, patch, channel), *_wanted(study, patch)]
    keys = [*outline_keys(outlined_names(study), scenes), Key("place of the patch", Outline(PATCH))]
    each = len(scenes) // max(1, len(patches))
    return montage_png(scenes, max(each, columns - columns % max(1, each)), keys, _NOTE)


def _whole(study: Study, patch: Drawn, channel: int, sites: Mapping[str, str]) -> Scene:
    stored, size = patch.stored, study.patches.size
    view = main_view(stored.geometry, patch.space)
    index = _index(study, view, patch, size)
    named = [_subject(patch), sites.get(patch.case.subject, ""), target_of(study).spoken(study, Told.of(stored))]
    return Scene(
        plane_image(stored.image, view, index, study, channel),
        view.spacing,
        {} if stored.label is None else {"label": view.cut(stored.label, index)},
        view.edges,
        in_mm=patch.space is not Space.NOTHING,
        box=view.rectangle(patch.corner, size),
        title="\n".join(filter(None, (", ".join(filter(None, named)), view.place(index)))),
        structures=outlined_classes(study),
    )


def _patch(study: Study, patch: Drawn, channel: int) -> Scene:
    view, batch = main_view(patch.stored.geometry, patch.space), patch.batch
    image = batch.image[0].cpu().numpy()
    label = None if batch.label is None else counted(study, batch.label[0].cpu().numpy())
    index = telling_index(view, label) if label is not None else _middle(view, image)
    told = ", ".join(filter(None, (view.name, shown_input(study, channel), f"draw {batch.keys[0].draw}")))
    return Scene(
        plane_image(image, view, index, study, channel),
        view.spacing,
        {} if label is None else {"label": view.cut(label, index)},
        # A patch that may have been mirrored must not say which side is which.
        None if study.flipped_axes else view.edges,
        in_mm=patch.space is not Space.NOTHING,
        title=f"patch of {_subject(patch)}\n{told}",
        structures=outlined_classes(study),
    )


def _wanted(study: Study, patch: Drawn) -> Iterator[Scene]:
    """The augmented patch of each image that is to be made."""
    wanted = patch.batch.truth.get("image")
    if wanted is None:
        return
    view, images = main_view(patch.stored.geometry, patch.space), wanted[0].cpu().numpy()
    for name, image in zip(study.targets, images, strict=True):
        plane = view.cut(image, _middle(view, images))
        title = f"target {name} of {_subject(patch)}\n{view.name}"
        edges = None if study.flipped_axes else view.edges
        yield Scene(plane, view.spacing, edges=edges, in_mm=patch.space is not Space.NOTHING, title=title)


def _subject(patch: Drawn) -> str:
    return shortened(patch.case.subject, _LONGEST_SUBJECT)


def _index(study: Study, view: View, patch: Drawn, size: Sequence[int]) -> int:
    """The plane of the whole image through most of the foreground within the patch."""
    if view.axis is None:
        return 0
    inside = tuple(
        slice(max(start, 0), min(start + side, length))
        for start, side, length in zip(patch.corner, size, patch.stored.geometry.shape, strict=True)
    )
    first = inside[view.axis].start
    if patch.stored.label is None:
        return int((first + inside[view.axis].stop - 1) // 2)
    return int(first) + telling_index(view, counted(study, patch.stored.label[inside]))


def _middle(view: View, image: np.ndarray) -> int:
    return 0 if view.axis is None else image.shape[1 + view.axis] // 2
