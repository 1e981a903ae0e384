"""Who took part in how many rounds, and why not in the others. Made from the committed rounds alone."""

from __future__ import annotations

from collections.abc import Sequence

from wardround.aggregator.rounds.records import RoundResult
from wardround.federation.protocol import Count, Digest, FederationName, Sentence, SiteName, WireModel


class Missed(WireModel):
    """A round that goes without a site: how it stood when the round went on, and why."""

    round: Count
    state: Sentence
    reason: Sentence = ""


class Part(WireModel):
    """A site's part in a training: the rounds that have its update, those that it was asked in, those it missed."""

    site: SiteName
    rounds: Count
    asked: Count
    missed: tuple[Missed, ...] = ()


class RunSummary(WireModel):
    """A run at its end."""

    federation: FederationName
    plan: Digest
    complete: bool
    rounds: Count
    sites: tuple[Part, ...]


def parts_of(results: Sequence[RoundResult], sites: Sequence[str] = ()) -> tuple[Part, ...]:
    """Each site's part in the rounds of training: those of `sites` first, then the ones that have left since."""
    trained = [result for result in results if result.trained]
    others = {name for result in trained for name in _asked(result)} - set(sites)
    return tuple(_part(name, trained) for name in (*sites, *sorted(others)))


def part_line(part: Part) -> str:
    """A site's part for people: `south: 3 of 4 rounds, late in 2`."""
    states: dict[str, list[str]] = {}
    for missed in part.missed:
        states.setdefault(missed.state, []).append(str(missed.round))
    told = "".join(f", {state} in {', '.join(rounds)}" for state, rounds in states.items())
    return f"{part.site}: {part.rounds} of {part.asked} rounds{told}"


def _part(site: str, trained: Sequence[RoundResult]) -> Part:
    asked = [result for result in trained if site in _asked(result)]
    missed = tuple(
        Missed(round=result.round, state=absence.state, reason=absence.reason)
        for result in asked
        for absence in result.absent
        if absence.site == site
    )
    return Part(site=site, rounds=len(asked) - len(missed), asked=len(asked), missed=missed)


def _asked(result: RoundResult) -> set[str]:
    return {*(site.site for site in result.sites), *(absence.site for absence in result.absent)}
