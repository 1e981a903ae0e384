"""The registry of this installation: Wardround's own parts, by kind and family, and those of installed packages."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from wardround.engine.basics.problems import Findings
from wardround.engine.parts import (
    augmentation,
    losses,
    metrics,
    networks,
    optimization,
    postprocessing,
    preprocessing,
    tasks,
)
from wardround.engine.parts.installed import rows_of
from wardround.engine.parts.registry import Registry

ENTRY_POINT_GROUP = "wardround.parts"
FAMILIES = (
    *preprocessing.FAMILIES,
    *(augmentation.spatial, augmentation.intensity, augmentation.filtering),
    *(augmentation.artefacts, augmentation.boxes, augmentation.colour),
    *(networks.unet, networks.encoders, networks.transformers, networks.resnet, networks.classifiers),
    *(networks.tabular, networks.generative),
    *(losses.classic, losses.overlap, losses.entropy, losses.surface, losses.numbers, losses.images, losses.survival),
    *(losses.adversarial,),
    *(metrics.segmentation, metrics.lesions, metrics.rates, metrics.classification, metrics.numbers, metrics.images),
    *(metrics.survival,),
    *(optimization.optimizers, optimization.recent, optimization.schedules),
    *postprocessing.FAMILIES,
    *(tasks.segmentation, tasks.classification, tasks.multilabel, tasks.regression, tasks.survival, tasks.synthesis),
)
"""The modules with the rows of Wardround's own parts."""


@cache
def builtin_and_plugins() -> Registry:
    """The registry of this installation: Wardround's own parts, then plug-ins by entry point `wardround.parts`."""
    parts, broken = [part for family in FAMILIES for part in family.PARTS], Findings()
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        with broken.gather():
            parts.extend(rows_of(entry))
    return Registry(parts, broken.problems)
