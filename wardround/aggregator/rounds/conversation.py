"""One site's part in an exchange: what its answers mean. Knows neither threads nor sockets.

What is asked is `asking`, how long to wait for what `standing`. Any question may be repeated and any answer may be
lost, delayed, duplicated or forged.
"""

from __future__ import annotations

import threading

from wardround.aggregator.journal import Event
from wardround.aggregator.rounds.asking import Asking
from wardround.aggregator.rounds.context import Question, RoundContext, Traffic, lacking
from wardround.aggregator.rounds.inbox import Inbox
from wardround.aggregator.rounds.inspection import AnswerError, Blame
from wardround.aggregator.rounds.movement import Movement
from wardround.aggregator.rounds.own_values import in_words, own_values
from wardround.aggregator.rounds.sites import SiteStatus
from wardround.aggregator.rounds.standing import Standing
from wardround.aggregator.rounds.timing import SiteTimes
from wardround.aggregator.rounds.troubles import MEANINGS, Bearing, reason_of
from wardround.federation.envelope import Envelope
from wardround.federation.identities import Member
from wardround.federation.protocol import NO_ASK, Done, Missing, Ready, RefusalCode, Refused, Reply, Working

_UNKNOWN = SiteTimes()
_UNOPENED_LIMIT = 3


class Conversation:
    """With one site in one exchange. `next` and `heard` are called by one thread; all methods are safe beside them.

    `times` are those of the site in this exchange, as far as they are known from before a restart.
    """

    def __init__(
        self, context: RoundContext, member: Member, inbox: Inbox, now: float, times: SiteTimes = _UNKNOWN
    ) -> None:
        self._context = context
        self._member = member
        self._inbox = inbox
        self._lock = threading.RLock()
        self._asking = Asking(context, member.name, inbox, self._record)
        self._standing = Standing(member.name, context.patience, self._record, now, times)
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
        return self._standing.status

    def close(self) -> None:
        """The exchange is over: what is heard from now on changes nothing."""
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
            if not self._barred and self._standing.persuade(now):
                self._asking.greet()

    def observe(self, now: float, silent: float | None) -> None:
        """Note whether the link hears the site, `silent` seconds ago (None for never), between `next` and `heard`."""
        if not self._lock.acquire(blocking=False):
            return  # an answer is being taken in at this moment
        try:
            self._note_keys(now)
            if not self._is_over:
                self._standing.present(now, silent)
        finally:
            self._lock.release()

    def next(self, now: float, silent: float | None) -> Question | None:
        """What to ask now, or None. `silent`: seconds since the site was last heard by the link, None for never."""
        with self._lock:
            self._note_keys(now)
            if self._is_over or not self._standing.present(now, silent) or not self._standing.is_due(now):
                return None
            return self._asking.question()

    def heard(self, question: Question, answer: Envelope | None, now: float) -> None:
        """Take in what came back for a question; None when nothing did."""
        with self._lock:
            self._note_keys(now)
            if self._closed or self._barred or self._standing.is_done:
                return
            self.traffic = self.traffic.plus(question, answer)
            if answer is None:
                self._standing.again("no answer", now)
                return
            try:
                reply = self._context.inspector.open(answer, self._context.ring.current(self._member))
                self._standing.heard(now)
                self._understand(question, reply, answer, now)
            except AnswerError as error:
                self._refuse(error, now)

    @property
    def _is_over(self) -> bool:
        return self._closed or self._standing.is_over

    def _note_keys(self, now: float) -> None:
        """A site whose key was revoked has declined, also if its reply is here; with a new key it is asked again."""
        revoked = self._context.ring.is_revoked(self.site)
        if self._closed or revoked == self._barred:
            return
        self._barred = revoked
        if revoked:
            self._inbox.discard()
            self._standing.decline("its key was revoked", now)
        else:
            self._asking.greet()
            self._standing.readmit(now)

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
            self._context.inspector.check_progress(reply)
            self._standing.follow(reply, now)
        elif isinstance(reply, Missing):
            self._resend_payload(question, now)
        elif isinstance(reply, Refused):
            self._accept_refusal(reply, now)
        else:
            raise AnswerError(Blame.UNPROVEN, "the answer does not belong to a round")

    def _welcome(self, ready: Ready, now: float) -> None:
        if ready.plan != self._context.plan.digest:
            self._standing.decline("its answer names another plan", now)
            return
        if missing := self._context.needed - set(ready.features):
            self._standing.decline(lacking(missing), now)
            return
        self._context.inspector.check_ready(ready)
        self._asking.welcome(ready)
        self._standing.recover(now)
        self._standing.wake(now)
        cases = {"train_cases": ready.train_cases, "validation_cases": ready.validation_cases}
        self._record(Event.SITE_READY, cohort=ready.cohort, version=ready.version, **cases)

    def _resend_payload(self, question: Question, now: float) -> None:
        self._asking.send_payload()
        self._standing.wake(now)
        if question.envelope.payload:
            self._standing.again("the model that was sent has not arrived", now)

    def _accept_refusal(self, refused: Refused, now: float) -> None:
        bearing, reason = MEANINGS[refused.code].bearing, reason_of(refused, self._context.terms)
        if bearing is Bearing.DECLINED:
            self._standing.decline(reason, now, code=refused.code.value, correlation=refused.correlation)
            return
        if refused.code is RefusalCode.BAD_MODEL:
            self._asking.send_payload()
        if refused.code is RefusalCode.COHORT_CHANGED:
            self._asking.greet()
        if bearing is Bearing.TROUBLE or _awaits_its_staff(refused):
            self._standing.out_of_order()
        self._standing.again(reason, now)

    def _accept_unopened(self, refused: Refused, now: float) -> None:
        """The site could not open a task: it may have been damaged on the way, so one refusal of this kind is none."""
        if refused.code is RefusalCode.MALFORMED:
            self._asking.plainly()
        if self._standing.failed_before(_UNOPENED_LIMIT):
            self._accept_refusal(refused, now)
        else:
            self._standing.again(f"it could not open the task: {reason_of(refused)}", now)

    def _take(self, done: Done, answer: Envelope, now: float) -> None:
        self._check(done, answer)
        self._inbox.put(answer)
        self._record(
            Event.REPLY_STORED, work_key=done.work_key, bytes=len(answer.payload), seconds=round(done.seconds, 3)
        )
        self._tell_own(done)
        self._standing.finish(now)

    def _tell_own(self, done: Done) -> None:
        """Write down what a survey's answer tells of this site alone."""
        inspector = self._context.inspector
        words = "" if done.summary is None else in_words(own_values(done.summary), inspector.names)
        if words:
            self._record(Event.SURVEY_ANSWERED, exchange=inspector.order.exchange, detail=words)

    def _check(self, done: Done, answer: Envelope) -> None:
        """Inspect a finished reply, and measure it. Raises `AnswerError`."""
        if self._asking.asked is None:
            raise AnswerError(Blame.UNPROVEN, "the reply is to a task that was not sent")
        accepted = self._context.inspector.accept(done, answer.payload, self._asking.asked)
        self.movement = self._context.inspector.measure(accepted)

    def _refuse(self, error: AnswerError, now: float) -> None:
        if error.blame is Blame.SITE:
            self._record(Event.UPDATE_REFUSED, detail=error.detail)
            self._standing.decline(f"what it sent was refused: {error.detail}", now)
            return
        self._record(Event.ANSWER_REFUSED, detail=error.detail)
        self._standing.again(error.detail, now)

    def _recall_reply(self, now: float) -> None:
        """After a restart: a reply that is here and sound is not asked for again."""
        if not self._inbox.has_reply() or self._asking.asked is None:
            return
        try:
            envelope = self._inbox.get()
            reply = self._context.inspector.open_kept(envelope, self._context.ring.signers(self._member))
            if not isinstance(reply, Done):
                raise AnswerError(Blame.UNPROVEN, "the stored answer is not a finished reply")
            self._check(reply, envelope)
        except (AnswerError, FileNotFoundError) as error:
            self._record(Event.REPLY_DAMAGED, detail=str(error))
            self._inbox.discard()
            return
        self._standing.finish(now)

    def _record(self, event: Event, **facts: str | int | float) -> None:
        self._context.journal.record(event, round=self._context.inspector.order.round, site=self.site, **facts)


def _awaits_its_staff(refused: Refused) -> bool:
    """Whether a site refuses even a hello since its cases have changed: amid a round that is news, here it stays so."""
    return refused.code is RefusalCode.COHORT_CHANGED and refused.work_key is None
