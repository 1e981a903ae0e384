"""`aggregator --config federation.yaml`: run a federation, or go on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wardround.aggregator.coordination import Coordination, load_coordination
from wardround.aggregator.ending import Ends
from wardround.aggregator.initial import given_arrays
from wardround.aggregator.invite import sweep_keys
from wardround.aggregator.invited import as_invited
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.roster.certificates import CA_FILE, SERVER_FILE, SERVER_KEY_FILE
from wardround.aggregator.roster.keyring import KeyRing
from wardround.aggregator.roster.keywatch import KeyWatch, watching
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.mending import Mender
from wardround.aggregator.rounds.outcome import Outcome, unwritten
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.rules import Rules
from wardround.aggregator.rounds.run_plan import RunPlan
from wardround.aggregator.rounds.selection import Selection
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.rounds.switchboard import Switchboard, SystemClock
from wardround.aggregator.showing.live_table import View, Watched, open_view
from wardround.aggregator.showing.models import BEST, LAST, REPORT, Outputs
from wardround.aggregator.showing.participation import part_line, parts_of
from wardround.aggregator.showing.summary import describe_federation
from wardround.aggregator.showing.tensorboard import Scalars
from wardround.engine.basics.files import sweep_left_overs
from wardround.engine.basics.printable import say
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.signals import interrupts, unmasked
from wardround.engine.cli.runner import ExitCode
from wardround.federation.addresses import join_address
from wardround.federation.endings import EndReason
from wardround.federation.flower import settings as transport
from wardround.federation.flower.link.link import GateLimits, Link, LinkEvent, TlsFiles
from wardround.federation.health import health_service
from wardround.federation.model_group import initial_arrays
from wardround.federation.packing import packed_size
from wardround.federation.strategies.protocol import Arrays

_LINK_EVENTS = {
    "online": Event.SITE_ONLINE,
    "offline": Event.SITE_OFFLINE,
    "refused": Event.TURNED_AWAY,
    "limited": Event.LIMIT_HIT,
    "doubled": Event.SITE_DOUBLED,
    "alone": Event.SITE_ALONE,
    "certificate": Event.CERTIFICATE,
}

_REPLY_MARGIN = 4 * 2**20
"""What a reply has beside the update's numbers: the signed body, and the heads of its pieces."""


def run_federation(path: Path) -> int:
    """Run or resume a federation; the exit code. Raises `InputError` for what must be put right first."""
    # Before there is a folder of state, which would stand in the way of a change.
    coordination = as_invited(load_coordination(path))
    say(*describe_federation(coordination))
    state = StateFolder(coordination.folders.state)
    with interrupts() as interrupted, state.locked(), open_view() as view:
        for folder in (state.root, coordination.folders.results):
            sweep_left_overs(folder)
        sweep_keys(coordination.folders.keys)
        journal = Journal(state.journal_path, view.tell)
        try:
            with unmasked(interrupted):
                outcome = _play(coordination, state, journal, view, interrupted)
        except KeyboardInterrupt:
            journal.record(Event.RUN_INTERRUPTED)
            return ExitCode.INTERRUPTED
    return _conclude(coordination.folders.results, outcome)


def _play(
    coordination: Coordination, state: StateFolder, journal: Journal, view: View, interrupted: Callable[[], bool]
) -> Outcome:
    Mender(state, journal).terms(coordination.plan, coordination.study, coordination.roster)
    state.require(coordination.plan, coordination.study, coordination.roster)
    clock, names, ring = SystemClock(), coordination.roster.names, KeyRing.of(coordination.roster)
    with (
        health_service(coordination.settings.health_port) as tell_health,
        _link(coordination, journal) as link,
        _keys_watched(coordination, ring, link, journal),
        Switchboard(link, names, clock, interrupted) as switchboard,
    ):
        # Only now that sites can be served is the plan pinned: a start that came to nothing binds nobody.
        state.pin(coordination.plan, coordination.study, coordination.roster)
        _record_start(coordination, state, journal)
        tell_health(True)
        host = coordination.settings.endpoint[0]
        journal.record(Event.LISTENING, host=host, port=link.port, address=join_address(host, link.port))
        outputs = _outputs(coordination, state)
        loop = RoundLoop(_run_plan(coordination, ring), state, switchboard, journal, clock, outputs)
        view.watch(Watched(loop, link.seconds_since_seen))
        ends, started = Ends(coordination, loop, link), clock.now()
        with ends.told_of_a_fault(), unmasked(interrupted):
            outcome = loop.run()
        ends.tell(outcome.end, started)
    journal.record(Event.RUN_FINISHED if outcome.complete else Event.RUN_STOPPED, detail=outcome.line)
    say(*(f"  {part_line(part)}" for part in parts_of(loop.results, names)))
    if missing := Selection.of(coordination.study).without_best(loop.results):
        say(f"  {missing}")
    return replace(outcome, unwritten=_write_last(outputs, loop, outcome) or outcome.unwritten)


