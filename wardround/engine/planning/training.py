"""Rules on what a training is like: how images are changed, which way weights go, and what is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wardround.engine.planning.decision import Budget, Decision
from wardround.engine.planning.fingerprint import ClassPrint, Fingerprint

_LONG = (
    "spatial: {rotation: 30, scale: [0.7, 1.4], probability: 0.36}",
    "noise: {std: [0, 0.316], probability: 0.1}",
    "blur: {sigma: [0.5, 1.0], probability: 0.2}",
    "brightness: {factor: [0.75, 1.25], probability: 0.15}",
    "contrast: {factor: [0.75, 1.25], probability: 0.15}",
    "low_resolution: {scale: [0.5, 1.0], probability: 0.25}",
    "gamma: {log_gamma: [-0.36, 0.41], retain: moments, invert: 1, probability: 0.1}",
    "gamma: {log_gamma: [-0.36, 0.41], retain: moments, probability: 0.3}",
)
_SHORT = (
    "spatial: {rotation: 15, scale: [0.85, 1.15], probability: 0.5}",
    "noise: {std: [0, 0.1], probability: 0.15}",
    "brightness: {factor: [0.75, 1.25], probability: 0.15}",
    "gamma: {log_gamma: [-0.3, 0.3], retain: moments, probability: 0.2}",
)
_FAR, _SPREAD, _AS_LARGE = 0.1, 2.0, 1.5
_LEAST_CASES = 3


def changes(budget: Budget) -> Decision[tuple[str, ...]]:
    """How images are changed at random, but for mirror images."""
    if budget.is_long:
        return Decision(_LONG, "The changes of nnU-Net, as often as there")
    return Decision(
        _SHORT, "Milder and fewer changes than nnU-Net's: a short training has not the time to learn from all of them"
    )


def mirrored(print_: Fingerprint) -> Decision[tuple[int, ...]]:
    """The axes that may be mirrored: of a body from left to right alone, unless two structures are each other's image;
    of flat images all."""
    if not print_.is_body:
        axes = tuple(range(print_.dimensions))
        return Decision(axes, "A mirror image is as good as the image; take out axes of which that is not true here")
    pair = next(_mirror_images(print_.classes), None)
    if pair is None:
        return Decision((0,), "Left and right are mirror images, and no two values of the masks tell them apart")
    one, other = (each.value for each in pair)
    reason = f"No mirror images: the values {one} and {other} lie at mirrored places and would change their names"
    return Decision((), reason)


def _mirror_images(classes: Sequence[ClassPrint]) -> Iterator[tuple[ClassPrint, ClassPrint]]:
    """Pairs of structures of about one size that lie as far left of the middle as right of it, in every case."""
    sided = [each for each in classes if _is_sided(each)]
    for index, one in enumerate(sided):
        for other in sided[index + 1 :]:
            is_opposite = abs(one.places.mean + other.places.mean - 1) < _FAR
            sizes = sorted(each.voxels / each.cases for each in (one, other))
            if is_opposite and sizes[1] <= _AS_LARGE * sizes[0]:
                yield one, other


def _is_sided(each: ClassPrint) -> bool:
    off = abs(each.places.mean - 0.5)
    return each.cases >= _LEAST_CASES and off > max(_FAR / 2, _SPREAD * each.places.deviation / 2)


def optimizer(budget: Budget, *, rate: float) -> Decision[str]:
    """Optimizer and schedule, as the entries of `training`. `rate` is AdamW's."""
    if budget.is_long:
        entries = "optimizer: {name: sgd, learning_rate: 0.01, momentum: 0.99, nesterov: true, weight_decay: 3e-5}, "
        return Decision(f"{entries}schedule: poly, gradient_clip: 12", "As in nnU-Net, for a long training")
    steps = f"{budget.steps:,} steps"
    reason = f"AdamW, which needs no long run: there are {steps}; from 20,000 on `plan` takes nnU-Net's SGD"
    return Decision(f"optimizer: {{name: adamw, learning_rate: {rate:g}}}, schedule: cosine", reason)


def network(budget: Budget) -> Decision[str]:
    """Which kind of U-Net."""
    if budget.is_long:
        return Decision("unet", "The plain U-Net of nnU-Net")
    reason = "Residual, with one convolution on the way up: a step takes about half of what one of a plain U-Net does"
    return Decision("resunet", reason)


def length(budget: Budget) -> Decision[int]:
    """Steps of a training."""
    if budget.is_long:
        return Decision(budget.steps, "nnU-Net trains 250,000 steps")
    return Decision(
        budget.steps,
        "Enough to see what can be had, on a machine without accelerator; with one write 20,000 and more, and plan "
        "again with `--steps` (nnU-Net trains 250,000)",
    )


def folds(cases: int) -> Decision[tuple[int, int]]:
    """Five outer and five inner folds, or as many as there are cases for."""
    outer = max(2, min(5, cases))
    inner = max(2, min(5, cases - -(-cases // outer)))
    return Decision((outer, inner), f"{cases} cases")
