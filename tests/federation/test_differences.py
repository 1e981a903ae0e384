"""What two plans, studies, rosters or invitations differ in, as people read it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aggregator.fakes import roster_of, seeded_keys
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.study import study_to_bytes
from wardround.federation.differences import Terms, differences, invitation_differences, roster_differences
from wardround.federation.identities import Member, Roster, fingerprint
from wardround.federation.invitation import Invitation
from wardround.federation.protocol import Horizon, Plan
from wardround.federation.strategy_terms import StrategyTerms

STUDY: dict[str, Any] = json.loads(study_to_bytes(study_of(changed(SEGMENTATION))))
ROSTER = roster_of(("east", "north"))


def terms(study: dict[str, Any] = STUDY, roster: Roster = ROSTER, rounds: int = 10, **plan: object) -> Terms:
    """Terms whose plan fits study and roster."""
    text = json.dumps(study)
    made = Plan(
        federation="bench",
        study=sha256_hex(text.encode()),
        horizon=Horizon(rounds=rounds, local_steps=5),
        strategy="fedavg",
        roster=roster.digest,
    )
    return Terms(made.model_copy(update=plan), text, roster)


def leaves(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every single value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def with_leaf(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The study with another value at a path."""
    study = copy.deepcopy(STUDY)
    place: Any = study
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return study


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"rounds": 20}, "rounds 10 -> 20"),
        ({"fold": 1}, "fold not set -> 1"),
        ({"strategy": StrategyTerms(name="fedprox")}, "strategy fedavg -> fedprox"),
        (
            {"strategy": StrategyTerms(name="fedprox", parameters={"mu": 0.1, "kind": "plain"})},
            'strategy fedavg -> fedprox (kind "plain", mu 0.1)',
        ),
        ({"federation": "bank"}, "federation bench -> bank"),
    ],
)
def test_a_changed_key_of_the_plan_is_told_with_both_values(changes: dict[str, Any], line: str) -> None:
    found = differences(terms(), terms(**changes))
    assert found in ((line,), (line.replace("not set", "0"),))


def test_the_same_terms_do_not_differ() -> None:
    assert differences(terms(), terms()) == ()


@pytest.mark.parametrize("path", list(leaves(STUDY)), ids=lambda path: ".".join(map(str, path)))
def test_every_value_of_a_study_is_told_by_its_key_with_old_and_new(path: tuple[Any, ...]) -> None:
    found = differences(terms(), terms(with_leaf(path, "changed")))
    assert found
    assert all(line.startswith("study ") for line in found)
    text = "\n".join(found)
    assert "changed" in text
    place: Any = STUDY
    for step in path:
        if isinstance(place, dict) and "name" not in place and step != "parameters":
            assert str(step) in text
        place = place[step]
    if len(found) == 1:
        shown = place if isinstance(place, str) else json.dumps(place)
        assert found[0].endswith(f"{shown} -> changed")


def test_parts_that_came_or_went_are_named() -> None:
    flip = {"name": "flip", "parameters": {"axes": [0, 1]}}
    longer = {**STUDY, "augmentation": [flip, *STUDY["augmentation"]]}
    assert differences(terms(), terms(longer)) == ('study augmentation: flip {"axes": [0, 1]} was added',)
    assert differences(terms(longer), terms()) == ('study augmentation: flip {"axes": [0, 1]} was removed',)
    stronger = copy.deepcopy(longer)
    stronger["augmentation"][1]["parameters"]["probability"] = 0.9
    assert differences(terms(longer), terms(stronger)) == ("study augmentation.noise.probability 0.2 -> 0.9",)


def test_sites_that_came_went_or_have_other_keys_are_named() -> None:
    west = Member(
        name="north",
        signing_key=seeded_keys("west").signing_public,
        transport_key=seeded_keys("west").transport_public,
    )
    other = Roster.of((west, *roster_of(("south",)).members))
    keys = [fingerprint(key) for key in (seeded_keys("north").signing_public, seeded_keys("west").signing_public)]
    assert differences(terms(), terms(roster=other)) == (
        "south was added",
        "east was removed",
        f"north has another signing key: {keys[0]} -> {keys[1]}",
        "north has another transport key",
    )
    assert roster_differences(ROSTER, ROSTER) == ()


def test_what_is_known_by_its_digest_alone_is_said_to_be() -> None:
    new = terms(rounds=20, roster=roster_of(("east",)))
    lines = differences(terms(), Terms(new.plan.model_copy(update={"study": "0" * 64})))
    assert lines[0] == "rounds 10 -> 20"
    assert [line.split(" (")[0] for line in lines[1:]] == ["another study", "another roster"]


def invitation(**changes: object) -> Invitation:
    """An invitation to the terms."""
    made = terms()
    assert made.study is not None
    return Invitation(
        federation="bench",
        address="one.example:443",
        ca_pem="pem",
        coordinator_key=seeded_keys("coordinator").signing_public,
        roster=ROSTER,
        plan=made.plan,
        study=made.study,
    ).model_copy(update=changes)


def test_another_coordinator_authority_or_address_comes_first() -> None:
    other = seeded_keys("somebody").signing_public
    changes = {"coordinator_key": other, "ca_pem": "another", "address": "two.example:443"}
    lines = invitation_differences(invitation(), invitation(**changes, plan=terms(rounds=20).plan))
    assert fingerprint(other) in lines[0]
    assert "authority" in lines[1]
    assert lines[2:] == ("address one.example:443 -> two.example:443", "rounds 10 -> 20")
    assert invitation_differences(invitation(), invitation()) == ()


WORDS = st.text(alphabet=st.sampled_from("ab \x1b\r\n\x00\u202e\u2028é->"), max_size=6)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(old=st.dictionaries(WORDS, TREES, max_size=3), new=st.dictionaries(WORDS, TREES, max_size=3))
def test_any_two_documents_are_told_apart_in_printable_lines(old: dict[str, Any], new: dict[str, Any]) -> None:
    lines = differences(terms(old), terms(new))
    assert bool(lines) == (json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True))
    assert all(line.isascii() and line.isprintable() for line in lines)
