"""What all tests share: their order, and how examples are sought."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast a machine is, or how busy, is no property of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
_LONGEST_FIRST = ("end_to_end", "demo", "lab", "site_client", "aggregator", "federation", "experiments", "cli")
"""Folders whose files take minutes: begun last, one of them would keep one process busy while the other is done."""


def _length(item: pytest.Item) -> int:
    """The place of a test's folder among the longest."""
    return next((place for place, name in enumerate(_LONGEST_FIRST) if name in item.path.parts), len(_LONGEST_FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=_length)


@pytest.fixture(autouse=True, scope="module")
def _set_aside() -> None:
    """What is there before a file's tests is set aside: to look for garbage among it, as some code asks for, would take
    a second or two each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package whose parts fail, installed for one test."""
    from tests.support.failing_parts import install  # it loads torch, which few tests need
    from tests.support.installing import forget

    install(tmp_path / "site-packages", monkeypatch)
    yield
    monkeypatch.undo()
    forget()
