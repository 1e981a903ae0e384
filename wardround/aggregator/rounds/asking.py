"""The questions to one site in an exchange: a hello, unless its cohort is known; then the task of the exchange's order.

What belongs to a task, such as a model, goes with it the first time; then the task is said again without it, under the
same work key, until the site is done.
"""

from __future__ import annotations

import secrets

from wardround.aggregator.journal import Event
from wardround.aggregator.rounds.context import Question, RoundContext
from wardround.aggregator.rounds.inbox import Inbox
from wardround.aggregator.rounds.records import Asked
from wardround.aggregator.rounds.standing import Record
from wardround.federation.envelope import Payload
from wardround.federation.protocol import FEATURES, Ready, Stage, Task, work_key
from wardround.federation.sealing import seal_task
from wardround.federation.stages import TERMS


class Asking:
    """Makes the next question, and writes down what is asked before it is."""

    def __init__(self, context: RoundContext, site: str, inbox: Inbox, record: Record) -> None:
        self._context = context
        self._site = site
        self._inbox = inbox
        self._record = record
        self._greets = site not in context.cohorts
        self._plainly = False
        self.asked = inbox.asked()
        self._sends_payload = self.asked is None

    def question(self) -> Question:
        """What to ask now."""
        return self._hello() if self._greets else self._work()

    def greet(self) -> None:
        """Say hello next."""
        self._greets = True

    def plainly(self) -> None:
        """A hello that an earlier release cannot read is said again in the words of the first protocol."""
        self._plainly = self._plainly or self._greets

    def welcome(self, ready: Ready) -> None:
        """The site has said what it holds: the task comes next."""
        self._context.cohorts[self._site] = ready
        self._greets = False

    def send_payload(self) -> None:
        """Send next time what belongs to the task: the site has not got it."""
        self._sends_payload = True

    def _hello(self) -> Question:
        plan = self._context.plan
        hello = Task(
            site=self._site,
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
            site=self._site,
            plan=self._context.plan.digest,
            stage=order.stage,
            round=order.round,
            base=order.base,
            work_key=asked.work_key,
            accepted=self._context.accepted.get(self._site),
            ask=secrets.token_hex(16),
            exchange=order.exchange,
            fitted=None if self._context.fitted.is_empty else self._context.fitted,
        )
        payload = self._context.payload(self._site) if self._sends_payload else b""
        if self._sends_payload:
            self._record(Event.TASK_SENT, bytes=len(payload), stage=order.stage.value)
        self._sends_payload = False
        return self._seal(task, payload)

    def _seal(self, task: Task, payload: Payload) -> Question:
        expected = self._context.update_bytes if TERMS[task.stage].trains else 0
        timeout = self._context.patience.for_transfer(len(payload) + expected)
        return Question(task, seal_task(task, payload, self._context.key), timeout)

    def _prepare(self) -> Asked:
        """Write down what is asked before it is asked; a new cohort is new work, whose payload is sent anew."""
        ready, order = self._context.cohorts[self._site], self._context.inspector.order
        plan, fitted = self._context.plan.digest, order.fitted or ""
        asked = Asked(
            site=self._site,
            cohort=ready.cohort,
            train_cases=ready.train_cases,
            validation_cases=ready.validation_cases,
            test_cases=ready.test_cases,
            work_key=work_key(plan, order.stage, order.round, order.base, ready.cohort, fitted),
        )
        if asked != self.asked:
            before = self.asked.cohort if self.asked is not None else self._context.former.get(self._site)
            if before not in (None, asked.cohort):
                cases = {"train_cases": asked.train_cases, "validation_cases": asked.validation_cases}
                self._record(Event.COHORT_CHANGED, cohort=asked.cohort, **cases)
            self._inbox.ask(asked)
            self._sends_payload = True
            self.asked = asked
        return asked
