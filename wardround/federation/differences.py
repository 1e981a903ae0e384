"""In what two plans, studies, rosters or invitations differ, in lines for people.

    rounds 10 -> 20
    study training.optimizer.learning_rate 0.001 -> 0.0005
    west was added

Values and keys that are not plain words are shown as ASCII JSON, so that no text of a peer can pass for another line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from wardround.engine.study.differences import changed_values, shown
from wardround.federation.identities import Member, Roster, fingerprint
from wardround.federation.invitation import Invitation, shown_authority
from wardround.federation.protocol import Plan

_TOLD_ELSEWHERE = frozenset({"study", "roster", "strategy", "after"})


@dataclass(frozen=True)
class Terms:
    """What a site agrees to. Study and roster are None where only their digest is known.

    Attributes:
        study: canonical JSON.
        names: of the roster's sites, where more of it is not known.
    """

    plan: Plan
    study: str | None = None
    roster: Roster | None = None
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, invitation: Invitation) -> Terms:
        """What an invitation offers."""
        return cls(invitation.plan, invitation.study, invitation.roster)


def differences(old: Terms, new: Terms) -> tuple[str, ...]:
    """Every difference, a line each; none when the two are the same."""
    return (*_plan_lines(old.plan, new.plan), *_study_lines(old, new), *_roster_lines(old, new))


def invitation_differences(old: Invitation, new: Invitation) -> tuple[str, ...]:
    """In what a new invitation differs from an accepted one; who the coordinator is, and where, comes first."""
    return (*_coordinator_lines(old, new), *differences(Terms.of(old), Terms.of(new)))


def roster_differences(old: Roster, new: Roster) -> tuple[str, ...]:
    """Who was added, who was removed, and whose keys are others."""
    before, after = ({member.name: member for member in roster.members} for roster in (old, new))
    changed = [line for name in before if name in after for line in _key_lines(before[name], after[name])]
    return (*_name_lines(tuple(before), tuple(after)), *changed)


def _name_lines(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    added = [f"{name} was added" for name in new if name not in old]
    return (*added, *(f"{name} was removed" for name in old if name not in new))


def _key_lines(old: Member, new: Member) -> Iterator[str]:
    if old.signing_key != new.signing_key:
        yield f"{old.name} has another signing key: {fingerprint(old.signing_key)} -> {fingerprint(new.signing_key)}"
    if old.transport_key != new.transport_key:
        yield f"{old.name} has another transport key"


def _coordinator_lines(old: Invitation, new: Invitation) -> Iterator[str]:
    if old.coordinator_key != new.coordinator_key:
        yield (
            f"the coordinator has another key: {fingerprint(old.coordinator_key)} -> {fingerprint(new.coordinator_key)}"
        )
    before, after = shown_authority(old.ca_pem), shown_authority(new.ca_pem)
    if before != after:
        yield f"the authority's certificate is another one: {before} -> {after}"
    if old.address != new.address:
        yield f"address {shown(old.address)} -> {shown(new.address)}"


def _plan_lines(old: Plan, new: Plan) -> Iterator[str]:
    before, after = (plan.model_dump(mode="json", exclude=set(_TOLD_ELSEWHERE)) for plan in (old, new))
    yield from changed_values((), before, after)
    if old.strategy != new.strategy:
        yield f"strategy {old.strategy.described} -> {new.strategy.described}"
    if old.after != new.after:
        yield _carrying_line(new)


def _carrying_line(new: Plan) -> str:
    if new.after is None:
        return "a training from the beginning, which carries on no other plan"
    return f"it carries on after round {new.after.rounds} of the plan {new.after.plan[:16]}"


def _study_lines(old: Terms, new: Terms) -> Iterator[str]:
    if old.plan.study == new.plan.study:
        return
    if old.study is None or new.study is None:
        yield _unknown("study", old.plan.study, new.plan.study)
        return
    yield from changed_values(("study",), json.loads(old.study), json.loads(new.study))


def _roster_lines(old: Terms, new: Terms) -> Iterator[str]:
    if old.plan.roster == new.plan.roster:
        return
    if old.roster is not None and new.roster is not None:
        yield from roster_differences(old.roster, new.roster)
        return
    before, after = (terms.roster.names if terms.roster else terms.names for terms in (old, new))
    if before is None or after is None:
        yield _unknown("roster", old.plan.roster, new.plan.roster)
        return
    yield from _name_lines(before, after) or ("a site has other keys than before",)


def _unknown(what: str, old: str, new: str) -> str:
    return f"another {what} ({old[:16]} -> {new[:16]}; only its digest is known here)"
