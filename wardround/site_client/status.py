"""`site-client status` and `log`: what runs here, and what it did."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from wardround.engine.basics.closed import Closed
from wardround.engine.basics.durations import estimated_duration
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.event_log import Entry, read_entries
from wardround.federation.identities import fingerprint
from wardround.federation.invitation import shown_authority
from wardround.federation.protocol import Count, Digest, Sentence, SiteName, Task
from wardround.site_client.agreement.account import Account, Tally
from wardround.site_client.agreement.agreement import Agreement, load_agreement
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.folders import Outbox, Tasks, entries
from wardround.site_client.between.socket import Ask, WorkerReport, WorkerUnreachableError, ask_worker, socket_path
from wardround.site_client.courier.kept_model import KeptModel
from wardround.site_client.courier.own_report import PAGE
from wardround.site_client.events import Event, Role, log_path
from wardround.site_client.processes import read_pid

State = Literal["not_accepted", "waiting", "working", "complete", "ended"]


class TaskStatus(Closed):
    """The newest task: `state` is running, finished, refused or unknown; `seconds_left` is the worker's estimate."""

    stage: str
    round: Count
    state: str
    phase: str = ""
    step: Count = 0
    steps: Count = 0
    seconds_left: float | None = None


class DoneStatus(Closed):
    """What the account of the accepted plan says; `seconds` as far as the worker's log goes back."""

    works: Count
    steps: Count
    updates: Count
    extra: Count
    seconds: float
    validating: float


class SiteStatus(Closed):
    """A site at one moment: what `site-client status --json` prints.

    Attributes:
        state: `not_accepted`, `waiting` (for the aggregator), `working`, `complete`, or `ended` (in another way).
        detail: how the run has ended, in words, or nothing.
        rounds_done: rounds of training whose end was told; None before that.
        processes: process ids of those that run, by role.
        readiness: the worker's own word, None where it does not run.
        replies_kept: signed replies that the aggregator has not acknowledged yet.
        model: folder of the federation's model here, with the round that made it and its digest.
    """

    site: SiteName
    work: str
    state: State
    detail: Sentence
    study: str | None = None
    plan: Digest | None = None
    rounds: Count | None = None
    local_steps: Count | None = None
    rounds_done: Count | None = None
    address: str | None = None
    coordinator: str | None = None
    certificate_authority: str | None = None
    processes: dict[str, int] = Field(default_factory=dict)
    readiness: str | None = None
    task: TaskStatus | None = None
    done: DoneStatus | None = None
    replies_kept: Count = 0
    model: str | None = None
    model_round: Count | None = None
    model_digest: Digest | None = None
    report: str | None = None


def read_status(settings: SiteSettings) -> SiteStatus:
    """The site's status. Raises `InputError` where what was accepted, or its account, cannot be read."""
    pids = {role.value: read_pid(settings.work, role) for role in Role}
    worker = _worker(settings.work)
    common: dict[str, JsonValue] = {
        "site": settings.name,
        "work": str(settings.work),
        "processes": {role: pid for role, pid in pids.items() if pid is not None},
        "replies_kept": len(entries(Outbox.under(settings.work).root)),
        **worker,
    }
    if not settings.accepted.exists():
        return SiteStatus.model_validate({**common, "state": "not_accepted", "detail": "nothing was accepted yet"})
    agreement = load_agreement(settings.accepted)
    tally = Account(settings.work / "account", agreement.plan).glance()
    facts = {**common, **_accepted(settings, agreement), **_kept(settings, agreement), "done": _done(settings, tally)}
    return SiteStatus.model_validate({**facts, **_standing(tally, worker["task"])})


def describe_status(settings: SiteSettings) -> tuple[str, ...]:
    """What was accepted and how it stands, what runs, what is being worked on, what is here of it."""
    status = read_status(settings)
    return (
        f"site {status.site}: {_headline(status)}",
        f"work folder: {status.work}",
        *_accepted_lines(status),
        *(f"{role.value}: {_alive(status.processes.get(role.value))}" for role in Role),
        *_done_lines(status),
        *_working_lines(status),
        *_kept_lines(status),
    )


def standing_line(settings: SiteSettings) -> str:
    """Where a site that begins goes on, in one line."""
    status = read_status(settings)
    if status.done is None or not status.done.works:
        return f"begins: {status.study}, {status.rounds} rounds; nothing was done for it yet"
    if status.state in ("complete", "ended"):
        return f"{status.detail}; waiting for what comes next"
    if status.task is None:
        return f"goes on after {status.done.works} pieces of work; waiting for the aggregator"
    return f"goes on with {status.task.stage} round {status.task.round} of {status.rounds}"


def whole_log(work: Path) -> tuple[Entry, ...]:
    """The events of all processes in order of time."""
    return tuple(heapq.merge(*(read_entries(log_path(work, role)) for role in Role), key=lambda entry: entry.time))


def _standing(tally: Tally, task: JsonValue) -> dict[str, JsonValue]:
    if tally.concluded is None:
        return {"state": "waiting" if task is None else "working", "detail": ""}
    rounds, end = tally.concluded
    state = "complete" if end is EndReason.COMPLETE else "ended"
    return {"state": state, "detail": f"{ending_line(end)} (after {rounds} rounds)", "rounds_done": rounds}


