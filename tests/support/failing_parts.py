"""An installed package whose parts fail in every way that their kind has: each by the name of a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pytest
import torch
from pydantic import model_validator
from torch import nn

from tests.support.installing import install_package
from wardround.engine.augmentation import Drawn
from wardround.engine.imaging.image import Image
from wardround.engine.metrics import Summary
from wardround.engine.parts import Kind, Parameters, Part
from wardround.engine.parts.networks import NetworkParameters
from wardround.engine.preprocessing import Sample
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters, PlainHalf
from wardround.federation.strategies.protocol import Folded, Sent
from wardround.federation.strategies.sharing import WEIGHTS_ALONE

PACKAGE = "my-parts 0.3.1"


class How(Parameters):
    """In which way it fails."""

    how: str = "well"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.how == "validator":
            raise KeyError("forgotten")
        return self


class NetworkHow(NetworkParameters):
    """In which way it fails."""

    how: str = "well"

    @property
    def reduction(self) -> int:
        """None, or an error."""
        return int(_raise("trouble")) if self.how == "reduction" else 1


class Picky(NetworkParameters):
    """A network that takes patches of one size only."""

    side: Literal[32, 96, 128] = 96


def _raise(word: str) -> Any:
    raise ValueError(f"{word} of the author's own")


class Step:
    """Preprocessing."""

    version: Any = 1

    def __init__(self, parameters: How) -> None:
        self._how = parameters.how
        if self._how == "constructor":
            _raise("trouble")
        if self._how == "version":
            self.version = "1.0"

    def apply(self, sample: Sample) -> Any:
        """Spoil the sample."""
        image, label = sample.image, sample.label
        data = image.data
        if self._how == "in_place":
            data *= 2
            return sample
        spoilt: Mapping[str, Callable[[], Any]] = {
            "well": lambda: sample,
            "raises": lambda: _raise("trouble"),
            "nothing": lambda: None,
            "array": lambda: data,
            "channel": lambda: replace(sample, image=Image(np.concatenate([data, data]), image.geometry)),
            "grid": lambda: replace(sample, image=Image(data[:, :-1], image.geometry)),
            "nan": lambda: replace(sample, image=Image(data * np.float32("nan"), image.geometry)),
            "late": lambda: _raise("trouble") if data.shape[1:] == (24, 28, 20) else sample,
            "no_mask": lambda: replace(sample, label=None),
            "blurred_mask": lambda: replace(sample, label=None if label is None else label * 0.5),
            "new_class": lambda: replace(sample, label=None if label is None else label + 7),
        }
        return spoilt[self._how]()


class Transform:
    """Augmentation."""

    def __init__(self, parameters: How) -> None:
        self._how = parameters.how
        if self._how == "constructor":
            _raise("trouble")

    def draw(self, random: np.random.Generator, dimensions: int) -> Drawn | None:
        """Now and then, as others do."""
        if self._how == "draw":
            _raise("trouble")
        return Drawn() if random.random() < 0.5 else None

    def apply(self, image: torch.Tensor, label: Any, drawn: Any) -> Any:
        """Spoil the batch."""
        if not any(drawn):
            return image, label
        if self._how == "in_place":
            image += 1
        spoilt: Mapping[str, Callable[[], Any]] = {
            "well": lambda: (image, label),
            "in_place": lambda: (image, label),
            "raises": lambda: _raise("trouble"),
            "late": lambda: _raise("trouble") if len(image) == 3 else (image, label),
            "single": lambda: image,
            "shape": lambda: (image[..., :-1], label),
            "type": lambda: (image.double(), label),
            "no_label": lambda: (image, None),
            "nan": lambda: (image * torch.nan, label),
            "random": lambda: (image + torch.rand(1), label),
            "new_class": lambda: (image, label + 9),
        }
        return spoilt[self._how]()


class _Net(nn.Module):
    def __init__(self, how: str, dimensions: int, inputs: int, classes: int) -> None:
        super().__init__()
        convolution = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self._calls = 0
        self._how, self.layer = how, convolution(inputs, classes, 3, padding=1)

    def forward(self, images: torch.Tensor) -> Any:
        """Spoil the outputs."""
        outputs = self.layer(images)
        self._calls += 1
        spoilt: Mapping[str, Callable[[], Any]] = {
            "well": lambda: outputs,
            "raises": lambda: _raise("trouble"),
            "late": lambda: outputs[..., ::2] if self._calls > 6 else outputs,
            "shape": lambda: outputs[..., ::2],
            "classes": lambda: outputs[:, :1],
            "tuple": lambda: (outputs, outputs),
            "nan": lambda: outputs / 0 * 0,
            "detached": lambda: outputs.detach(),
            "random": lambda: outputs + torch.rand(1),
        }
        return spoilt[self._how]()


class _Fixed(nn.Module):
    def __init__(self, side: int, inputs: int, classes: int) -> None:
        super().__init__()
        self._side, self.layer = side, nn.Conv3d(inputs, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Only patches of its size."""
        if images.shape[-1] != self._side:
            _raise(f"a patch of {images.shape[-1]} instead of {self._side}")
        return self.layer(images)


