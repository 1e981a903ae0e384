"""One site's part in a round: what to ask it next, and what its answers mean. Knows neither threads nor sockets.

The first question is a hello, unless the site's cohort is known; then the task, with its model the first time, and
again without it under the same work key until the site is done. Any question may be repeated and any answer may be
lost, delayed, duplicated or forged.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace

from wardround.aggregator.journal import Event
from wardround.aggregator.rounds.context import Question, RoundContext, Traffic
from wardround.aggregator.rounds.inbox import Inbox
from wardround.aggregator.rounds.inspection import AnswerError, Blame
from wardround.aggregator.rounds.movement import Movement
from wardround.aggregator.rounds.records import Asked
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.rounds.timing import SiteTimes
from wardround.aggregator.rounds.troubles import MEANINGS, Bearing, reason_of, without_id
from wardround.federation.envelope import Envelope, Payload
from wardround.federation.identities import Member
from wardround.federation.protocol import (
    FEATURES,
    NO_ASK,
    Done,
    Missing,
    Ready,
    RefusalCode,
    Refused,
    Reply,
    Stage,
    Task,
    Working,
    work_key,
)
from wardround.federation.sealing import seal_task

_UNKNOWN = SiteTimes()
_UNOPENED_LIMIT = 3
_TROUBLE_LIMIT = 3
"""Failures in a row after which a site that is there is in trouble, whatever they are."""
_AT_WORK = frozenset({"evaluating", "training", "packing"})


class Conversation:
    """With one site in one round. `next` and `heard` are called by one thread; all methods are safe beside them.

    `times` are those of the site in this round, as far as they are known from before a restart.
    """

    def __init__(
        self, context: RoundContext, member: Member, inbox: Inbox, now: float, times: SiteTimes = _UNKNOWN
    ) -> None:
        self._context = context
        self._member = member
        self._inbox = inbox
        self._lock = threading.RLock()
        self._status = SiteStatus(member.name, SiteState.OFFLINE, now, ready=times.ready, preparing=times.preparing)
        self._wake = self._asked_at = now
        self._failures = self._refusals = 0
        self._troubles = 0
        self._out_of_order = self._plainly = False
        self._asked = inbox.asked()
        self._greet = member.name not in context.cohorts
        self._send_model = self._asked is None
        self._closed = self._barred = False
        self.traffic = Traffic()
        self.movement = Movement(0.0, 0.0)
        self._recall_reply(now)

    @property
    def site(self) -> str:
        """The site's name."""
        return self._member.name

    @property
    def status(self) -> SiteStatus:
        """How the site stands."""
        return self._status

    def close(self) -> None:
        """The round is over: what is heard from now on changes nothing."""
        with self._lock:
            self._closed = True

    def reject(self, reason: str, now: float) -> None:
        """Refuse the reply that is here, which is sound by itself but not beside the others'."""
        with self._lock:
            self._inbox.discard()
            self._refuse(AnswerError(Blame.SITE, reason), now)

    def persuade(self, now: float) -> None:
        """Ask a site that declined once more, if it was not asked for a while."""
        with self._lock:
            if self._barred:
                return
            due = self._status.since + self._context.patience.persuasion(self._refusals)
            if self._status.state is SiteState.DECLINED and now >= due:
                self._greet = True
                self._wake = now
                self._move(SiteState.WORKING, now, phase="", reason=self._status.reason)

    def observe(self, now: float, silent: float | None) -> None:
        """Note whether the link hears the site, `silent` seconds ago (None for never), between `next` and `heard`."""
        if not self._lock.acquire(blocking=False):
            return  # an answer is being taken in at this moment
        try:
            self._note_keys(now)
            if not self._is_over:
                self._note_presence(now, silent)
        finally:
            self._lock.release()

    def next(self, now: float, silent: float | None) -> Question | None:
        """What to ask now, or None. `silent`: seconds since the site was last heard by the link, None for never."""
        with self._lock:
            self._note_keys(now)
            if self._is_over or not self._note_presence(now, silent) or now < self._wake:
                return None
            self._asked_at = now
            return self._question()

    def heard(self, question: Question, answer: Envelope | None, now: float) -> None:
        """Take in what came back for a question; None when nothing did."""
        with self._lock:
            self._note_keys(now)
            if self._closed or self._barred or self._status.state is SiteState.DONE:
                return
            self.traffic = self.traffic.plus(question, answer)
            if answer is None:
                self._again("no answer", now)
                return
            try:
                reply = self._context.inspector.open(answer, self._context.ring.current(self._member))
                self._status = replace(self._status, heard=now)
                self._understand(question, reply, answer, now)
            except AnswerError as error:
                self._refuse(error, now)

    @property
    def _is_over(self) -> bool:
        return self._closed or self._status.state in (SiteState.DONE, SiteState.DECLINED)

    def _note_keys(self, now: float) -> None:
        """A site whose key was revoked has declined, also if its reply is here; with a new key it is asked again."""
        revoked = self._context.ring.is_revoked(self.site)
        if self._closed or revoked == self._barred:
            return
        self._barred = revoked
        if revoked:
            self._inbox.discard()
            self._decline("its key was revoked", now)
        else:
            self._greet, self._wake = True, now
            self._move(SiteState.WORKING, now, phase="", reason="")

    def _note_presence(self, now: float, silent: float | None) -> bool:
        """Whether the site is there."""
        online = silent is not None and silent <= self._context.patience.silence
        if not online:
            self._move(SiteState.OFFLINE, now)
            return False
        if self._status.state is SiteState.OFFLINE:
            self._wake, self._failures = min(self._wake, now), 0
        self._move(SiteState.TROUBLE if self._in_trouble else SiteState.WORKING, now)
        return True

    # -- questions

    def _question(self) -> Question:
        return self._hello() if self._greet else self._work()

    def _hello(self) -> Question:
        plan = self._context.plan
        hello = Task(
            site=self.site,
            plan=plan.digest,
            stage=Stage.HELLO,
            round=0,
            ask=secrets.token_hex(16),
            offer=plan,
            features=() if self._plainly else FEATURES,
            names=None if self._plainly else self._context.names,
        )
        return self._seal(hello, b"")

    def _work(self) -> Question:
        asked, order = self._prepare(), self._context.inspector.order
        task = Task(
            site=self.site,
            plan=self._context.plan.digest,
            stage=order.stage,
            round=order.round,
            base=order.base,
            work_key=asked.work_key,
            accepted=self._context.accepted.get(self.site),
            ask=secrets.token_hex(16),
        )
        payload = self._context.model() if self._send_model else b""
        if self._send_model:
            self._record(Event.TASK_SENT, bytes=len(payload), stage=order.stage.value)
        self._send_model = False
        return self._seal(task, payload)

    def _seal(self, task: Task, payload: Payload) -> Question:
        expected = self._context.model_bytes if task.stage is Stage.TRAIN else 0
        timeout = self._context.patience.for_transfer(len(payload) + expected)
        return Question(task, seal_task(task, payload, self._context.key), timeout)

    def _prepare(self) -> Asked:
        """Write down what is asked before it is asked; a new cohort is new work, with a model of its own."""
        ready, order = self._context.cohorts[self.site], self._context.inspector.order
        asked = Asked(
            site=self.site,
            cohort=ready.cohort,
            train_cases=ready.train_cases,
            validation_cases=ready.validation_cases,
            test_cases=ready.test_cases,
            work_key=work_key(self._context.plan.digest, order.stage, order.round, order.base, ready.cohort),
        )
        if asked != self._asked:
            before = self._asked.cohort if self._asked is not None else self._context.former.get(self.site)
            if before not in (None, asked.cohort):
                cases = {"train_cases": asked.train_cases, "validation_cases": asked.validation_cases}
                self._record(Event.COHORT_CHANGED, cohort=asked.cohort, **cases)
            self._inbox.ask(asked)
            self._send_model = True
            self._asked = asked
        return asked

    # -- answers

    def _understand(self, question: Question, reply: Reply, answer: Envelope, now: float) -> None:
        if isinstance(reply, Done):
            self._take(reply, answer, now)
            return
        if isinstance(reply, Refused) and reply.ask == NO_ASK:
            self._accept_unopened(reply, now)
            return
        if reply.ask != question.task.ask:
            raise AnswerError(Blame.UNPROVEN, "the answer belongs to another question")
        if isinstance(reply, Ready):
            self._welcome(reply, now)
        elif isinstance(reply, Working):
            self._follow(reply, now)
        elif isinstance(reply, Missing):
            self._resend_model(question, now)
        elif isinstance(reply, Refused):
            self._accept_refusal(reply, now)
        else:
            raise AnswerError(Blame.UNPROVEN, "the answer does not belong to a round")

    def _welcome(self, ready: Ready, now: float) -> None:
        if ready.plan != self._context.plan.digest:
            self._decline("its answer names another plan", now)
            return
        self._context.inspector.check_ready(ready)
        self._context.cohorts[self.site] = ready
        self._greet = False
        self._recover(now)
        self._wake = now
        cases = {"train_cases": ready.train_cases, "validation_cases": ready.validation_cases}
        self._record(Event.SITE_READY, cohort=ready.cohort, version=ready.version, **cases)

    def _follow(self, working: Working, now: float) -> None:
        self._context.inspector.check_progress(working)
        if working.phase in _AT_WORK:
            self._recover(now)
        elif working.phase == "preparing" and self._status.preparing is None:
            self._status = replace(self._status, preparing=now)
        self._failures, self._wake = 0, max(now, self._asked_at + self._context.patience.pause)
        self._status = replace(
            self._status,
            phase=working.phase,
            step=working.step,
            steps=working.steps,
            seconds_left=working.seconds_left,
            reason=self._status.reason if self._in_trouble else "",
        )

    def _recover(self, now: float) -> None:
        """The site does what it is asked: its cases are ready, and what went wrong before is over."""
        self._failures, self._out_of_order = 0, False
        ready = now if self._status.ready is None else self._status.ready
        self._status = replace(self._status, reason="", ready=ready, preparing=None)
        self._move(SiteState.WORKING, now)

    def _resend_model(self, question: Question, now: float) -> None:
        self._send_model = True
        self._wake = now
        if question.envelope.payload:
            self._again("the model that was sent has not arrived", now)

    def _accept_refusal(self, refused: Refused, now: float) -> None:
        bearing, reason = MEANINGS[refused.code].bearing, reason_of(refused, self._context.terms)
        if bearing is Bearing.DECLINED:
            self._decline(reason, now, code=refused.code.value, correlation=refused.correlation)
            return
        if refused.code is RefusalCode.BAD_MODEL:
            self._send_model = True
        if refused.code is RefusalCode.COHORT_CHANGED:
            self._greet = True
        if bearing is Bearing.TROUBLE or _awaits_its_staff(refused):
            # Work that fails at the same place each time is asked for ever more slowly, though it begins well.
            self._troubles += 1
            self._failures, self._out_of_order = max(self._failures, self._troubles - 1), True
        self._again(reason, now)

    def _accept_unopened(self, refused: Refused, now: float) -> None:
        """The site could not open a task: it may have been damaged on the way, so one refusal of this kind is none."""
        # A hello that an earlier release cannot read is said again in the words of the first protocol.
        self._plainly = self._plainly or (self._greet and refused.code is RefusalCode.MALFORMED)
        if self._failures + 1 < _UNOPENED_LIMIT:
            self._again(f"it could not open the task: {reason_of(refused)}", now)
        else:
            self._accept_refusal(refused, now)

    def _take(self, done: Done, answer: Envelope, now: float) -> None:
        if self._asked is None:
            raise AnswerError(Blame.UNPROVEN, "the reply is to a task that was not sent")
        accepted = self._context.inspector.accept(done, answer.payload, self._asked)
        self.movement = self._context.inspector.measure(accepted)
        self._inbox.put(answer)
        self._record(
            Event.REPLY_STORED, work_key=done.work_key, bytes=len(answer.payload), seconds=round(done.seconds, 3)
        )
        self._recover(now)
        self._move(SiteState.DONE, now, phase="")

    def _refuse(self, error: AnswerError, now: float) -> None:
        if error.blame is Blame.SITE:
            self._record(Event.UPDATE_REFUSED, detail=error.detail)
            self._decline(f"what it sent was refused: {error.detail}", now)
            return
        self._record(Event.ANSWER_REFUSED, detail=error.detail)
        self._again(error.detail, now)

    def _decline(self, reason: str, now: float, **facts: str) -> None:
        self._refusals += 1
        self._record(Event.SITE_DECLINED, reason=reason, **facts)
        self._move(SiteState.DECLINED, now, phase="", reason=reason)

    def _again(self, reason: str, now: float) -> None:
        """Ask again after a while, a longer one each time."""
        self._failures += 1
        delay = self._context.patience.retry(self._failures)
        self._wake = now + delay
        if without_id(reason) != without_id(self._status.reason):
            self._record(Event.SITE_TROUBLE, detail=reason, retry_in=delay)
        self._status = replace(self._status, reason=reason)
        if self._in_trouble and self._status.state is SiteState.WORKING:
            self._move(SiteState.TROUBLE, now)

    @property
    def _in_trouble(self) -> bool:
        return self._out_of_order or self._failures >= _TROUBLE_LIMIT

    def _recall_reply(self, now: float) -> None:
        """After a restart: a reply that is here and sound is not asked for again."""
        if not self._inbox.has_reply() or self._asked is None:
            return
        try:
            envelope = self._inbox.get()
            reply = self._context.inspector.open_kept(envelope, self._context.ring.signers(self._member))
            if not isinstance(reply, Done):
                raise AnswerError(Blame.UNPROVEN, "the stored answer is not a finished reply")
            accepted = self._context.inspector.accept(reply, envelope.payload, self._asked)
            self.movement = self._context.inspector.measure(accepted)
        except (AnswerError, FileNotFoundError) as error:
            self._record(Event.REPLY_DAMAGED, detail=str(error))
            self._inbox.discard()
            return
        self._recover(now)
        self._move(SiteState.DONE, now)

    def _move(self, state: SiteState, now: float, **changes: str) -> None:
        if self._status.state is not state:
            troubled = self._status.trouble_until(now)
            self._status = replace(self._status, state=state, since=now, troubled=troubled)
        if changes:
            self._status = replace(self._status, **changes)  # type: ignore[arg-type]

    def _record(self, event: Event, **facts: str | int | float) -> None:
        self._context.journal.record(event, round=self._context.inspector.order.round, site=self.site, **facts)


def _awaits_its_staff(refused: Refused) -> bool:
    """Whether a site refuses even a hello since its cases have changed: amid a round that is news, here it stays so."""
    return refused.code is RefusalCode.COHORT_CHANGED and refused.work_key is None
