"""Packages with parts, installed into the process of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.engine.cli import main
from wardround.engine.parts import builtin_and_plugins
from wardround.federation.strategies.registry import strategies

_CACHES = (builtin_and_plugins, strategies, main._plugins)


def install_package(site: Path, monkeypatch: pytest.MonkeyPatch, package: str, entries: str) -> None:
    """Install a package, such as `my-parts 0.3.1`, as pip would leave it in the folder `site`."""
    name, _, release = package.partition(" ")
    metadata = site / f"{name.replace('-', '_')}-{release}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")
    (metadata / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(site)
    forget()


def forget() -> None:
    """Look anew at what is installed."""
    for cached in _CACHES:
        cached.cache_clear()
