"""The registry finds parts by kind and name, and tells of packages whose parts cannot be had."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import replace

import pytest

from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Kind, Parameters, Part, Registry, builtin_and_plugins

PARTS = builtin_and_plugins().parts()


class Sharpness(Parameters):
    """How sharp."""

    amount: float = 1.0


def test_parts_are_found_by_kind_and_name_and_listed_in_order() -> None:
    registry = builtin_and_plugins()
    assert registry.find(Kind.LOSS, "dice_ce").name == "dice_ce"
    assert list(registry.names(Kind.METRIC)) == sorted(registry.names(Kind.METRIC))
    assert [(part.kind, part.name) for part in PARTS] == sorted((part.kind, part.name) for part in PARTS)


def test_an_unknown_part_is_told_with_the_close_ones() -> None:
    with pytest.raises(InputError, match=r"unknown loss \(got 'dice_c'\). Did you mean 'dice_ce'\?"):
        builtin_and_plugins().find(Kind.LOSS, "dice_c")


def test_two_parts_of_a_kind_cannot_share_a_name() -> None:
    part = Part(Kind.LOSS, "a", Sharpness, "x:y")
    words = r"2 parts of kind loss are called 'a' \(got one of Wardround itself and one of the package x 1;"
    with pytest.raises(InputError, match=words):
        Registry([part, replace(part, package="x 1"), Part(Kind.LOSS, "b", Sharpness, "x:y")]).find(Kind.LOSS, "a")
    assert Registry([part, part, Part(Kind.LOSS, "b", Sharpness, "x:y")]).names(Kind.LOSS) == ("b",)
    assert len(Registry([part, Part(Kind.METRIC, "a", Sharpness, "x:y")]).parts()) == 2


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Dist:
        name, version = "sharp-parts", "1.2"

    class Entry:
        name, value, dist = "sharp", "sharp.rows:PARTS", Dist()

        def load(self) -> tuple[Part, ...]:
            return (Part(Kind.LOSS, "sharp", Sharpness, "json:loads"),)

    monkeypatch.setattr("wardround.engine.parts.builtin.entry_points", lambda group: [Entry()])
    builtin_and_plugins.cache_clear()
    yield
    builtin_and_plugins.cache_clear()


@pytest.mark.usefixtures("plugin")
def test_an_installed_package_adds_parts_that_a_study_can_name() -> None:
    part = builtin_and_plugins().find(Kind.LOSS, "sharp")
    assert part.load().__name__ == "loads"
    assert part.package == "sharp-parts 1.2"


def test_a_package_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = importlib.metadata.EntryPoint("contrast", "nowhere.rows:PARTS", "wardround.parts")
    monkeypatch.setattr("wardround.engine.parts.builtin.entry_points", lambda group: [broken])
    builtin_and_plugins.cache_clear()
    with pytest.raises(InputError, match=r"entry point contrast = nowhere.rows:PARTS.*No module named 'nowhere'"):
        builtin_and_plugins().find(Kind.LOSS, "invert")
    assert builtin_and_plugins().find(Kind.LOSS, "dice_ce"), "who does not name its parts is not concerned"
    builtin_and_plugins.cache_clear()


def test_a_row_that_is_no_part_is_named_with_its_package_and_release(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dist:
        name, version = "contrast-parts", "1.2"

    class Entry:
        name, value, dist = "contrast", "contrast.rows:PARTS", Dist()

        def load(self) -> tuple[object, ...]:
            return ("invert",)

    monkeypatch.setattr("wardround.engine.parts.builtin.entry_points", lambda group: [Entry()])
    builtin_and_plugins.cache_clear()
    words = r"contrast-parts 1.2, entry point contrast = .* no part \(got 'invert'; expected rows of the type Part\)"
    with pytest.raises(InputError, match=words):
        builtin_and_plugins().find(Kind.AUGMENTATION, "invert")
    builtin_and_plugins.cache_clear()


def test_the_package_itself_declares_no_plugins() -> None:
    assert not [e for e in importlib.metadata.entry_points(group="wardround.parts") if e.value.startswith("wardround.")]
