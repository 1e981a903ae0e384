"""The plan of a segmentation, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator

from wardround.engine.basics.flaws import flow
from wardround.engine.planning.decision import Budget, Decision
from wardround.engine.planning.fingerprint import Fingerprint
from wardround.engine.planning.grids import Patching, batch_size, feature_maps, patching, target_spacing
from wardround.engine.planning.intensities import normalised
from wardround.engine.planning.memory import MOST_FILTERS
from wardround.engine.planning.training import changes, folds, length, mirrored, network, optimizer
from wardround.engine.planning.wording import Entry

_RATE = 2e-3
_SMALL, _OFTEN, _SELDOM = 0.02, 0.5, 0.33


def segmentation_entries(
    print_: Fingerprint, inputs: tuple[str, ...], tomography: tuple[bool, ...], budget: Budget
) -> Iterator[Entry]:
    """From preprocessing to the end of a study."""
    spacing, filters = target_spacing(print_), feature_maps(budget)
    shape = print_.shape(spacing.value)
    found = patching(shape, spacing.value, filters.value, budget)
    batch = batch_size(print_, shape, found.value, filters.value, budget)
    yield Entry("preprocessing", ("preprocessing:",))
    yield from grid_steps(print_, spacing.value, spacing.reason)
    for each in normalised(print_, inputs, tomography):
        yield Entry("normalisation", tuple(f"  - {step}" for step in each.value), each.reason)
    yield from augmentation(print_, budget)
    yield _patches(print_, found.value, found.reason)
    yield _model(print_, found.value, filters, network(budget))
    yield from _training(budget, batch.value, batch.reason)
    yield from _validation(print_, bool(mirrored(print_).value))


def grid_steps(print_: Fingerprint, spacing: tuple[float, ...], reason: str) -> Iterator[Entry]:
    """Orientation and spacing, where files tell them."""
    if print_.is_body:
        yield Entry("orientation", ("  - orient: RAS",), "All files say how they lie in the body")
        yield Entry("spacing", (f"  - resample: {{spacing: {flow(list(spacing))}}}",), reason)


def augmentation(print_: Fingerprint, budget: Budget) -> Iterator[Entry]:
    """Random changes, with mirror images where they may be."""
    how, axes = changes(budget), mirrored(print_)
    yield Entry("augmentation", ("augmentation:",))
    flip = (f"  - flip: {{axes: {flow(list(axes.value))}, probability: 0.5}}",) if axes.value else ()
    first, *others = (f"  - {each}" for each in how.value)
    if flip:
        yield Entry("mirror images", flip, axes.reason)
        yield Entry("changes", (first, *others), how.reason)
    else:
        yield Entry("changes", (first, *others), f"{axes.reason}. {how.reason}")


def _patches(print_: Fingerprint, found: Patching, reason: str) -> Entry:
    is_small = print_.foreground < _SMALL
    share = _OFTEN if is_small else _SELDOM
    often = "Half" if is_small else "A third"
    line = f"patches: {{size: {flow(list(found.patch))}, per_case: 2, foreground: {share:g}}}"
    return Entry(
        "patches",
        (line,),
        f"{reason}. {often} of the patches lie about a structure: these fill {print_.foreground:.2%} of all voxels",
    )


def _model(print_: Fingerprint, found: Patching, filters: Decision[int], kind: Decision[str]) -> Entry:
    topology = found.topology
    uneven = (
        ""
        if topology.is_even
        else (
            f", strides: {flow([list(each) for each in topology.strides])}, "
            f"kernels: {flow([list(each) for each in topology.kernels])}"
        )
    )
    supervised = ", deep_supervision: true" if topology.levels > 2 else ""
    line = (
        f"model: {{name: {kind.value}, dimensions: {print_.dimensions}, filters: {filters.value}, "
        f"levels: {topology.levels}, "
        f"most_filters: {MOST_FILTERS[print_.dimensions]}{uneven}{supervised}, norm: instance}}"
    )
    return Entry("model", (line,), f"{kind.reason}. Halved until sides of about 4 voxels are left; {filters.reason}")


def _training(budget: Budget, batch: int, reason: str) -> Iterator[Entry]:
    how, steps = optimizer(budget, rate=_RATE), length(budget)
    line = f"training: {{loss: dice_ce, {how.value}, steps: {steps.value}, batch_size: {batch}}}"
    yield Entry("training", (line,), f"Batch: {_small(reason)}. Optimizer: {how.reason}. Steps: {_small(steps.reason)}")


def _validation(print_: Fingerprint, is_mirrored: bool) -> Iterator[Entry]:
    outer, inner = folds(print_.cases).value
    metrics = "dice, hd95, nsd" if print_.is_body else "dice"
    yield Entry(
        "validation",
        (f"validation: {{outer_folds: {outer}, inner_folds: {inner}, metrics: [{metrics}], select: dice}}",),
    )
    mirror = ", mirror: true" if is_mirrored else ""
    why = "Mirrored along the axes that training mirrors: more exact, and twice the time for each" if mirror else ""
    yield Entry("inference", (f"inference: {{overlap: 0.5, blend: gaussian{mirror}}}",), why)


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
