"""Survival: how long a patient was followed, and whether the event came then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.basics.flaws import Flaw, flow
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.parts.losses import loss_of
from wardround.engine.study.models import Study
from wardround.engine.study.truths import Outputs
from wardround.engine.targets.cells import number_in
from wardround.engine.targets.number_rows import BETWEEN, NumberRows
from wardround.engine.targets.target import Column, Columns, Form, Holding, Told
from wardround.engine.targets.unclassed import stray_classes

if TYPE_CHECKING:
    import numpy as np

TIME, EVENT = "Time", "Event"
RISK = "risk"
_SPELT = {"1": 1, "1.0": 1, "0": 0, "0.0": 0}
_MEANT = {
    1: frozenset({"yes", "y", "true", "t", "dead", "death", "died", "deceased", "event", "relapse", "recurrence"}),
    0: frozenset({"no", "n", "false", "f", "alive", "living", "censored", "none"}),
}
_QUARTERS = 4
_FEWEST = 16
"""Cases from which folds get the like of early and late ones, too."""


class Survival(NumberRows):
    """Time until an event, or until nobody looked any more; a prediction is the logarithm of a relative risk."""

    name = "survival"
    noun = "time and event"
    remedy = "Give it a Time, and an Event of 1 or 0"
    title = "survival"
    scores_tell_truths = True
    why_undefined = "Undefined: no event comes before the time of another case, or the score is of a whole cohort."
    selectable = "with events and later times than theirs"
    report = "wardround.engine.report.survival:add_survival"

    def outputs(self, study: Study) -> Outputs:
        """The risk alone."""
        return (RISK,)

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """No classes, no background and no targets."""
        yield from stray_classes(study, "a survival study")
        if study.targets:
            what, got = "the columns of a survival study are Time and Event", flow(list(study.targets))
            yield Flaw(("targets",), what, got, "no `targets`", remedy="Take the line out")

    def columns(self, study: Study) -> Columns:
        """`Time` and `Event`."""
        times = {
            "time",
            "t",
            "days",
            "months",
            "years",
            "duration",
            "survivaltime",
            "futime",
            "followup",
            "os",
            "ostime",
        }
        events = {"event", "e", "status", "dead", "death", "died", "fustat", "osstatus", "vitalstatus", "observed"}
        return (
            Column(TIME, "the time until the event, or until the patient was last seen", frozenset(times)),
            Column(EVENT, "1 where the event was seen at that time, 0 where it was not", frozenset(events)),
        )

    def value(self, study: Study, cells: Mapping[str, str]) -> str:
        """The shortest text of the time, as float64 has it, and 1 or 0."""
        findings, time, event = Findings(), 0.0, 0
        with findings.gather():
            time = _time_in(cells[TIME])
        with findings.gather():
            event = _event_in(cells[EVENT])
        findings.raise_if_any()
        return f"{time!r}{BETWEEN}{event}"

    def spoken(self, study: Study, told: Told) -> str:
        """`event after 538`, or `no event until 538`."""
        if not told.numbers:
            return ""
        time, event = told.numbers
        return f"event after {time:g}" if event else f"no event until {time:g}"

    def stratum(self, value: str | None) -> str:
        """Whether the event was seen."""
        return (value or "").partition(BETWEEN)[2]

    def strata(self, values: Sequence[str | None]) -> list[str]:
        """Whether the event was seen, and the quarter of those alike that a case's time is in."""
        import numpy as np

        times = np.array([float((value or "0").partition(BETWEEN)[0]) for value in values])
        events = np.array([self.stratum(value) for value in values])
        if len(values) < _FEWEST:
            return [str(event) for event in events]
        found = np.empty(len(values), dtype=object)
        for event in sorted({*events.tolist()}):
            alike = events == event
            edges = np.quantile(times[alike], np.arange(1, _QUARTERS) / _QUARTERS)
            found[alike] = [f"{event} {place}" for place in np.searchsorted(edges, times[alike], side="right")]
        return [str(each) for each in found]

    def mixed_by(self, case: Holding) -> str:
        """Whether the event was seen: a batch without events teaches a partial likelihood nothing."""
        return str(int(case.numbers[1])) if case.numbers else ""

    def table_flaws(self, study: Study, values: Sequence[str]) -> Iterator[Problem]:
        """Without an event that comes before another case's time nobody is at a higher risk than another."""
        told = [self.told(study, value).numbers for value in values]
        events = [time for time, event in told if event]
        if len(told) > 1 and not events:
            what, got = "no row has an event", f"0 in {EVENT} in all {len(told)} rows"
            remedy = "Write 1 where the event was seen; or are 1 and 0 exchanged?"
            yield Problem(what, "", got, "1 in some rows", remedy)
        elif events and min(events) >= max(time for time, _ in told):
            what, got = "no event comes before the time of another row", f"the first event after {min(events):g}"
            remedy = f"Write in {TIME} how long each patient was followed"
            yield Problem(what, "", got, "times that differ", remedy)

    def table_notices(self, study: Study, values: Sequence[str]) -> Iterator[Problem]:
        """Batches in which no event can be expected teach nothing."""
        events, size = sum(self.stratum(value) == "1" for value in values), study.training.batch_size
        if events and events * size < len(values) and not loss_of(study.training.loss.parameters).by_sample:
            each = -(-len(values) // events)
            what = f"of {len(values)} training cases {events} have an event: many batches of {size} will have none"
            yield Problem(f"{what}, and teach nothing", remedy=f"Write `batch_size: {4 * each}` or more")

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of the cohort where who comes first has the highest risk."""
        import numpy as np

        known = np.array([tuple(each) for each in truths], dtype=np.float64)
        found = metric.summarise(-known[:, :1], known, self.outputs(study))
        yield {name: summary.value for name, summary in found.items()}

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Only an event that comes before another case's time says who was at the higher risk."""
        return "where no event comes before the time of another case"

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`survival`: time and event."""
        return {self.name: Form("float64", (2,))}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Different times, with an event in every other case."""
        return {self.name: self.example_results(study, samples)[1]}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """The number of events, and the range of times."""
        told = [self.told(study, value).numbers for value in values.elements() if value is not None]
        if not told:
            return ""
        times = [time for time, _ in told]
        events = sum(event == 1 for _, event in told)
        return f"{events} events in {len(told)} cases, {TIME} {min(times):g} to {max(times):g}"

    def header(self, study: Study) -> tuple[str, ...]:
        """The risk."""
        return (f"Prediction_{RISK}",)

    def verdict(self, study: Study, vector: np.ndarray, told: Told) -> str:
        """`event after 538, predicted log risk 1.2`."""
        known = f"{self.spoken(study, told)}, " if told.numbers else ""
        return f"{known}predicted log risk {float(vector[0]):.3g}"

    def example_results(self, study: Study, cases: int) -> tuple[np.ndarray, np.ndarray]:
        """Risks at random; times that differ, with an event in every other case."""
        import numpy as np

        random = np.random.default_rng(study.seed)
        risks = random.normal(size=(cases, 1)).astype(np.float32)
        return risks, np.stack([1.0 + random.permutation(cases), 1.0 - np.arange(cases) % 2], axis=1)


def _time_in(cell: str) -> float:
    """Raises `InputError` for what is no time."""
    time = number_in(cell, TIME)
    if time < 0:
        remedy = "Count from the day on which the patient began to be followed, or leave the row out"
        raise InputError.one("the time is negative", where=TIME, got=repr(cell), expected="0 or more", remedy=remedy)
    return time


def _event_in(cell: str) -> int:
    """Raises `InputError` that says what stands there instead."""
    if cell in _SPELT:
        return _SPELT[cell]
    meant = next((write for write, words in _MEANT.items() if cell.lower() in words), None)
    remedy = "Write 1 where the event was seen, and 0 where the patient was last seen without it"
    if meant is not None:
        remedy = f"Write {meant}"
    elif cell in ("2", "2.0"):
        remedy += ": where 1 and 2 are written for these, subtract 1 in all rows"
    what = "the cell is neither 0 nor 1"
    raise InputError.one(what, where=EVENT, got=repr(cell), expected="0 or 1", remedy=remedy)


SURVIVAL = Survival()