def _write_last(outputs: Outputs, loop: RoundLoop, outcome: Outcome) -> InputError | None:
    """Page, summary and the last curves, each whatever becomes of the others; why one could not be made."""
    failed = None
    for make in (
        lambda: outputs.report(loop.results, loop.best()),
        lambda: outputs.summarise(loop.results, complete=outcome.complete),
        outputs.scalars.close,
    ):
        try:
            make()
        except Exception as error:  # the run has ended, and its rounds are kept: whatever it is, it is only said
            failed = unwritten(error)
            loop.journal.record(Event.OUTPUTS_FAILED, round=len(loop.results), detail=failed.problems[0].got)
    return failed


def _outputs(coordination: Coordination, state: StateFolder) -> Outputs:
    folder = coordination.folders.results
    names, scalars = coordination.roster.names, Scalars(folder / "tensorboard")
    return Outputs(folder, coordination.plan, coordination.study, names, state.arrays, scalars, state.fitted)


def _record_start(coordination: Coordination, state: StateFolder, journal: Journal) -> None:
    done = len(state.results())
    journal.record(
        Event.RUN_RESUMED if state.has_begun else Event.RUN_STARTED, plan=coordination.plan.digest, rounds=done
    )


def _run_plan(coordination: Coordination, ring: KeyRing) -> RunPlan:
    settings = coordination.settings
    return RunPlan(
        plan=coordination.plan,
        study=coordination.study,
        roster=coordination.roster,
        key=coordination.key,
        strategy=settings.strategy.build(),
        rules=Rules(
            quorum=coordination.quorum,
            deadline=settings.deadline,
            below_quorum=settings.below_quorum,
            on_decline=settings.on_decline,
            grace=settings.seconds_of_grace,
            patience=settings.patience,
            preparing=settings.preparing,
            largest=settings.updates.largest,
        ),
        patience=Patience(bytes_per_second=settings.limits.slowest_line * 1000 / 8),
        final_evaluation=settings.evaluation.final,
        ceiling=settings.updates.ceiling,
        initial=lambda: _initial(coordination),
        keep=settings.keep_rounds,
        ring=ring,
    )


def _initial(coordination: Coordination) -> Arrays:
    """What goes down before the first round: the model, and what the strategy sends beside it."""
    given, study = coordination.settings.initial, coordination.study
    model = initial_arrays(study) if given is None else given_arrays(coordination.home / given, study)
    return coordination.settings.strategy.build().sharing.opening(model)


@contextmanager
def _keys_watched(coordination: Coordination, ring: KeyRing, link: Link, journal: Journal) -> Iterator[None]:
    """Before anything is asked, and as long as the block runs, the sites speak with the keys that are in force."""
    watch = KeyWatch(coordination.roster, coordination.folders.roster, ring, link, journal)
    watch.look()
    with watching(watch):
        yield


def _link(coordination: Coordination, journal: Journal) -> Link:
    settings, keys = coordination.settings, coordination.folders.keys
    transport.prepare(coordination.folders.state / "transport", settings.limits.chunk * 1024)
    host, port = settings.endpoint

    def note(event: LinkEvent) -> None:
        journal.record(_LINK_EVENTS[event.kind], site=event.site, detail=event.detail)

    return Link(
        host=host,
        port=port,
        tls=TlsFiles(keys / CA_FILE, keys / SERVER_FILE, keys / SERVER_KEY_FILE),
        sites=coordination.roster.transport_keys(),
        proxies=settings.limits.trusted_proxies,
        limits=GateLimits(reply_bytes=reply_bytes(coordination)),
        folder=coordination.folders.state / "arriving",
        on_event=note,
    )


def reply_bytes(coordination: Coordination) -> int:
    """Most bytes that a reply may have: each group of tensors that comes up is at most as large as what goes down.

    `limits.reply` may say less.
    """
    state = StateFolder(coordination.folders.state)
    down = next((state.arrays.size(result.model) for result in state.results()[-1:]), 0)
    down = down or packed_size(_initial(coordination))
    groups = len(coordination.settings.strategy.build().sharing.up)
    return min(groups * down + _REPLY_MARGIN, coordination.settings.limits.reply * 2**20)


def _conclude(results: Path, outcome: Outcome) -> int:
    if outcome.unwritten is not None:
        raise outcome.unwritten
    if outcome.end is EndReason.ENDED:
        say("`aggregator reopen` takes the run up again, `aggregator continue` under another plan")
        return ExitCode.INCOMPLETE
    if not outcome.complete:
        say("the same command goes on where this left off")
        return ExitCode.INCOMPLETE
    made = {"best model": BEST, "last model": LAST, "report": REPORT, "history": "history.csv"}
    for label, name in made.items():
        if (results / name).exists():
            say(f"{label:<12} {results / name}")
    return ExitCode.OK
