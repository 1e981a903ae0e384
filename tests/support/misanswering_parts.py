"""An installed package whose parts and kinds of truth answer what they may not: each in one way, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from tests.support.installing import install_package
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts import Kind, Parameters, Part
from wardround.engine.parts.augmentation import TransformParameters
from wardround.engine.parts.networks import NetworkParameters
from wardround.engine.parts.preprocessing import Grid, StepParameters
from wardround.engine.targets import Form
from wardround.engine.targets.numbers import Numbers

PACKAGE = "odd-parts 2.0"
FLAWS: Mapping[str, Any] = {
    "none": None,
    "text": ["abc"],
    "what": [Flaw(("inputs",), 5)],  # type: ignore[arg-type]
    "location": [Flaw("inputs", "what")],  # type: ignore[arg-type]
    "nowhere": [Flaw(("inputs", 3.5), "what")],  # type: ignore[arg-type]
}
GRIDS: Mapping[str, Any] = {
    "tuple": (1, 2),
    "negative": Grid((-4, -4), (1.0, 1.0)),
    "one": Grid((4,), (1.0,)),
    "half": Grid((4.5, 4.5), (1.0, 1.0)),  # type: ignore[arg-type]
    "nan": Grid((28, 28), (float("nan"), 1.0)),
    "huge": Grid((10**9, 10**9), (1.0, 1.0)),
    "text": Grid(("a", "b"), (1.0, 1.0)),  # type: ignore[arg-type]
}
ANSWERS: Mapping[str, Any] = {
    "orientation": "XYZ",
    "target_spacing": (-1.0, -1.0),
    "long_spacing": (1.0,) * 5,
    "window": (5.0, 1.0),
    "long_window": (1, 2, 3),
    "needs_contrast": "sometimes",
    "rescales": "yes",
}


class OddStep(StepParameters):
    """A step that does nothing and answers wrongly: with flaws, with a grid, or with something else."""

    flawed: str = ""
    grid: str = ""
    answer: str = ""

    def flaws(self, setting: Any) -> Any:
        """No flaws."""
        return FLAWS[self.flawed] if self.flawed else ()

    def grid_after(self, grid: Grid) -> Any:
        """No grid."""
        return GRIDS.get(self.grid, grid)

    def _answer(self, name: str, otherwise: Any) -> Any:
        return ANSWERS[self.answer] if self.answer in (name, f"long_{name.rpartition('_')[2]}") else otherwise

    @property
    def orientation(self) -> Any:
        """No directions."""
        return self._answer("orientation", "")

    @property
    def target_spacing(self) -> Any:
        """No spacing."""
        return self._answer("target_spacing", None)

    @property
    def window(self) -> Any:
        """No window."""
        return self._answer("window", None)

    @property
    def needs_contrast(self) -> Any:
        """No kind of contrast."""
        return self._answer("needs_contrast", None)

    @property
    def rescales(self) -> Any:
        """Neither."""
        return self._answer("rescales", False)


class OddTransform(TransformParameters):
    """A transform that answers with axes that are none."""

    how: str = "far"

    def mirrored_axes(self, dimensions: int) -> Any:
        """No axes."""
        return {"number": 3, "none": None, "far": (7,), "text": ("a",), "list": [0]}[self.how]


class OddNetwork(NetworkParameters):
    """A network that answers with a divisor that is none."""

    how: str = "zero"

    @property
    def divisor(self) -> Any:
        """No divisor."""
        return {"zero": 0, "text": "a", "negative": -2, "half": 1.5, "none": None}[self.how]


class Odd(Parameters):
    """A task whose kind of truth answers wrongly."""


class StepOfNothing:
    """Leaves a case as it is."""

    version = 1

    def __init__(self, parameters: OddStep) -> None:
        pass

    def apply(self, sample: Any) -> Any:
        """The same."""
        return sample


def build(parameters: OddNetwork, inputs: int, outputs: int) -> nn.Module:
    """A small network for flat images."""
    return nn.Sequential(nn.Conv2d(inputs, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs))


class Flat(Parameters):
    """A network of flat images alone, which is told nothing."""


class Deep(Parameters):
    """A network of volumes alone, which is told nothing."""


class Wrong(Parameters):
    """A network of neither."""


def build_flat(parameters: Flat, inputs: int, outputs: int) -> nn.Module:
    """A layer."""
    return nn.Conv2d(inputs, outputs, 1)


def build_deep(parameters: Deep, inputs: int, outputs: int) -> nn.Module:
    """A layer."""
    return nn.Conv3d(inputs, outputs, 1)


def build_wrong(parameters: Wrong, inputs: int, outputs: int) -> nn.Module:
    """A layer."""
    return nn.Conv1d(inputs, outputs, 1)


def _raise(*arguments: Any, **named: Any) -> Any:
    raise KeyError("trouble of the author's own")


def _made(**members: Any) -> Numbers:
    made: Numbers = type("Odd", (Numbers,), members)()
    return made


NUMBER, CLASS, ACTIVATION = 5, Numbers, _made(activation="foo")
TRUTHS: dict[str, Any] = {
    "number": NUMBER,
    "class": CLASS,
    "activation": ACTIVATION,
    "value_number": _made(value=lambda target, study, cells: 5),
    "outputs_none": _made(outputs=lambda target, study: None),
    "outputs_empty": _made(outputs=lambda target, study: ()),
    "flaws_text": _made(flaws=lambda target, study: ["abc"]),
    "columns_names": _made(columns=lambda target, study: ("ValueToPredict",)),
    "strata_number": _made(strata=lambda target, values: 5),
    "table_flaws_flaw": _made(table_flaws=lambda target, study, values: [Flaw((), "what")]),
    **{
        name: _made(**{name: _raise})
        for name in ("flaws", "classes", "outputs", "columns", "value", "strata", "table_flaws", "contents")
    },
    **{name: _made(**{name: _raise}) for name in ("described", "numbers_to_scale", "header", "forms")},
    "header_twice": _made(header=lambda target, study: ("Prediction", "Prediction")),
    "row_short": _made(row=lambda target, study, vector: ()),
    "row_rounded": _made(row=lambda target, study, vector: tuple(f"{value:.1f}" for value in vector)),
    "needed_more": _made(needed=lambda target, study: ("Prediction", "Certainty")),
    "forms_single": _made(forms=lambda target, study: {"numbers": Form("float32", (1,))}),
    "forms_wide": _made(forms=lambda target, study: {"numbers": Form("float64", (2,))}),
    "scale_more": _made(numbers_to_scale=lambda target, study: 7),
    "strata_few": _made(strata=lambda target, values: [""]),
}
globals().update({f"TRUTH_{name}": truth for name, truth in TRUTHS.items()})
_HOME = "tests.support.misanswering_parts"
_TASK = "wardround.engine.tasks.regression:RegressionTask"
PARTS = (
    Part(Kind.PREPROCESSING, "odd_step", OddStep, f"{_HOME}:StepOfNothing"),
    Part(Kind.AUGMENTATION, "odd_transform", OddTransform, f"{_HOME}:StepOfNothing"),
    Part(Kind.NETWORK, "odd_network", OddNetwork, f"{_HOME}:build"),
    Part(Kind.NETWORK, "flat_network", Flat, f"{_HOME}:build_flat"),
    Part(Kind.NETWORK, "deep_network", Deep, f"{_HOME}:build_deep"),
    Part(Kind.NETWORK, "wrong_network", Wrong, f"{_HOME}:build_wrong"),
    *(
        Part(Kind.TASK, f"odd_{name}", Odd, _TASK, frozenset({"regression"}), truth=f"{_HOME}:TRUTH_{name}")
        for name in TRUTHS
    ),
)


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the package into this process, as pip would leave it in the folder `site`."""
    install_package(site, monkeypatch, PACKAGE, f"[wardround.parts]\nodd = {_HOME}:PARTS\n")
