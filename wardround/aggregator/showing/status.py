"""`aggregator status`: how a run stands, read from its state folder while it runs or after."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from wardround.aggregator.coordination import absolute_folders, read_federation
from wardround.aggregator.journal import Event
from wardround.aggregator.roster.enrolment import read_roster
from wardround.aggregator.roster.key_folder import certificate_notes
from wardround.aggregator.rounds.records import RoundResult, heaviest
from wardround.aggregator.rounds.selection import Scored, Selection
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.showing.estimate import seconds_left
from wardround.aggregator.showing.history import cohort_changes
from wardround.engine.basics.closed import Added
from wardround.engine.basics.durations import duration
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.study import Study, study_from_bytes
from wardround.federation.event_log import Entry, read_entries
from wardround.federation.protocol import FederationName, MetricName, Plan, Sentence, SiteName, WireModel

_MOST_CHANGES = 5


class SiteStanding(WireModel):
    """What the log last said about a site."""

    site: SiteName
    online: bool
    state: Sentence
    reason: Sentence


class BestModel(WireModel):
    """The best model so far."""

    round: int
    metric: MetricName
    value: float


class RunStatus(WireModel):
    """A run at one moment. `waiting` is the log's last word on whom it waits for.

    Attributes:
        state: `running`, `complete` (nothing is left to do), `ended` (by a rule, a fault or the coordinator), or
            `stopped`: the same command goes on.
        ended: why the run has ended, if it has.
        told: which sites know it.
        seconds_left: estimate for what is left, evaluations included; None before the first round is done.
        results: where models, history and report are.
    """

    federation: FederationName
    process: Literal["running", "stopped"]
    rounds: int
    rounds_done: int
    open_round: int | None
    best: BestModel | None
    waiting: Sentence
    sites: tuple[SiteStanding, ...]
    seconds_in_rounds: float
    notes: Annotated[tuple[Sentence, ...], Added("0.2.0")] = ()
    told: Annotated[tuple[SiteName, ...] | None, Added("0.2.0")] = None
    ended: Annotated[Sentence, Added("0.2.0")] = ""
    state: Annotated[Literal["running", "complete", "ended", "stopped"], Added("0.2.0")] = "stopped"
    seconds_left: Annotated[float | None, Added("0.2.0")] = None
    results: Annotated[Sentence, Added("0.2.0")] = ""


def read_status(config: Path) -> RunStatus:
    """The status of the run of a federation file. Raises `InputError` when nothing has been run yet."""
    home, settings = read_federation(config)
    folders = absolute_folders(home, settings.folders)
    state = StateFolder(folders.state)
    plan = state.pinned()
    if plan is None:
        raise InputError.one(
            "this federation has not been run yet",
            where=str(folders.state),
            got="no run",
            expected="a run that has begun",
            remedy=f"Begin it with `aggregator --config {config}`, when the sites are enrolled and have the invitation",
        )
    results = state.results()
    study = study_from_bytes((state.root / "study.json").read_bytes())
    is_running = state.is_locked()
    journal = list(read_entries(state.journal_path))
    order = state.round(len(results) + 1).order()
    rounds = plan.horizon.rounds + settings.evaluation.final
    elapsed = _elapsed(journal, order.round) if order is not None and is_running else 0.0
    return RunStatus(
        federation=plan.federation,
        state=_state(is_running, len(results) >= rounds, _ended(journal)),
        seconds_left=seconds_left(results, plan, rounds, elapsed),
        results=str(folders.results),
        process="running" if is_running else "stopped",
        rounds=plan.horizon.rounds,
        rounds_done=min(len(results), plan.horizon.rounds),
        open_round=order.round if order else None,
        best=_best(Selection.of(study).best(results), study),
        waiting=_last_detail(journal, order.round if order else None),
        sites=tuple(site_standing(name, journal, is_running) for name in read_roster(folders.roster).names),
        seconds_in_rounds=sum(result.seconds for result in results),
        notes=(
            *certificate_notes(folders.keys, datetime.datetime.now(datetime.UTC)),
            *(_second_machines(journal) if is_running else ()),
            *_weight_notes(results),
            *filter(None, [Selection.of(study).without_best(results), _survey_note(state, study)]),
            *_cohort_notes(results),
        ),
        told=_told(state, plan),
        ended=_ended(journal),
    )


def _survey_note(state: StateFolder, study: Study) -> str:
    """Which question about the sites' cases is open; empty where none is."""
    for number, _ in enumerate(Fitting(study).expected, start=1):
        folder = state.survey(number)
        if folder.order() is not None and folder.result() is None:
            return f"question {number} about the sites' training cases, before the first round, is open"
    return ""


def describe_status(status: RunStatus) -> list[str]:
    """The status in readable lines."""
    best = f", best {status.best.metric} {status.best.value:.4f} (round {status.best.round})" if status.best else ""
    done = f"{status.rounds_done} of {status.rounds} rounds done{best}"
    left = f", about {duration(status.seconds_left)} left" if status.seconds_left and status.state == "running" else ""
    lines = [
        f"{status.federation}: {status.state}, {done}, {duration(status.seconds_in_rounds)} in rounds{left}",
        *([f"round {status.open_round}: {status.waiting}"] if status.open_round else []),
        *(_site_line(site, status) for site in status.sites),
        *_told_lines(status),
    ]
    if status.state == "complete":
        lines.append(f"  models, history and report: {status.results}")
    return [*lines, *(f"  note: {note}" for note in status.notes)]


