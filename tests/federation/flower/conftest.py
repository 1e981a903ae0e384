"""Fixtures of the transport's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.federation.flower.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One aggregator and one site, `north`."""
    return World.create(tmp_path, "north")


@pytest.fixture
def three(tmp_path: Path) -> World:
    """One aggregator and three sites."""
    return World.create(tmp_path, "north", "south", "west")
