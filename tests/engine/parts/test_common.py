"""Every row, of whatever package, is held against what all of its kind must hold, as scikit-learn checks estimators."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import BeforeValidator, ConfigDict, Field

from tests.support import answering_parts, failing_parts, misanswering_parts
from tests.support.installing import forget
from wardround.engine.parts import STUDY_KINDS, Kind, Parameters, Part, Registry, builtin_and_plugins
from wardround.engine.trial import check_part

PARTS = builtin_and_plugins().parts(*STUDY_KINDS)
LEAST = {
    Kind.PREPROCESSING: 8,
    Kind.AUGMENTATION: 4,
    Kind.NETWORK: 3,
    Kind.LOSS: 2,
    Kind.METRIC: 5,
    Kind.OPTIMIZER: 2,
    Kind.SCHEDULE: 2,
    Kind.POSTPROCESSING: 6,
    Kind.TASK: 2,
}
"""Rows of each kind that there were when this was written."""


def test_the_checks_see_rows_of_every_kind() -> None:
    seen = Counter(part.kind for part in PARTS)
    assert seen.keys() == LEAST.keys() == {*STUDY_KINDS}
    assert all(seen[kind] >= least for kind, least in LEAST.items()), seen


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}-{part.name}")
def test_every_row_holds_what_its_kind_must(part: Part) -> None:
    assert [problem.render() for problem in check_part(part)] == []


def test_no_row_loads_torch_before_its_implementation_is_used() -> None:
    script = (
        "import sys; from wardround.engine.parts import builtin_and_plugins as b\n"
        "rows = b().parts(); [row.parameters.model_json_schema() for row in rows]\n"
        "assert len(rows) > 20 and 'torch' not in sys.modules\n"
        "rows[-1].load(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True", "the last row, a task, needs it"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both test packages."""
    failing_parts.install(tmp_path / "failing", monkeypatch)
    answering_parts.install(tmp_path / "answering", monkeypatch)
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("installed")
def test_the_parts_of_an_installed_package_are_held_against_the_same() -> None:
    foreign = [part for part in builtin_and_plugins().parts(*STUDY_KINDS) if part.package == answering_parts.PACKAGE]
    assert [part.name for part in foreign] == ["mirror", "balanced", "fifths", "halve"]
    assert [problem.render() for part in foreign for problem in check_part(part)] == []


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test package whose parts answer what they may not."""
    misanswering_parts.install(tmp_path / "odd", monkeypatch)
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("truth", misanswering_parts.TRUTHS)
def test_a_task_whose_kind_of_truth_is_not_what_it_says_is_told(truth: str) -> None:
    told = [problem.render() for problem in check_part(builtin_and_plugins().find(Kind.TASK, f"odd_{truth}"))]
    if truth in ("value", "value_number", "table_flaws", "table_flaws_flaw", "contents"):
        return  # what only the cells of a table show; `check` tells it of theirs
    assert told
    assert all(misanswering_parts.PACKAGE in each for each in told)


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(("name", "works"), [("flat_network", True), ("deep_network", True), ("wrong_network", False)])
def test_a_network_that_is_told_nothing_may_be_of_flat_images_or_of_volumes(name: str, works: bool) -> None:
    assert bool(check_part(builtin_and_plugins().find(Kind.NETWORK, name))) is not works


HARMFUL: Mapping[str, tuple[str, str]] = {
    "bad_step": ("in_place", "changed in place"),
    "bad_transform": ("random", "another image for the same draws"),
    "bad_network": ("detached", "outputs without a gradient"),
    "bad_loss": ("mixed", "for a sample beside another one"),
    "bad_metric": ("nan", "bad_metric = nan"),
    "bad_optimizer": ("idle", "weights as they were before its step"),
    "bad_schedule": ("negative", "-0.1"),
}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", HARMFUL)
def test_a_part_that_does_harm_is_told_of_its_package(name: str) -> None:
    how, said = HARMFUL[name]
    part = next(part for part in builtin_and_plugins().parts() if part.name == name)
    assert check_part(part) == ()
    fields = {"__doc__": "Fails by default.", "__annotations__": {"how": str}, "how": how, "__module__": __name__}
    harmful = type("Harmful", (part.parameters,), fields)
    told = _checked_as(part, replace(part, parameters=harmful))
    assert said in told
    assert failing_parts.PACKAGE in told


def _checked_as(part: Part, changed: Part) -> str:
    """What is said of a row in the place of another."""
    made = Registry([*(each for each in builtin_and_plugins().parts() if each != part), changed])
    with pytest.MonkeyPatch.context() as patch:
        for module in [module for name, module in sys.modules.items() if name.startswith("wardround.")]:
            if hasattr(module, "builtin_and_plugins"):
                patch.setattr(module, "builtin_and_plugins", lambda: made)
        return "\n".join(problem.render() for problem in check_part(changed))


def test_a_metric_that_counts_the_wrong_way_is_told() -> None:
    dice = builtin_and_plugins().find(Kind.METRIC, "dice")
    assert "for the truth itself" in _checked_as(dice, replace(dice, higher_is_better=False))


class Wordless(Parameters):
    amount: float = 1.0


class Misnamed(Parameters):
    """Its shorthand is no field."""

    shorthand: ClassVar[str | None] = "amuont"
    amount: float = 1.0


class Open(Parameters):
    """Takes any key."""

    model_config = ConfigDict(extra="ignore")
    amount: float = 1.0


class Endless(Parameters):
    """Takes what is no number."""

    model_config = ConfigDict(allow_inf_nan=True)
    amount: float = 1.0


class Clamping(Parameters):
    """Says that it is bounded, and takes everything."""

    amount: Annotated[float, Field(le=1), BeforeValidator(lambda value: min(float(value), 1.0))] = 0.5


class Forgetful(Parameters):
    """Reads back something else than it wrote."""

    amount: Annotated[float, BeforeValidator(lambda value: value / 2)] = Field(default=1.0, validate_default=True)


class Riddle(Parameters):
    """Needs a value that nobody can guess."""

    word: Annotated[str, Field(pattern="^xyzzy$")]


class Sound(Parameters):
    """Holds."""


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (Wordless, "without a docstring"),
        (Misnamed, "the shorthand 'amuont'"),
        (Open, "take any key"),
        (Endless, "amount: nan taken"),
        (Clamping, "amount: 2.0 taken"),
        (Forgetful, "from JSON"),
        (Riddle, "without a default or a fitting example"),
    ],
)
def test_a_row_that_does_not_hold_is_told_with_what_is_expected(parameters: type[Parameters], said: str) -> None:
    row = Part(Kind.STRATEGY, "trial", parameters, "wardround.engine.training.schedules:constant_factor")
    (problem,) = check_part(row)
    assert said in problem.got
    assert problem.expected
    assert check_part(replace(row, parameters=Sound)) == ()


@pytest.mark.parametrize(("where", "said"), [("math:pi", "a float as its implementation"), ("math:gone", "gone")])
def test_an_implementation_that_cannot_be_called_is_told(where: str, said: str) -> None:
    (problem,) = check_part(Part(Kind.STRATEGY, "trial", Sound, where))
    assert said in problem.got
