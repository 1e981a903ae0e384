"""What is installed: everything is pinned, and nothing is there that must not be."""

from __future__ import annotations

from importlib import metadata, util

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.checkout import CHECKOUT


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """The pinned version of each package by its canonical name."""
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs)
    names = [canonicalize_name(name) for name, _ in pairs]
    assert len(names) == len(set(names))
    return {canonicalize_name(name): version for name, version in pairs}


def _wanted(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def _closure() -> dict[str, str]:
    """Every installed package that ours needs, with all its extras, and its version without a local part."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [("wardround", frozenset(metadata.metadata("wardround").get_all("Provides-Extra") or []))]
    while waiting:
        name, extras = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[canonicalize_name(name)] = distribution.version.partition("+")[0]
        needs = [Requirement(line) for line in distribution.requires or []]
        waiting.extend(
            (canonicalize_name(need.name), frozenset(need.extras)) for need in needs if _wanted(need, extras)
        )
    return {name: version for name, version in found.items() if name != "wardround"}


def test_every_package_that_comes_with_ours_is_pinned_to_what_is_installed(pins: dict[str, str]) -> None:
    closure = _closure()
    assert len(closure) > 80
    assert {name: version for name, version in closure.items() if pins.get(name) != version} == {}


def test_torch_is_pinned_without_a_build(pins: dict[str, str]) -> None:
    assert pins["torch"] == "2.13.0"
    assert not any("+" in version for version in pins.values())


@pytest.mark.parametrize("name", ["torchvision", "timm"])
def test_what_breaks_torchmetrics_is_not_installed(pins: dict[str, str], name: str) -> None:
    assert util.find_spec(name) is None
    assert name not in pins