def _accepted(settings: SiteSettings, agreement: Agreement) -> dict[str, JsonValue]:
    invitation, plan = agreement.invitation, agreement.plan
    return {
        "study": agreement.study.study,
        "plan": plan.digest,
        "rounds": plan.horizon.rounds,
        "local_steps": plan.horizon.local_steps,
        "address": settings.address or agreement.address,
        "coordinator": fingerprint(invitation.coordinator_key),
        "certificate_authority": shown_authority(invitation.ca_pem),
    }


def _kept(settings: SiteSettings, agreement: Agreement) -> dict[str, JsonValue]:
    kept, page = KeptModel(settings.work), settings.work / PAGE
    card, report = kept.card(), {"report": str(page)} if page.exists() else {}
    if card is None or card.plan != agreement.plan.digest:
        return {**report}
    return {**report, "model": str(kept.folder), "model_round": card.round, "model_digest": card.model}


def _done(settings: SiteSettings, tally: Tally) -> dict[str, JsonValue]:
    """What the account says, and how long the released work took, as far as the worker's log goes back."""
    seconds, validating = _time(settings.work, {key for key, _ in tally.replies})
    return {
        "works": tally.works,
        "steps": tally.steps,
        "updates": len(tally.updates),
        "extra": tally.extra,
        "seconds": seconds,
        "validating": validating,
    }


def _time(work: Path, keys: Collection[str | None]) -> tuple[float, float]:
    """Seconds of the work of these keys, and how many of them went into validating."""
    found = [
        entry.facts
        for entry in read_entries(log_path(work, Role.WORKER))
        if entry.event == Event.RESULT_WRITTEN and entry.facts.get("work_key") in keys
    ]
    seconds, validating = (sum(_number(facts.get(name)) for facts in found) for name in ("seconds", "validating"))
    return seconds, min(seconds, validating)


def _number(fact: JsonValue) -> float:
    return float(fact) if isinstance(fact, int | float) else 0.0


def _worker(work: Path) -> dict[str, JsonValue]:
    """How the worker is, and the newest task."""
    tasks = Tasks.under(work)
    newest = tasks.newest()
    try:
        report = ask_worker(socket_path(work), Ask(do="status", work_key=newest))
    except WorkerUnreachableError:
        report = None
    task = None if newest is None else _task(Task.model_validate_json(tasks.get(newest).body), report)
    return {"readiness": None if report is None else report.readiness, "task": task}


def _task(task: Task, report: WorkerReport | None) -> dict[str, JsonValue]:
    work = report.work if report is not None else None
    head: dict[str, JsonValue] = {"stage": task.stage.value, "round": task.round}
    if work is None:
        return {**head, "state": "unknown"}
    if work.state != "running":
        return {**head, "state": work.state}
    return {
        **head,
        "state": "running",
        "phase": work.phase,
        "step": work.step,
        "steps": work.steps,
        "seconds_left": work.seconds_left,
    }


# -- in words


def _headline(status: SiteStatus) -> str:
    words = {
        "not_accepted": "accepted: nothing yet; next: `site-client accept invitation.json`",
        "waiting": "waiting for the aggregator",
        "working": "takes part",
        "complete": f"{status.detail}; waiting for what comes next",
        "ended": f"{status.detail}; waiting for what comes next",
    }
    return words[status.state]


def _alive(pid: int | None) -> str:
    return "not running" if pid is None else f"running (process {pid})"


def _accepted_lines(status: SiteStatus) -> tuple[str, ...]:
    if status.plan is None:
        return ()
    return (
        f"accepted: {status.study}, {status.rounds} rounds of {status.local_steps} steps",
        f"coordinator: {status.coordinator} at {status.address}",
        f"certificate authority: {status.certificate_authority}",
    )


def _done_lines(status: SiteStatus) -> tuple[str, ...]:
    done = status.done
    if done is None:
        return ()
    extra = f", {done.extra} of the allowance used" if done.extra else ""
    line = f"done for it: {done.works} pieces of work, {done.steps} steps, {done.updates} updates released{extra}"
    if done.seconds <= 0:
        return (line,)
    part = done.validating / done.seconds
    return (line, f"time for it: {done.seconds / 60:,.1f} min, {part:.0%} of it validating")


def _working_lines(status: SiteStatus) -> tuple[str, ...]:
    if status.readiness is None:
        return ()
    task = status.task
    if task is None:
        return (f"worker is {status.readiness}",)
    detail = ""
    if task.state == "running":
        steps = f" {task.step}/{task.steps}" if task.steps else ""
        left = (
            "" if task.seconds_left is None else f", about {estimated_duration(task.seconds_left)} left in this round"
        )
        detail = f", {task.phase}{steps}{left}"
    return (f"worker is {status.readiness}", f"task: {task.stage} round {task.round}, {task.state}{detail}")


def _kept_lines(status: SiteStatus) -> tuple[str, ...]:
    replies = f"replies kept until the aggregator has accepted them: {status.replies_kept}"
    model = f"model: {status.model}, after round {status.model_round}, digest {status.model_digest}"
    return (
        *((replies,) if status.state != "complete" or status.replies_kept else ()),
        *((model,) if status.model is not None else ()),
        *((f"report: {status.report}",) if status.report is not None else ()),
    )
