"""`site-client status` and `log`: what runs here, and what it did."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from pathlib import Path

from pydantic import JsonValue

from wardround.federation.endings import ending_line
from wardround.federation.identities import fingerprint
from wardround.federation.invitation import shown_authority
from wardround.federation.protocol import Task
from wardround.site_client.account import Account
from wardround.site_client.agreement import load_agreement
from wardround.site_client.channel import Ask, WorkerReport, WorkerUnreachableError, ask_worker, socket_path
from wardround.site_client.events import Entry, Event, Role, log_path, read_log
from wardround.site_client.mailbox import Tasks, entries
from wardround.site_client.processes import read_pid
from wardround.site_client.settings import SiteSettings


def describe_status(settings: SiteSettings) -> tuple[str, ...]:
    """What runs, what was accepted, what is being worked on, what waits to be acknowledged."""
    return (
        f"site {settings.name}, work folder {settings.work}",
        *(f"{role.value}: {_alive(settings.work, role)}" for role in Role),
        *_accepted(settings),
        *_done(settings),
        *_working(settings.work),
        f"replies kept until the aggregator has accepted them: {len(entries(settings.work / 'outbox'))}",
    )


def whole_log(work: Path) -> tuple[Entry, ...]:
    """The events of all processes in order of time."""
    return tuple(heapq.merge(*(read_log(log_path(work, role)) for role in Role), key=lambda entry: entry.time))


def _alive(work: Path, role: Role) -> str:
    pid = read_pid(work, role)
    return "not running" if pid is None else f"running (process {pid})"


def _accepted(settings: SiteSettings) -> tuple[str, ...]:
    if not settings.accepted.exists():
        return ("accepted: nothing yet",)
    agreement = load_agreement(settings.accepted)
    horizon = agreement.plan.horizon
    return (
        f"accepted: {agreement.study.study}, {horizon.rounds} rounds of {horizon.local_steps} steps",
        f"coordinator: {fingerprint(agreement.invitation.coordinator_key)} at {settings.address or agreement.address}",
        f"certificate authority: {shown_authority(agreement.invitation.ca_pem)}",
    )


def _done(settings: SiteSettings) -> tuple[str, ...]:
    """What the account of the accepted plan says."""
    if not settings.accepted.exists():
        return ()
    plan = load_agreement(settings.accepted).plan
    tally = Account(settings.work / "account", plan).glance()
    done = f"done for it: {tally.works} pieces of work, {tally.steps} steps, {len(tally.updates)} updates released"
    extra = f", {tally.extra} of the allowance used" if tally.extra else ""
    lines = (done + extra, *_time(settings.work, {key for key, _ in tally.replies}))
    if tally.concluded is None:
        return lines
    rounds, end = tally.concluded
    return (*lines, f"{ending_line(end)} (after {rounds} rounds); waiting for what comes next")


def _time(work: Path, keys: Collection[str | None]) -> tuple[str, ...]:
    """How long the released work took, as far as the worker's log goes back, and how much of it was validating."""
    entries = [
        entry.facts
        for entry in read_log(log_path(work, Role.WORKER))
        if entry.event == Event.RESULT_WRITTEN and entry.facts.get("work_key") in keys
    ]
    seconds, validating = (sum(_number(facts.get(name)) for facts in entries) for name in ("seconds", "validating"))
    if seconds <= 0:
        return ()
    return (f"time for it: {seconds / 60:,.1f} min, {min(1.0, validating / seconds):.0%} of it validating",)


def _number(fact: JsonValue) -> float:
    return float(fact) if isinstance(fact, int | float) else 0.0


def _working(work: Path) -> tuple[str, ...]:
    tasks = Tasks(work / "tasks")
    newest = tasks.newest()
    try:
        report = ask_worker(socket_path(work), Ask(do="status", work_key=newest))
    except WorkerUnreachableError:
        return ()
    lines = [f"worker is {report.readiness}"]
    if newest is not None:
        lines.append(_task_line(Task.model_validate_json(tasks.get(newest).body), report))
    return tuple(lines)


def _task_line(task: Task, report: WorkerReport) -> str:
    work = report.work
    state = "unknown" if work is None else work.state
    detail = f", {work.phase} {work.step}/{work.steps}" if work is not None and state == "running" else ""
    return f"task: {task.stage.value} round {task.round}, {state}{detail}"
