"""A federation in a few readable lines, for `check` and the head of a run."""

from __future__ import annotations

from pydantic import JsonValue

from wardround.aggregator.coordination import Coordination
from wardround.engine.basics.durations import duration
from wardround.federation.addresses import is_this_machine, join_address, split_address


def describe_federation(coordination: Coordination) -> list[str]:
    """What will be computed, by whom, and by which rules."""
    settings, horizon = coordination.settings, coordination.settings.horizon
    names = coordination.roster.names
    strategy = settings.strategy.terms.described
    deadline = "no deadline"
    if settings.deadline is not None:
        grace = settings.seconds_of_grace
        deadline = f"{settings.deadline:g} s for each from when it is ready, {grace:g} s of grace after the quorum"
    if settings.preparing is not None:
        deadline += f", {duration(settings.preparing)} to prepare its cases"
    return [
        f"federation   {settings.federation}, plan {coordination.plan.digest[:16]}",
        f"study        {coordination.study.study} ({coordination.study.task}), digest {coordination.study.digest[:16]}",
        f"weights      an update weighs by {settings.weights.described}",
        f"horizon      {horizon.rounds} rounds of {horizon.local_steps} local steps, {strategy}",
        f"sites        {len(names)}: {', '.join(names)}",
        f"each round   at least {coordination.quorum} of them, {deadline}; below the quorum: {settings.below_quorum}; "
        f"when a site declines: {settings.on_decline}",
        f"address      {settings.address}{_reach(settings.address)}, listening on {join_address(*settings.endpoint)}",
        *(f"note         {note}" for note in coordination.notes),
    ]


def _reach(address: str) -> str:
    """What to know of an address that means the machine itself, whoever calls it."""
    return " (sites on this machine only)" if is_this_machine(split_address(address)[0]) else ""


def federation_as_json(coordination: Coordination) -> dict[str, JsonValue]:
    """The same for programs."""
    settings, study = coordination.settings, coordination.study
    return {
        "problems": [],
        "federation": settings.federation,
        "plan": coordination.plan.digest,
        "study": {"name": study.study, "task": study.task, "digest": study.digest},
        "strategy": settings.strategy.terms.described,
        "rounds": settings.horizon.rounds,
        "local_steps": settings.horizon.local_steps,
        "sites": list(coordination.roster.names),
        "quorum": coordination.quorum,
        "deadline": settings.deadline,
        "preparing": settings.preparing,
        "below_quorum": settings.below_quorum,
        "on_decline": settings.on_decline,
        "address": settings.address,
        "listen": join_address(*settings.endpoint),
        "notes": list(coordination.notes),
    }