def build_network(parameters: NetworkHow, inputs: int, classes: int) -> Any:
    """A network that fails."""
    if parameters.how == "constructor":
        _raise("trouble")
    if parameters.how == "function":
        return lambda images: images
    return _Net(parameters.how, parameters.dimensions, inputs, classes)


def build_picky(parameters: Picky, inputs: int, classes: int) -> nn.Module:
    """A network for one size of patch."""
    return _Fixed(parameters.side, inputs, classes)


class Loss:
    """Loss."""

    def __init__(self, parameters: How) -> None:
        self._how, self._calls = parameters.how, 0
        if self._how == "constructor":
            _raise("trouble")

    def __call__(self, outputs: torch.Tensor, batch: Any) -> Any:
        """Spoil the losses."""
        each = outputs.float().square().flatten(1).mean(1)
        self._calls += 1
        spoilt: Mapping[str, Callable[[], Any]] = {
            "well": lambda: each,
            "raises": lambda: _raise("trouble"),
            "late": lambda: each.mean() if self._calls > 5 else each,
            "nan": lambda: each * torch.nan,
            "scalar": each.mean,
            "voxels": lambda: outputs.square().sum(1),
            "number": lambda: float(each.mean()),
            "detached": lambda: each.detach(),
            "rounded": lambda: each.round().long(),
            "mixed": lambda: each + each.flip(0),
            "nan_gradient": lambda: (each - each).sqrt(),
        }
        return spoilt[self._how]()


class Metric:
    """Metric of masks and of classifications."""

    name = "bad_metric"

    def __init__(self, parameters: How) -> None:
        self._how = parameters.how
        if self._how == "constructor":
            _raise("trouble")
        if self._how == "name":
            self.name = "another"

    def scores(self, prediction: Any, truth: Any, spacing: Any, class_names: Any) -> Any:
        """Spoil the scores of a mask."""
        if (self._how == "empty" and not truth.any()) or (self._how == "late" and truth.size > 1000):
            _raise("trouble")
        return self._spoilt(0.5)

    def case_scores(self, probabilities: Any, target: int) -> Any:
        """Spoil the scores of a case."""
        return self._spoilt(0.5)

    def summarise(self, probabilities: Any, targets: Any, class_names: Any) -> Any:
        """Spoil the scores of a cohort."""
        return self._spoilt(0.5 if self._how == "summary" else Summary(0.5, len(targets)))

    def _spoilt(self, value: Any) -> Any:
        spoilt: Mapping[str, Callable[[], Any]] = {
            "raises": lambda: _raise("trouble"),
            "number": lambda: value,
            "text": lambda: {self.name: "high"},
            "tensor": lambda: {self.name: torch.tensor([0.5])},
            "nan": lambda: {self.name: float("nan")},
            "key": lambda: {"score": value},
        }
        return spoilt.get(self._how, lambda: {self.name: value})()


class _Late(torch.optim.SGD):
    calls = 0

    def step(self, closure: Any = None) -> None:
        """Fail the third time."""
        self.calls += 1
        if self.calls > 2:
            _raise("trouble")
        super().step()