def _site_line(site: SiteStanding, status: RunStatus) -> str:
    """Of a complete run nobody is online or offline: a site knows of the end, or not yet."""
    if status.state == "complete" and status.process == "stopped":
        knows = status.told is not None and site.site in status.told
        return f"  {site.site:<20} {'complete' if knows else 'was not told of the end yet'}"
    presence = "online" if site.online else "offline"
    return f"  {site.site:<20} {presence:<8} {site.state:<10} {site.reason}".rstrip()


def _state(is_running: bool, is_complete: bool, ended: str) -> Literal["running", "complete", "ended", "stopped"]:
    if is_complete:
        return "complete"
    if is_running:
        return "running"
    return "ended" if ended else "stopped"


def _elapsed(journal: list[Entry], number: int) -> float:
    """Seconds since the open round began; 0 where the log does not say."""
    begun = [entry for entry in journal if entry.event == Event.ROUND_STARTED and entry.facts.get("round") == number]
    if not begun:
        return 0.0
    now = datetime.datetime.now(datetime.UTC)
    return max(0.0, (now - datetime.datetime.fromisoformat(begun[-1].time)).total_seconds())


def _told(state: StateFolder, plan: Plan) -> tuple[str, ...] | None:
    told = state.told()
    return told.sites if told is not None and told.plan == plan.digest else None


def _ended(journal: list[Entry]) -> str:
    """What the log says of the end of the run, unless it was taken up again, or was interrupted or killed, since."""
    begins = {Event.RUN_STARTED, Event.RUN_RESUMED, Event.RUN_CARRIED_ON, Event.RUN_REOPENED, Event.ROUNDS_UNDONE}
    ends = {Event.RUN_FINISHED, Event.RUN_STOPPED}
    turns = [entry for entry in journal if entry.event in begins | ends]
    return str(turns[-1].facts.get("detail", "")) if turns and turns[-1].event in ends else ""


def _told_lines(status: RunStatus) -> tuple[str, ...]:
    if status.told is None:
        return (f"  {status.ended}",) if status.ended else ()
    untold = [site.site for site in status.sites if site.site not in status.told]
    yet = f"; not yet: {', '.join(untold)}, when the aggregator is started again" if untold else ""
    what = status.ended or "the run is complete"
    return (f"  {what}; its sites know of the end: {', '.join(status.told) or 'none'}{yet}",)


def _second_machines(journal: list[Entry]) -> tuple[str, ...]:
    """The sites whose keys a second machine uses at the moment, as the link said it."""
    doubled: dict[str, str] = {}
    for entry in journal:
        if entry.event == Event.LISTENING:
            doubled.clear()
        elif entry.event == Event.SITE_DOUBLED:
            doubled[str(entry.facts.get("site"))] = str(entry.facts.get("detail"))
        elif entry.event == Event.SITE_ALONE:
            doubled.pop(str(entry.facts.get("site")), None)
    return tuple(f"{site}: {detail}" for site, detail in sorted(doubled.items()))


def _best(best: Scored | None, study: Study) -> BestModel | None:
    if best is None:
        return None
    return BestModel(round=best.round, metric=study.validation.select, value=best.overall.value)


def _weight_notes(results: Sequence[RoundResult]) -> tuple[str, ...]:
    trained = [result for result in results if result.trained]
    heavy = heaviest(trained[-1].sites) if trained else None
    if heavy is None or heavy.share is None:
        return ()
    return (f"{heavy.site} has {heavy.share:.0%} of the weight in the mean (`weights: {{cap: 0.5}}` bounds it)",)


def _cohort_notes(results: Sequence[RoundResult]) -> list[str]:
    """From which rounds on sites work with other cases; the last few."""
    return [
        f"from round {number} on the cases of {' and '.join(sites)} are not those of the rounds before"
        for number, sites in list(cohort_changes(results).items())[-_MOST_CHANGES:]
    ]


def _last_detail(journal: list[Entry], number: int | None) -> str:
    said = [entry for entry in journal if entry.event == Event.WAITING and entry.facts.get("round") == number]
    return str(said[-1].facts.get("detail", "")) if said else ""


def site_standing(site: str, journal: list[Entry], is_running: bool) -> SiteStanding:
    """What the log last said about a site."""
    own = [entry for entry in journal if entry.facts.get("site") == site]
    presence = [entry.event for entry in own if entry.event in (Event.SITE_ONLINE, Event.SITE_OFFLINE)]
    states = [entry.facts for entry in own if entry.event == Event.SITE_STATE]
    return SiteStanding(
        site=site,
        online=is_running and bool(presence) and presence[-1] == Event.SITE_ONLINE,
        state=str(states[-1].get("state", "")) if states else "",
        reason=str(states[-1].get("reason", "")) if states else "",
    )
