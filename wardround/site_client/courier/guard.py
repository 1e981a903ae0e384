"""The outbound guard: what a result must be before the courier signs it."""

from __future__ import annotations

from dataclasses import dataclass

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.study import Study
from wardround.federation.declared import (
    LOSS,
    MOST_CASES,
    TEST_PREFIX,
    Declared,
    Subsets,
    UndeclaredError,
)
from wardround.federation.guards import GuardError
from wardround.federation.payload import PayloadError, payload_digest, unpack
from wardround.federation.protocol import STATE_LOST, Done, Leaves, MetricValue, RefusalCode, Task
from wardround.federation.sealing import MAX_REPLY_BYTES
from wardround.federation.stages import TERMS, Returned
from wardround.federation.strategies.sharing import WEIGHTS_ALONE, Sharing, in_words, largest, model_schema
from wardround.federation.surveyed import check_request, check_summary, request_from_bytes
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.agreement.settings import Policy, fewest_scored
from wardround.site_client.between.folders import WorkResult
from wardround.site_client.between.socket import CohortReport
from wardround.site_client.courier.answers import named_work

EVERYTHING_DECLARED = Leaves()
"""What leaves where the plan does not say."""


_LONGEST_SUMMARY = MAX_REPLY_BYTES - 2**12
"""The rest of a reply's body has much less than four kilobytes."""


@dataclass(frozen=True)
class Outgoing:
    """A reply that has passed, what the strategy shares in it, and names of the metrics that the policy keeps back."""

    reply: Done
    update: bytes
    withheld: tuple[str, ...]
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplyGuard:
    """What decides whether a result may leave: the study's names, plan and policy, and the cohort's size.

    Attributes:
        leaves: the scores that the accepted plan speaks of; no other may leave, whatever the policy.
        understood: features that the aggregator named at its last hello.
        sharing: what the accepted plan's strategy declares.
    """

    study: Study
    policy: Policy
    site: str
    leaves: Leaves = EVERYTHING_DECLARED
    understood: tuple[str, ...] = ()
    sharing: Sharing = WEIGHTS_ALONE

    def release(self, task: Task, result: WorkResult, update: bytes, base: bytes) -> Outgoing:
        """The reply to `task`. Raises `Refusal` with REPLY_BLOCKED when anything is not as declared.

        The update must be of the groups that the strategy declares, with the names, shapes and types that follow from
        the model that came from the aggregator, and of finite numbers only. Metrics and loss must be the study's,
        within their ranges; metrics of fewer cases than the policy wants stay here.
        """
        self._check_size(result.train_cases)
        self._check_update(task, result, update, base)
        self._check_summary(task, result, base)
        metrics, withheld = self._metrics(task, result)
        reply = Done(
            site=self.site,
            work_key=named_work(task),
            update=result.update,
            train_cases=result.train_cases,
            loss=result.loss if self._lets_out(LOSS) else None,
            metrics=metrics,
            seconds=result.seconds,
            state_lost=result.state_lost and STATE_LOST in self.understood,
            summary=result.summary,
            numbers=result.numbers,
        )
        shared = in_words((*self.sharing.up, *self.sharing.numbers)) if result.update is not None else ()
        return Outgoing(reply, update, withheld, shared)

    def admit(self, cohort: CohortReport) -> None:
        """Raise `Refusal` when the cohort is smaller than the policy wants."""
        self._check_size(cohort.train_cases)

    def _check_size(self, train_cases: int) -> None:
        minimum = self.policy.minimum_train_cases
        if train_cases < minimum:
            raise Refusal(RefusalCode.COHORT_TOO_SMALL, f"{train_cases} training cases, the policy wants {minimum}")

    def _check_update(self, task: Task, result: WorkResult, update: bytes, base: bytes) -> None:
        if TERMS[task.stage].trains != (result.update is not None):
            raise _blocked("an update where there should be none, or none where there should be one")
        if result.update is None:
            if update or result.numbers:
                raise _blocked("tensors or numbers of a strategy without an update")
            return
        if payload_digest(update) != result.update:
            raise _blocked("the update's bytes are not those that the result names")
        try:
            model = model_schema(unpack(base))
            self.sharing.check_up(unpack(update, largest(self.sharing.up, model)), model)
            self.sharing.check_numbers(result.numbers)
        except (PayloadError, GuardError, UndeclaredError) as error:
            raise _blocked(str(error)) from error

    def _check_summary(self, task: Task, result: WorkResult, base: bytes) -> None:
        """Statistics leave only where the study makes the request, and enough cases stand behind them."""
        if (Returned.SUMMARY in TERMS[task.stage].returns) != (result.summary is not None):
            raise _blocked("statistics where there should be none, or none where there should be some")
        if result.summary is None:
            return
        if result.metrics or result.loss is not None:
            raise _blocked("scores beside statistics")
        try:
            request = request_from_bytes(base)
            check_request(self.study, request, task.exchange)
            check_summary(request, result.summary, result.train_cases)
        except UndeclaredError as error:
            raise _blocked(str(error)) from error
        self._check_size(result.summary.least_count)
        if len(canonical_model(result.summary)) > _LONGEST_SUMMARY:
            raise _blocked("statistics that are longer than a reply may be")

    def _metrics(self, task: Task, result: WorkResult) -> tuple[dict[str, MetricValue], tuple[str, ...]]:
        subsets = Subsets(MOST_CASES, MOST_CASES if TERMS[task.stage].scores_tests else None)
        try:
            declared = Declared.of(self.study)
            declared.check_scores(result.metrics, subsets)
            declared.check_loss(result.loss)
        except UndeclaredError as error:
            raise _blocked(str(error)) from error
        kept = {name: value for name, value in sorted(result.metrics.items()) if self._may_leave(name, value)}
        return kept, tuple(sorted(set(result.metrics) - set(kept)))

    def _may_leave(self, name: str, value: MetricValue) -> bool:
        if name.startswith(TEST_PREFIX) and not self.leaves.test:
            return False
        return value.count >= fewest_scored(self.policy, self.study) and self._lets_out(name.removeprefix(TEST_PREFIX))

    def _lets_out(self, name: str) -> bool:
        return self.policy.lets_out(name) and self.leaves.lets_out(name)


def _blocked(reason: str) -> Refusal:
    return Refusal(RefusalCode.REPLY_BLOCKED, reason)
