"""What a run makes of its validations: which is the best, when to end, and what a schedule learns from them."""

from __future__ import annotations

from dataclasses import dataclass

from wardround.engine.experiments.history import HistoryRow, Memory
from wardround.engine.experiments.run_length import RunLength
from wardround.engine.parts import Kind
from wardround.engine.parts.optimization import schedule_of
from wardround.engine.study import Study


@dataclass(frozen=True)
class Judge:
    """By the selecting metric of a study. What it says is a function of a run's memory, which a checkpoint keeps."""

    study: Study

    @property
    def metric(self) -> str:
        """The selecting metric."""
        return self.study.validation.select

    @property
    def higher_is_better(self) -> bool:
        """The metric's direction."""
        use = next(use for use in self.study.validation.metrics if use.name == self.metric)
        return use.part(Kind.METRIC).higher_is_better

    def after(self, memory: Memory, row: HistoryRow) -> Memory:
        """The memory with one more validation."""
        return memory.followed_by(row, row.metrics.get(self.metric), higher_is_better=self.higher_is_better)

    def is_over(self, memory: Memory, length: RunLength) -> bool:
        """Whether the study's patience with a run that gets no better is at its end. It never is while no validation
        had a score, of which nothing can be told."""
        patience, best = self.study.training.patience, memory.best
        return patience is not None and best is not None and memory.done - best >= patience * length.steps_per_epoch

    def rate_scale(self, memory: Memory) -> float:
        """What the study's schedule makes of the validations so far."""
        scores, higher = memory.scores(self.metric), self.higher_is_better
        use = self.study.training.schedule
        return use.ask(Kind.SCHEDULE, lambda parameters: schedule_of(parameters).factor_after(scores, higher))
