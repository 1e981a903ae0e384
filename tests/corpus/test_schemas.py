"""A key that joins a schema without its mark, leaves it, or has another default is found before a hospital finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest

from tests.corpus.schemas import Keys, keys_of, keys_of_today
from tests.corpus.test_corpus import RELEASES
from wardround.engine.basics.closed import Added, Closed

LISTED = [release for release in RELEASES if (release / "keys.json").exists()]
RENAMED: dict[str, str] = {
    "federation.invitation._Signed": "federation.invitation.SignedInvitation",
    "engine.study.models.Frozen": "engine.basics.closed.Section",
    "site_client.settings._Section": "engine.basics.closed.Section",
}
"""Schemas that go by another name since: `module.Class` of the release to that of today."""


def _same_schema(name: str, keys: dict[str, Any], today: Keys) -> dict[str, Any] | None:
    """The keys that a schema has today, also if it has moved to another module."""
    if (known := RENAMED.get(name, name)) in today:
        return today[known]
    of_this_name = [now for place, now in today.items() if place.rpartition(".")[2] == name.rpartition(".")[2]]
    return next((now for now in of_this_name if keys.keys() <= now.keys()), None)


def _faults(name: str, before: dict[str, Any], now: dict[str, Any] | None) -> list[str]:
    if now is None:
        return [f"{name} is gone: name what it became in RENAMED, or keep a reader for its files"]
    faults = [f"{name}.{key} is gone: files that have it cannot be read any more" for key in before.keys() - now.keys()]
    for key in now.keys() - before.keys():
        if "added" not in now[key]:
            faults.append(
                f'{name}.{key} is new: write it `Annotated[T, Added("RELEASE")] = default`, or digests change'
            )
    for key in before.keys() & now.keys():
        if before[key] != now[key]:
            faults.append(
                f"{name}.{key} was {before[key]} and is {now[key]}: what was written without it would mean something "
                "else. Give the new behaviour a key of its own"
            )
    return faults


@pytest.mark.parametrize("release", LISTED, ids=lambda path: path.name)
def test_every_schema_still_has_its_keys_and_new_ones_are_marked(release: Path) -> None:
    today, listed = keys_of_today(), json.loads((release / "keys.json").read_text())
    assert len(listed) > 80
    found = [fault for name, keys in listed.items() for fault in _faults(name, keys, _same_schema(name, keys, today))]
    assert not found, "\n".join(found)


def test_each_kind_of_fault_is_found() -> None:
    class Before(Closed):
        size: int = 3
        name: str = "a"

    class After(Closed):
        size: int = 4
        marked: Annotated[int, Added("9.9")] = 1
        unmarked: int = 1

    faults = _faults("x.Before", keys_of(Before), keys_of(After))
    assert [fault.split(":")[0].split(" was ")[0] for fault in sorted(faults)] == [
        "x.Before.name is gone",
        "x.Before.size",
        "x.Before.unmarked is new",
    ]
    assert "is gone" in _faults("x.Before", keys_of(Before), None)[0]


def test_a_schema_may_move_but_not_vanish() -> None:
    keys = {"size": {"default": 3}}
    assert _same_schema("a.Size", keys, {"b.Size": {**keys, "new": {}}, "c.Size": {}}) == {**keys, "new": {}}
    assert _same_schema("a.Size", keys, {"b.Sizes": keys, "c.Size": {"name": {}}}) is None


def test_the_latest_release_has_its_list() -> None:
    assert RELEASES[-1] in LISTED
