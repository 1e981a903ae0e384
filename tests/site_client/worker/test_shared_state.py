"""The worker's two threads meet in their shared state: whatever they do in whatever order, it keeps its promises."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wardround.federation.protocol import RefusalCode
from wardround.site_client.between.faults import Retry
from wardround.site_client.between.socket import Ask, CohortReport, Fault
from wardround.site_client.worker.shared_state import SharedState

KEYS = tuple(digit * 64 for digit in "1234")
COHORT = CohortReport(digest="c" * 64, train_cases=5, validation_cases=2, test_cases=2)
keys = st.sampled_from(KEYS)
pauses = st.sampled_from([0.0, 10.0, None])


class DeskMachine(RuleBasedStateMachine):
    """A model of the shared state beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.finished: set[str] = set()
        self.wanted: str | None = None
        self.at_work: str | None = None
        self.faults: dict[str, tuple[Fault, float | None]] = {}
        self.cohort = self.broken = False
        self.shared = SharedState(self.finished.__contains__, lambda: self.now)

    # -- the courier

    @rule(key=keys)
    def start(self, key: str) -> None:
        """The courier asks for work."""
        fault = self.faults.get(key)
        if fault is not None and fault[1] is not None and fault[1] <= self.now:
            fault = self.faults.pop(key, None) and None
        if fault is None and key not in (self.wanted, self.at_work) and key not in self.finished:
            self.wanted = key
        self.shared.answer(Ask(do="start", work_key=key))

    @rule(seconds=st.sampled_from([1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    # -- the worker

    @precondition(lambda self: self.at_work is None and self.wanted is not None)
    @rule()
    def begin(self) -> None:
        """The worker takes what is wanted."""
        assert self.shared.next_work() == self.wanted
        self.at_work, self.wanted = self.wanted, None

    @precondition(lambda self: self.at_work is not None)
    @rule()
    def finish(self) -> None:
        """The work is done."""
        assert self.at_work is not None
        self.finished.add(self.at_work)
        self.at_work = None
        self.shared.done()

    @precondition(lambda self: self.at_work is not None)
    @rule()
    def give_up(self) -> None:
        """Newer work has come, or the task is gone."""
        self.at_work = None
        self.shared.done()

    @precondition(lambda self: self.at_work is not None)
    @rule(pause=pauses, code=st.sampled_from([RefusalCode.INTERNAL, RefusalCode.BAD_MODEL]))
    def fail(self, pause: float | None, code: RefusalCode) -> None:
        """The work fails."""
        assert self.at_work is not None
        fault = Fault(code=code, correlation=f"{len(self.faults):016x}")
        self.faults[self.at_work] = fault, None if pause is None else self.now + pause
        self.at_work = None
        self.shared.failed(fault, Retry(pause))

    @rule(key=keys)
    def resume(self, key: str) -> None:
        """A new process finds unfinished work."""
        if self.wanted is None:
            self.start_quietly(key)
        self.shared.resume(key)

    def start_quietly(self, key: str) -> None:
        """What `resume` does to the model."""
        fault = self.faults.get(key)
        if fault is not None and fault[1] is not None and fault[1] <= self.now:
            fault = self.faults.pop(key, None) and None
        if fault is None and key not in (self.wanted, self.at_work) and key not in self.finished:
            self.wanted = key

    @rule()
    def cases_are_ready(self) -> None:
        """The cohort is open."""
        self.cohort, self.broken = True, False
        self.shared.open_for(COHORT)

    @rule()
    def cases_are_unusable(self) -> None:
        """The cohort cannot be used."""
        self.cohort, self.broken = False, True
        self.shared.broken(Fault(code=RefusalCode.CASES_UNUSABLE, correlation="f" * 16))

    @rule()
    def cases_are_tried_again(self) -> None:
        """Trying again is no reason to say that all is well."""
        self.cohort = False
        self.shared.preparing()

    # -- promises

    @invariant()
    def the_courier_is_told_what_is_so(self) -> None:
        """Readiness and each work's state are those of the model."""
        readiness = "broken" if self.broken else "ready" if self.cohort else "preparing"
        for key in KEYS:
            report = self.shared.answer(Ask(do="wait", work_key=key))
            assert report.readiness == readiness
            assert report.work is not None
            assert report.work.state == self._state(key)
            assert (report.work.fault is not None) is (report.work.state == "refused")

    @invariant()
    def work_is_halted_for_newer_work_only(self) -> None:
        """Nothing else interrupts it."""
        assert self.shared.must_halt() is (self.wanted is not None)

    def _state(self, key: str) -> str:
        if key in (self.at_work, self.wanted):
            return "running"
        if key in self.finished:
            return "finished"
        return "refused" if key in self.faults else "unknown"


TestDesk = DeskMachine.TestCase
TestDesk.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
