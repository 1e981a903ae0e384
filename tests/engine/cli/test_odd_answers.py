"""What a package's parts answer is theirs to answer for: `check` names the package, and ends in no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.experiments.test_regression import glow_cohort, glow_study
from tests.support import misanswering_parts
from tests.support.commands import run_wardround
from tests.support.installing import forget
from tests.support.misanswering_parts import ANSWERS, FLAWS, GRIDS, PACKAGE, TRUTHS
from tests.support.studies import write_study


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package whose parts answer wrongly, installed for one test."""
    misanswering_parts.install(tmp_path / "site-packages", monkeypatch)
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table for a regression."""
    return glow_cohort(tmp_path_factory.mktemp("glow") / "data")


def _checked(folder: Path, manifest: Path, **sections: Any) -> str:
    """What `check` says of a regression with these sections, which it has to refuse."""
    content = glow_study().model_dump(mode="json", by_alias=True, exclude={"classes"})
    path = write_study(folder / "study.yaml", content | sections)
    outcome = run_wardround("check", path, "--manifest", manifest)
    assert outcome.code == 2, outcome.out
    assert "Traceback" not in outcome.err
    assert f"of the package {PACKAGE}" in " ".join(outcome.err.split())
    return outcome.err


STEPS = [
    *({"flawed": name} for name in FLAWS),
    *({"grid": name} for name in GRIDS),
    *({"answer": name} for name in ANSWERS),
]


@pytest.mark.parametrize("how", STEPS, ids=lambda how: "-".join(map(str, *how.items())))
def test_a_step_that_answers_what_it_may_not(tmp_path: Path, manifest: Path, how: dict[str, str]) -> None:
    _checked(tmp_path, manifest, preprocessing=[{"odd_step": how}, "rescale"])


@pytest.mark.parametrize("how", ["number", "none", "far", "text", "list"])
def test_a_transform_that_mirrors_no_axes(tmp_path: Path, manifest: Path, how: str) -> None:
    assert "mirrored_axes" in _checked(tmp_path, manifest, augmentation=[{"odd_transform": {"how": how}}])


@pytest.mark.parametrize("how", ["zero", "text", "negative", "half", "none"])
def test_a_network_that_divides_by_no_number(tmp_path: Path, manifest: Path, how: str) -> None:
    assert "`divisor`" in _checked(tmp_path, manifest, model={"name": "odd_network", "dimensions": 2, "how": how})


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_kind_of_truth_that_fails_or_answers_what_it_may_not(tmp_path: Path, manifest: Path, truth: str) -> None:
    _checked(tmp_path, manifest, task=f"odd_{truth}")