class _Keeping(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        """Keep what is no tensor."""
        super().step()
        for weight in self.param_groups[0]["params"]:
            self.state[weight]["word"] = "kept"


def build_optimizer(parameters: How, weights: Any) -> Any:
    """An optimiser that fails."""
    if parameters.how == "constructor":
        _raise("trouble")
    if parameters.how == "none":
        return None
    if parameters.how in ("state", "late"):
        return {"state": _Keeping, "late": _Late}[parameters.how](weights, lr=0.1)
    return torch.optim.SGD(weights, lr={"idle": 0.0, "nan": float("inf")}.get(parameters.how, 0.1))


def factor(parameters: How, step: int, total_steps: int) -> Any:
    """A schedule that fails."""
    if parameters.how == "raises" and step == total_steps - 1:
        _raise("trouble")
    if parameters.how == "late" and (step, total_steps) == (2, 7):
        _raise("trouble")
    return {"nan": float("nan"), "negative": -0.1, "text": "much"}.get(parameters.how, 1.0)


UNKEEPABLE: Mapping[str, Any] = {
    "no group": {"momentum": np.zeros(2, np.float32)},
    "doubles": {"kept/momentum": np.zeros(2)},
    "a number": {"kept/rounds": 1.0},
    "a tensor": {"kept/momentum": torch.zeros(2)},
    "no name": {3: np.zeros(2, np.float32)},
    "a list": [np.zeros(2, np.float32)],
}
"""What no half may keep for the next round."""


class Strategy(FedAvg):
    """A strategy that fails, at the aggregator or at a site."""

    def __init__(self, parameters: How) -> None:
        super().__init__(FedAvgParameters())
        self._how = parameters.how
        if self._how == "constructor":
            _raise("trouble")

    @property
    def sharing(self) -> Any:  # type: ignore[override]
        """What it shares."""
        if self._how == "sharing":
            _raise("trouble")
        return {"model"} if self._how == "no_sharing" else WEIGHTS_ALONE

    def at_site(self, incoming: Any, network: Any) -> Any:
        """Its half at a site."""
        if self._how == "at_site":
            _raise("trouble")
        return _Half(self._how)

    def begin(self, base: Any, state: Any, sites: Any) -> Any:
        """Start."""
        if self._how == "begin":
            _raise("trouble")
        return _Fold(self._how, dict(base))


class _Half(PlainHalf):
    def __init__(self, how: str) -> None:
        self._how = how

    def loss_term(self, network: Any) -> Any:
        """Spoil the loss."""
        if self._how == "loss_term":
            _raise("trouble")
        return {"number": 0.5, "vector": torch.ones(2)}.get(self._how)

    def before_update(self, network: Any) -> None:
        """Spoil the gradients."""
        if self._how == "before_update":
            _raise("trouble")

    def after_step(self, network: Any) -> None:
        """Spoil the weights."""
        if self._how == "after_step":
            _raise("trouble")

    def finish(self, network: Any) -> Any:
        """Spoil what is sent."""
        if self._how == "at_the_end":
            _raise("trouble")
        spoilt: Mapping[str, Any] = {
            "list": [],
            "tensor": Sent(shared={"model/weight": torch.ones(1)}),  # type: ignore[dict-item]
            "text": Sent(numbers={"drift": "far"}),  # type: ignore[dict-item]
            **{f"site keeps {how}": Sent(carried=kept) for how, kept in UNKEEPABLE.items()},
        }
        return spoilt.get(self._how, Sent())


class _Fold:
    def __init__(self, how: str, base: dict[str, np.ndarray]) -> None:
        self._how, self._base = how, base

    def add(self, contribution: Any) -> None:
        """Take in."""
        if self._how == "add":
            _raise("trouble")

    def finish(self) -> Any:
        """Spoil the model."""
        if self._how == "finish":
            _raise("trouble")
        if self._how == "dict":
            return self._base
        name = sorted(self._base)[-1]
        changed = {
            "lost": {key: value for key, value in self._base.items() if key != name},
            "type": {**self._base, name: self._base[name].astype(np.float64)},
            "nan": {**self._base, name: self._base[name] * np.float32("nan")},
        }
        return Folded(changed.get(self._how, self._base), UNKEEPABLE.get(self._how.removeprefix("fold keeps "), {}))


def command(how: str = "well") -> None:
    """A command that fails."""
    _raise("trouble")


_HOME = "tests.support.failing_parts"
PARTS = (
    Part(Kind.PREPROCESSING, "bad_step", How, f"{_HOME}:Step"),
    Part(Kind.AUGMENTATION, "bad_transform", How, f"{_HOME}:Transform"),
    Part(Kind.NETWORK, "bad_network", NetworkHow, f"{_HOME}:build_network"),
    Part(Kind.NETWORK, "picky_network", Picky, f"{_HOME}:build_picky"),
    Part(Kind.LOSS, "bad_loss", How, f"{_HOME}:Loss"),
    Part(Kind.LOSS, "gone_loss", How, "no_such_module:Loss"),
    Part(Kind.METRIC, "bad_metric", How, f"{_HOME}:Metric"),
    Part(Kind.OPTIMIZER, "bad_optimizer", How, f"{_HOME}:build_optimizer"),
    Part(Kind.SCHEDULE, "bad_schedule", How, f"{_HOME}:factor"),
    Part(Kind.STRATEGY, "bad_strategy", How, f"{_HOME}:Strategy"),
)
_ENTRIES = f"""\
[wardround.parts]
bad = {_HOME}:PARTS
[wardround.commands]
bad-command = {_HOME}:command
gone-command = no_such_module:command
"""


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the package into this process, as pip would leave it in the folder `site`."""
    install_package(site, monkeypatch, PACKAGE, _ENTRIES)
