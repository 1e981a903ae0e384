"""The default 3D augmentation of nnU-Net on patches of image and label: ours against TorchIO, MONAI, batchgeneratorsv2.

Each sample undergoes the same transforms in every library, drawn beforehand with nnU-Net's probabilities: rotation and
scaling with or without elastic deformation, noise, blur, brightness, contrast, low resolution, gamma, and flips. What a
transform does is drawn by each library from the same ranges. They take turns on the same samples, with one thread each;
counted is processor time, which other work on the machine disturbs least. A ratio is the median of the ratios within
each turn, how many times as long as ours another one takes.

TorchIO has no brightness and no contrast, which are single operations of torch there, and takes resolution away along
one axis alone, where the others do so along all. MONAI deforms and rotates in one resampling, as ours does.

batchgeneratorsv2 is measured where it is installed.

    python -m benchmarks.augmentation --json augmentation.json
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from SimpleITK import ProcessObject
from torch import Tensor

from benchmarks.goals import Goal, verdict
from wardround.engine.augmentation import Augmentation
from wardround.engine.basics.progress import progress
from wardround.engine.sampling import Batch, SampleKey
from wardround.engine.study import Study
from wardround.engine.training import this_machine

OURS, TORCHIO, MONAI, BATCHGENERATORS = "wardround", "TorchIO", "MONAI", "batchgeneratorsv2"
PROBABILITIES: Mapping[str, float] = {
    "spatial": 0.36,  # of a rotation or a scaling, which nnU-Net draws with 0.2 each
    "noise": 0.1,
    "blur": 0.2,
    "brightness": 0.15,
    "contrast": 0.15,
    "low_resolution": 0.25,
    "gamma": 0.3,
    "flip": 0.5,
}
GOALS: Mapping[tuple[str, bool], float] = {
    (TORCHIO, False): 5.0,
    (TORCHIO, True): 5.0,
    (MONAI, False): 1.5,
    (MONAI, True): 3.0,
    (BATCHGENERATORS, False): 1.2,
    (BATCHGENERATORS, True): 1.2,
}
"""How many times as long as ours they should take, by whether content is deformed."""
ANGLE, SCALE = 30.0, (0.7, 1.4)

Sample = tuple[Tensor, Tensor]
"""float32 image and uint8 label, each (1, x, y, z)."""
Augment = Callable[[Sample, frozenset[str]], Sample]
"""What a library makes of a sample by the transforms of these names."""


@dataclass(frozen=True)
class Result:
    """A library, with or without elastic deformation.

    Attributes:
        name: of the library.
        elastic: whether content was deformed.
        seconds: of a processor for a sample, median over the turns.
        ratio: how many times as long as ours it took, median over the turns.
    """

    name: str
    elastic: bool
    seconds: float
    ratio: float


def samples_of(side: int, count: int) -> list[Sample]:
    """Smooth noise with two classes."""
    made = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        coarse = torch.randn((1, 1, *(max(2, side // 8),) * 3), generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, size=(side,) * 3, mode="trilinear")[0]
        image = smooth + 0.2 * torch.randn(smooth.shape, generator=generator)
        made.append((image, (smooth > 0.5).to(torch.uint8) + (smooth > 1).to(torch.uint8)))
    return made


def chosen(count: int) -> list[frozenset[str]]:
    """Which transforms each sample undergoes."""
    random = np.random.default_rng(0)
    return [frozenset(n for n, p in PROBABILITIES.items() if random.random() < p) for _ in range(count)]


def study(side: int, elastic: bool) -> Study:
    """A segmentation with every transform of the pipeline, each of which is certain."""
    moves = {"rotation": ANGLE, "scale": SCALE, "elastic": 2.0 * elastic, "control_spacing": max(2, side // 8)}
    certain: dict[str, dict[str, Any]] = {
        "spatial": moves,
        "noise": {"std": (0.0, 0.1)},
        "blur": {"sigma": (0.5, 1.0)},
        "brightness": {"factor": (0.75, 1.25)},
        "contrast": {"factor": (0.75, 1.25)},
        "low_resolution": {"scale": (0.5, 1.0)},
        "gamma": {"log_gamma": (-0.36, 0.41), "retain": "moments"},
        "flip": {},
    }
    content = {
        "schema": 1,
        "study": "augmentation",
        "task": "segmentation",
        "inputs": ("image",),
        "classes": {"one": 1, "two": 2},
        "augmentation": tuple({name: {**values, "probability": 1.0}} for name, values in certain.items()),
        "patches": {"size": (side,) * 3},
        "model": {"name": "unet", "dimensions": 3, "levels": 2},
        "training": {"loss": "dice_ce"},
        "validation": {"metrics": ("dice",), "select": "dice"},
    }
    return Study.model_validate(content)


def ours(side: int, elastic: bool) -> Augment:
    """Wardround: one batch of one sample."""
    augmentation, numbers = Augmentation(study(side, elastic)), iter(range(10**9))

    def augment(sample: Sample, names: frozenset[str]) -> Sample:
        batch = Batch((SampleKey("0" * 64, next(numbers)),), sample[0][None], {"mask": sample[1]})
        drawn = augmentation.draw(batch.keys)
        kept = tuple(each if name in names else (None,) for name, each in zip(PROBABILITIES, drawn, strict=True))
        after = augmentation.apply(batch, kept)
        return after.image[0], after.truth["mask"]

    return augment


def torchio(side: int, elastic: bool) -> Augment:
    """TorchIO: subjects."""
    import torchio as tio

    def scaled(image: Tensor) -> Tensor:
        return image * float(torch.empty(()).uniform_(0.75, 1.25))

    def stretched(image: Tensor) -> Tensor:
        mean, low, high = image.mean(), image.min(), image.max()
        return ((image - mean) * float(torch.empty(()).uniform_(0.75, 1.25)) + mean).clamp(low, high)

    deform = [tio.RandomElasticDeformation(num_control_points=8, max_displacement=side / 20)] if elastic else []
    steps: dict[str, Any] = {
        "spatial": tio.Compose([tio.RandomAffine(scales=SCALE, degrees=ANGLE, isotropic=True), *deform]),
        "noise": tio.RandomNoise(std=(0, 0.1)),
        "blur": tio.RandomBlur(std=(0.5, 1)),
        "brightness": tio.Lambda(scaled, types_to_apply=[tio.INTENSITY]),
        "contrast": tio.Lambda(stretched, types_to_apply=[tio.INTENSITY]),
        "low_resolution": tio.RandomAnisotropy(downsampling=(1, 2)),
        "gamma": tio.RandomGamma(log_gamma=(-0.36, 0.41)),
        "flip": tio.RandomFlip(axes=(0, 1, 2), flip_probability=1),
    }

    def augment(sample: Sample, names: frozenset[str]) -> Sample:
        subject = tio.Subject(image=tio.ScalarImage(tensor=sample[0]), label=tio.LabelMap(tensor=sample[1]))
        after = tio.Compose([step for name, step in steps.items() if name in names])(subject)
        return after["image"].data, after["label"].data

    return augment


def monai(side: int, elastic: bool) -> Augment:
    """MONAI: dictionaries of plain tensors."""
    from monai.data.meta_obj import set_track_meta
    from monai.transforms import (
        Compose,
        Rand3DElasticd,
        RandAdjustContrastd,
        RandAffined,
        RandFlipd,
        RandGaussianNoised,
        RandGaussianSmoothd,
        RandScaleIntensityd,
        RandScaleIntensityFixedMeand,
        RandSimulateLowResolutiond,
    )

    set_track_meta(False)  # which would only slow it down
    both, turn = ["image", "label"], (np.radians(ANGLE),) * 3
    moves = {"rotate_range": turn, "scale_range": ((-0.3, 0.4),) * 3, "mode": ("bilinear", "nearest")}
    moves |= {"prob": 1, "padding_mode": "zeros"}
    blurs = {f"sigma_{axis}": (0.5, 1.0) for axis in "xyz"}
    spatial = Rand3DElasticd(both, (5, 7), (50, 150), **moves) if elastic else RandAffined(both, **moves)
    steps: dict[str, Any] = {
        "spatial": spatial,
        "noise": RandGaussianNoised(["image"], prob=1, std=0.1),
        "blur": RandGaussianSmoothd(["image"], prob=1, **blurs),
        "brightness": RandScaleIntensityd(["image"], factors=0.25, prob=1),
        "contrast": RandScaleIntensityFixedMeand(["image"], factors=0.25, preserve_range=True, prob=1),
        "low_resolution": RandSimulateLowResolutiond(["image"], prob=1, zoom_range=(0.5, 1.0)),
        "gamma": RandAdjustContrastd(["image"], prob=1, gamma=(0.7, 1.5), retain_stats=True),
        "flip": Compose([RandFlipd(both, prob=1, spatial_axis=axis) for axis in range(3)]),
    }

    def augment(sample: Sample, names: frozenset[str]) -> Sample:
        after: Any = {"image": sample[0], "label": sample[1]}
        for name, step in steps.items():
            if name in names:
                after = step(after)
        return after["image"], after["label"]

    return augment


def batchgenerators(side: int, elastic: bool) -> Augment:
    """batchgeneratorsv2, as nnU-Net v2 uses it."""
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

    turn, alike = np.radians(ANGLE), {"synchronize_channels": True, "p_per_channel": 1}
    stretch = {"p_scaling": 1, "scaling": SCALE, "p_synchronize_scaling_across_axes": 1}
    deform = {"p_elastic_deform": 1, "elastic_deform_scale": (0.1, 0.2), "elastic_deform_magnitude": (0.05, 0.1)}
    spatial = {"p_rotation": 1, "rotation": (-turn, turn), **stretch, **(deform if elastic else {})}
    factors = BGContrast((0.75, 1.25))
    # `benchmark` has it measure once whether a convolution or a Fourier transform blurs faster, as nnU-Net does.
    blur = GaussianBlurTransform((0.5, 1.0), synchronize_axes=False, benchmark=True, **alike)
    few: Any = {"synchronize_axes": True, "ignore_axes": (), "allowed_channels": None}
    steps: dict[str, Any] = {
        "spatial": SpatialTransform((side,) * 3, 0, random_crop=False, mode_seg="nearest", **spatial),
        "noise": GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True),
        "blur": blur,
        "brightness": MultiplicativeBrightnessTransform(factors, **alike),
        "contrast": ContrastTransform(factors, preserve_range=True, **alike),
        "low_resolution": SimulateLowResolutionTransform((0.5, 1), **few, **alike),
        "gamma": GammaTransform(BGContrast((0.7, 1.5)), p_invert_image=0, p_retain_stats=1, **alike),
        "flip": MirrorTransform((0, 1, 2)),
    }

    def augment(sample: Sample, names: frozenset[str]) -> Sample:
        after = {"image": sample[0].clone(), "segmentation": sample[1].to(torch.int16)}  # it works in place
        for name, step in steps.items():
            if name in names:
                after = step(**after)
        return after["image"], after["segmentation"]

    return augment


def libraries(side: int, elastic: bool) -> dict[str, Augment]:
    """Those that are installed, ours first."""
    found = {OURS: ours(side, elastic), TORCHIO: torchio(side, elastic), MONAI: monai(side, elastic)}
    if find_spec("batchgeneratorsv2") is None:
        print(f"{BATCHGENERATORS} is not installed, and was not measured")
        return found
    return {**found, BATCHGENERATORS: batchgenerators(side, elastic)}


def measure(augments: Mapping[str, Augment], samples: Sequence[Sample], turns: int) -> dict[str, list[float]]:
    """Seconds of a processor that each library takes for a sample, turn by turn, forwards and backwards. A first turn
    of two samples warms up."""
    names, seconds = chosen(len(samples)), {name: list[float]() for name in augments}
    with progress("Measuring", (turns + 1) * len(augments)) as shown:
        for turn in range(turns + 1):
            for place, name in enumerate([*augments][:: 1 if turn % 2 else -1]):
                began = time.process_time()
                for sample, which in [*zip(samples, names, strict=True)][: None if turn else 2]:
                    augments[name](sample, which)
                if turn:
                    seconds[name].append((time.process_time() - began) / len(samples))
                shown.advance(turn * len(augments) + place + 1, name)
    return seconds


def compared(seconds: Mapping[str, Sequence[float]], elastic: bool) -> list[Result]:
    """Medians, and ratios to ours within each turn."""
    return [
        Result(
            name,
            elastic,
            statistics.median(each),
            statistics.median(theirs / mine for theirs, mine in zip(each, seconds[OURS], strict=True)),
        )
        for name, each in seconds.items()
    ]


def goals(results: Sequence[Result]) -> list[Goal]:
    """What each other library should take, in times ours."""
    words = {False: "without elastic deformation", True: "with elastic deformation"}
    return [
        Goal(f"{each.name} {words[each.elastic]}, times ours,", each.ratio, least=GOALS[each.name, each.elastic])
        for each in results
        if each.name != OURS
    ]


def main() -> int:
    """Print the table, and write it as JSON where asked; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # by which TorchIO resamples
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    results, samples = [], samples_of(arguments.side, arguments.samples)
    for elastic in (False, True):
        seconds = measure(libraries(arguments.side, elastic), samples, arguments.turns)
        results.extend(compared(seconds, elastic))
    machine = this_machine(torch.device("cpu"), "fp32")
    print(f"{machine.processor}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, torch {machine.torch}")
    print(f"{'':<20}{'elastic':>8}{'ms a sample':>14}{'times ours':>12}{'goal':>7}")
    for each in results:
        goal = GOALS.get((each.name, each.elastic), 1.0)
        elastic = "yes" if each.elastic else "no"
        print(f"{each.name:<20}{elastic:>8}{1000 * each.seconds:>14.0f}{each.ratio:>12.2f}{goal:>7.1f}")
    if arguments.json:
        content = {"machine": machine.model_dump(), "results": [asdict(each) for each in results]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return verdict(goals(results))


if __name__ == "__main__":
    raise SystemExit(main())
