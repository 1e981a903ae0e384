"""The account of what was done for the accepted plan. It only grows, and bounds what is done by what was accepted.

Rounds go forward. A piece of work that does not (another model for a round that was begun, a round again, other fitted
values than the work before had) uses one of the policy's `allowance`, which is there for an aggregator that was set
back. So however the tasks are signed, a site never takes more pieces of work, trains more steps or releases more
updates than the horizon and the allowance. No allowance is there for what nobody needs twice: a second answer to a
question about the cases, whose difference to the first would tell who has come, and scores of test cases for a second
model.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError

from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.files import DamagedError
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import later_release
from wardround.federation.endings import AnyEndReason, EndReason
from wardround.federation.protocol import Count, Digest, Plan, RefusalCode, Stage, Task
from wardround.federation.stages import TERMS, Needed
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.agreement.chained import ChainedLog

_MOST_ENDS = 100
"""How often, beyond its rounds, a run may end and go on again."""


class Deed(StrEnum):
    """What is written down: before a task is kept, before a signed reply is, and when the run has ended."""

    TAKEN = "taken"
    RELEASED = "released"
    CONCLUDED = "concluded"


class Entry(Closed):
    """One line of the account.

    Attributes:
        steps: training steps that the work takes.
        update: digest of what left, or None after an evaluation.
        end: why the run has ended.
        fitted: digest of the fitted values that the work takes, where the study fits any.
    """

    time: str
    deed: Deed
    stage: Stage
    round: Count
    base: Digest | None = None
    work_key: Digest | None = None
    steps: Count = 0
    update: Digest | None = None
    end: Annotated[AnyEndReason, Added("0.2.0")] = EndReason.COMPLETE
    exchange: Annotated[int, Added("0.3.0"), Field(ge=1)] = 1
    fitted: Annotated[Digest | None, Added("0.3.0")] = None

    @property
    def work(self) -> Work:
        """What was taken, or released."""
        return Work(self.stage, self.round, self.base or "", self.exchange, self.fitted or "")


@dataclass(frozen=True)
class Work:
    """What a task asks for, whatever the cohort is: the same again is no other work."""

    stage: Stage
    round: int
    base: str
    exchange: int = 1
    fitted: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """Round, and place among the exchanges of the round."""
        return self.round, self.exchange


@dataclass
class Tally:
    """The account summed up.

    Attributes:
        highest: the last exchange of the highest round that was taken.
        last: the work that was taken last.
        answered: whether its reply was released.
        open: work that was taken and not released.
        works: pieces of work taken.
        steps: training steps of these.
        extra: how many of them did not go forward.
        updates: work key and digest of each update that was released.
        trained: whether any round was trained.
        fitted: digest of the fitted values that the last work on a model took; None before there was any.
        tested: the model whose final evaluation was taken, and the digest of the fitted values that came with it.
        surveyed: the work key of the answer that was released to each question about the cases.
        concluded: after how many rounds the run has ended, and why, if it has.
        conclusions: how often that was said.
    """

    highest: tuple[int, int] = (0, 0)
    last: Work | None = None
    answered: bool = False
    open: set[Work] = field(default_factory=set)
    works: int = 0
    steps: int = 0
    extra: int = 0
    updates: set[tuple[str | None, str]] = field(default_factory=set)
    replies: set[tuple[str | None, str | None]] = field(default_factory=set)
    trained: bool = False
    fitted: str | None = None
    tested: tuple[str, str] | None = None
    surveyed: dict[tuple[int, int], str | None] = field(default_factory=dict)
    concluded: tuple[int, EndReason] | None = None
    conclusions: int = 0

    def cost(self, work: Work) -> int:
        """How much of the allowance the work uses: nothing when it goes forward, or is the one at hand.

        What preprocessing has learned is learned once: whoever sends other values asks for the cases in another form.
        """
        is_at_hand = work == self.last and not self.answered
        is_prepared_alike = not _is_on_a_model(work.stage) or self.fitted in (None, work.fitted)
        return 0 if is_at_hand or (work.place > self.highest and is_prepared_alike) else 1

    def add(self, entry: Entry, rounds: int) -> None:
        """Count one entry of a plan of so many rounds."""
        if entry.deed is Deed.CONCLUDED:
            self.concluded = entry.round, entry.end
            self.conclusions += 1
        elif entry.deed is Deed.TAKEN:
            self._take(entry, rounds)
        else:
            self.replies.add((entry.work_key, entry.update))
            self.answered = True
            self.open.discard(entry.work)
            if TERMS[entry.stage].before_training:
                self.surveyed.setdefault(entry.work.place, entry.work_key)
            if entry.update is not None:
                self.updates.add((entry.work_key, entry.update))

    def _take(self, entry: Entry, rounds: int) -> None:
        work = entry.work
        self.extra += self.cost(work)
        self.works += 1
        self.steps += entry.steps
        self.highest = max(self.highest, work.place)
        self.trained = self.trained or TERMS[work.stage].trains
        self.fitted = work.fitted if _is_on_a_model(work.stage) else self.fitted
        self.tested = (work.base, work.fitted) if _is_final(work, rounds) else self.tested
        self.last, self.answered, self.concluded = work, False, None
        self.open.add(work)


def _tell_nobody(file: Path) -> None:
    """Say nothing."""


class Account:
    """The account of one plan, under `root`. Only the courier writes it.

    `on_mended` is told of each file that was made again from its copy.
    """

    def __init__(self, root: Path, plan: Plan, on_mended: Callable[[Path], None] = _tell_nobody) -> None:
        self._plan = plan
        self._log = ChainedLog(root / f"{plan.digest}.jsonl")
        self._seen: tuple[tuple[int, int], ...] | None = None
        self._tally = Tally()
        self._on_mended = on_mended

    def glance(self) -> Tally:
        """What was done so far, for a process that only shows it. Raises `InputError` where it is no account."""
        try:
            return self._sum(self._log.peek())
        except ValidationError as error:
            raise later_release(error, self._log.path) or InputError.one(_way_out(self._log.path)) from None

    def _sum(self, entries: tuple[JsonValue, ...]) -> Tally:
        # Rounds that the plan carries on were done before: none of them goes forward under it.
        tally = Tally(highest=(0, 0) if self._plan.after is None else (self._plan.after.rounds, 1))
        for entry in entries:
            tally.add(Entry.model_validate(entry), self._plan.horizon.rounds)
        return tally

    def tally(self) -> Tally:
        """What was done so far. Raises `Refusal` when it cannot be read."""
        if self._seen != self._log.state():
            try:
                entries, mended = self._log.read()
                tally = self._sum(entries)
            except (DamagedError, ValidationError) as error:
                reason = str(later_release(error, self._log.path) or _way_out(self._log.path))
                raise Refusal(RefusalCode.ACCOUNT_DAMAGED, reason) from error
            for file in mended:
                self._on_mended(file)
            self._tally, self._seen = tally, self._log.state()
        return self._tally

    def check(self, task: Task, allowance: int) -> None:
        """Raise `Refusal` unless the accepted plan and the allowance still cover the work."""
        tally, work = self.tally(), _work(task)
        if _is_final(work, self._plan.horizon.rounds):
            _check_final(tally, work, task)
        if TERMS[work.stage].before_training:
            _check_survey(tally, work, task)
        if tally.extra + tally.cost(work) > allowance:
            raise Refusal(
                RefusalCode.BEYOND_AGREEMENT,
                f"{work.stage.value} round {work.round} of this model does not go forward, or comes with other fitted "
                f"values: {tally.works} pieces of work were done for the plan's {self._plan.rounds} rounds, "
                f"{tally.extra} of them again or for another model. Where the coordinator has a good reason, such as "
                "an aggregator that was set back, raise "
                f"`allowance` ({allowance}) in policy.yaml",
            )

    def take(self, task: Task, allowance: int) -> None:
        """Write down that a task is taken, before it is. Raises `Refusal`, or OSError when it cannot be written."""
        self.check(task, allowance)
        tally, work = self.tally(), _work(task)
        if work == tally.last and not tally.answered:
            return
        steps = self._plan.horizon.local_steps if TERMS[task.stage].trains else 0
        self._append(_entry(Deed.TAKEN, task, steps=steps))

    def release(self, task: Task, update: str | None, allowance: int) -> None:
        """Write down that a reply is released, before it is. Raises `Refusal`, or OSError when it cannot be written.

        The same reply again is no other; another one to the same work, of a device that does not compute the same
        twice, counts as one more update.
        """
        if (task.work_key, update) in self.tally().replies:
            return
        if _work(task) not in (self.tally().last, *self.tally().open):
            self.take(task, allowance)  # taken by a release that kept no account, or before the account was lost
        most = self._plan.rounds + allowance
        if update is not None and len(self.tally().updates) >= most:
            raise Refusal(RefusalCode.BEYOND_AGREEMENT, f"{most} updates were released, and no more are agreed to")
        self._append(_entry(Deed.RELEASED, task, update=update))

    def conclude(self, task: Task) -> bool:
        """Write down that the run has ended; whether that is news.

        Ends beyond all that can come of rounds are not: the account does not grow without end.
        """
        tally = self.tally()
        if tally.concluded == (task.round, task.end) or tally.conclusions > _MOST_ENDS + self._plan.horizon.rounds:
            return False
        self._append(_entry(Deed.CONCLUDED, task))
        return True

    def _append(self, entry: Entry) -> None:
        tally = self.tally()
        self._log.append(entry.model_dump(mode="json"))
        tally.add(entry, self._plan.horizon.rounds)
        self._seen = self._log.state()


def _entry(deed: Deed, task: Task, *, steps: int = 0, update: str | None = None) -> Entry:
    return Entry(
        time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        deed=deed,
        stage=task.stage,
        round=task.round,
        base=task.base,
        work_key=task.work_key,
        steps=steps,
        update=update,
        end=task.end,
        exchange=task.exchange,
        fitted=_fitted(task) or None,
    )


def _work(task: Task) -> Work:
    return Work(task.stage, task.round, task.base or "", task.exchange, _fitted(task))


def _is_on_a_model(stage: Stage) -> bool:
    return TERMS[stage].needs is Needed.MODEL


def _fitted(task: Task) -> str:
    """Digest of the fitted values that came with work on a model; the questions of a survey learn them only."""
    return task.fitted.digest if task.fitted is not None and _is_on_a_model(task.stage) else ""


def _is_final(work: Work, rounds: int) -> bool:
    return TERMS[work.stage].scores_tests and work.round == rounds + 1


def _check_survey(tally: Tally, work: Work, task: Task) -> None:
    """Each question is answered once, before training: a later answer of other cases would tell who has come."""
    if tally.highest[0] > 0:
        raise Refusal(RefusalCode.BEYOND_AGREEMENT, "cases are surveyed before all training, and some was done")
    if tally.surveyed.get(work.place, task.work_key) != task.work_key:
        raise Refusal(
            RefusalCode.BEYOND_AGREEMENT,
            f"question {work.exchange} about the cases was answered: it is not answered again in other words, or for "
            "other cases",
        )


def _check_final(tally: Tally, work: Work, task: Task) -> None:
    if tally.tested is not None and tally.tested != (work.base, work.fitted):
        raise Refusal(
            RefusalCode.TEST_ALREADY_SCORED,
            f"the test cases were scored for the model {tally.tested[0][:12]}, and are for no other of this plan",
        )
    if not tally.trained and task.accepted is None:
        raise Refusal(
            RefusalCode.TEST_TOO_EARLY, "the test cases are scored after the last round, and no round was trained here"
        )


def _way_out(path: Path) -> str:
    return (
        f"{path} and its copy are damaged: what was done for the accepted plan cannot be told. Restore the folder "
        f"{path.parent} from a backup, or move it away to begin a new account, then start the site client again"
    )
