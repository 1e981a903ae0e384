"""A commented study for a data set: what nnU-Net would do by its rules, as far as this machine's memory is not asked.

Orientation, the median spacing, normalisation by the kind of image, a patch about as large as a case is at that
spacing (at most 128 voxels a side, 512 of a flat image), a U-Net, Dice with cross-entropy (Isensee et al. 2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wardround.engine.basics.flaws import flow
from wardround.engine.interop.description import Description
from wardround.engine.interop.grids import Grids
from wardround.engine.planning.training import folds
from wardround.engine.planning.wording import plain, slug

_LONGEST = {2: 512, 3: 128}
_DIVISOR = 16
_MOST_VOXELS = {2: 512 * 512, 3: 128 * 128 * 96}
_UNTOUCHED, _TO_ONE = frozenset({"nonorm"}), frozenset({"rescale_to_0_1", "rgb_to_0_1", "r", "g", "b"})


def study_text(description: Description, grids: Grids, folder: str, cases: int) -> str:
    """The study as a file, which a person can read and change; of so many cases to learn from."""
    patch, (outer, inner) = _patch(grids), folds(cases).value
    lines = [
        f"# Made from dataset.json of {plain(folder)} by `wardround import-nnunet`. It is an ordinary study: change "
        "what you like,",
        "# then ask `wardround check study.yaml --manifest data.csv --full`.",
        "schema: 1",
        f"study: {slug(description.name or folder, 'imported')}",
        "task: segmentation",
        f"inputs: {flow(list(description.channels))}",
        *_truth(description),
        *_preprocessing(description, grids),
        "augmentation:",
        "  # `flip` is not among them: add `- flip: {axes: [0]}` where a mirror image is as good as the image.",
        "  - spatial: {rotation: 15, scale: [0.85, 1.15], probability: 0.5}",
        "  - noise: {std: [0, 0.1], probability: 0.2}",
        f"# In steps of 16 about as large as a case is, {' x '.join(map(str, grids.shape))} at the spacing above; a "
        "larger one needs more memory.",
        f"patches: {{size: {patch}, per_case: 2, foreground: 0.33}}",
        f"model: {{name: unet, dimensions: {grids.dimensions}, filters: 32, levels: 5, norm: instance}}",
        "training: {loss: dice_ce, optimizer: {name: adamw, learning_rate: 1e-3}, schedule: cosine, epochs: 200, "
        "batch_size: 2}",
        f"validation: {{outer_folds: {outer}, inner_folds: {inner}, metrics: [dice], select: dice}}",
        "inference: {overlap: 0.5, blend: gaussian}",
        "seed: 42",
    ]
    return "\n".join(lines) + "\n"


def in_painting_order(description: Description) -> Mapping[str, int]:
    """By region the value that nnU-Net paints it with."""
    return dict(zip(description.labels.structures, description.order, strict=True)) if description.order else {}


def _truth(description: Description) -> Iterator[str]:
    if description.labels.has_regions:
        yield "# Regions may overlap: a voxel lies in every one that lists its value. The network says so of each by"
        yield "# itself; predictions are written with one value a voxel, the first of those that lie in just these."
        values = {name: _leading(description, each) for name, each in description.labels.structures.items()}
        yield f"regions: {flow(values)}"
    else:
        yield f"classes: {flow({name: each[0] for name, each in description.labels.structures.items()})}"
    if description.labels.ignored is not None:
        yield f"ignore: {description.labels.ignored}   # voxels that are neither learned from nor scored"


def _leading(description: Description, values: tuple[int, ...]) -> int | list[int]:
    """The values of a region, those first that nnU-Net paints with: of equal ones the first is written."""
    painted = description.order
    ordered = sorted(values, key=lambda value: (value not in painted, value))
    return ordered[0] if len(ordered) == 1 else ordered


def _preprocessing(description: Description, grids: Grids) -> Iterator[str]:
    kinds = {name.lower() for name in description.channels}
    steps = [
        *(["  - orient: RAS"] if grids.is_body else []),
        *(
            [f"  - resample: {{spacing: {[*grids.spacing]}}}   # the median of the training cases"]
            if grids.spacing
            else []
        ),
        *_normalised(kinds),
    ]
    yield from ["preprocessing:", *steps] if steps else ["preprocessing: []"]


def _normalised(kinds: set[str]) -> Iterator[str]:
    if kinds <= {"ct"}:
        yield "  # A Hounsfield unit means the same in every scanner: one scale for all cases, of the structures."
        yield "  - cohort_clip: {percentiles: [0.5, 99.5], within: foreground}"
        yield "  - cohort_normalize: {within: foreground}"
    elif kinds <= _TO_ONE:
        yield "  - rescale: {low: 0, high: 1}"
    elif not kinds <= _UNTOUCHED:
        yield "  # Each case by itself: values of magnetic resonance have no unit."
        yield "  - z_normalize: {within: all}"


def _patch(grids: Grids) -> list[int]:
    """The largest multiples of 16 that fit a case, made smaller along the longest side until they fit into memory."""
    axes = grids.dimensions
    sides = [min(_LONGEST[axes], max(_DIVISOR, -(-side // _DIVISOR) * _DIVISOR)) for side in grids.shape]
    while _product(sides) > _MOST_VOXELS[axes]:
        sides[sides.index(max(sides))] -= _DIVISOR
    return sides


def _product(sides: list[int]) -> int:
    product = 1
    for side in sides:
        product *= side
    return product
