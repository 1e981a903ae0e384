"""What a plan will take of this site, before anybody says yes: hours, megabytes on the line, room on the disk.

Nothing here is exact, and all of it is said with "about": two cases are prepared and a few steps timed on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import JsonValue

from wardround.engine.basics.durations import estimated_duration
from wardround.engine.basics.faults import memory_or_device_problem
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.sizes import shown_size
from wardround.engine.study import Study
from wardround.federation.guards import describe
from wardround.federation.protocol import Plan
from wardround.federation.strategies.named import strategy_of
from wardround.federation.strategies.sharing import largest
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.two_users import place_to_measure

_COPIES_OF_THE_MODEL = 12
"""Tasks, results, outbox, checkpoints, and the optimiser's state of four rounds, each up to two or three models."""
_HOUR = 3600.0


@dataclass(frozen=True)
class Costs:
    """Bytes and seconds; None for what could not be told, for the reason in `unknown`.

    Attributes:
        down: bytes that come before each round: the model, and what else the strategy sends.
        up: bytes that go after each round.
        moved: bytes that come and go in all, the final evaluation included.
        disk: bytes of preprocessed cases and of copies of the model.
        seconds: of this machine's work in all.
        cases: training, validation and test cases.
    """

    down: int | None
    up: int | None
    moved: int | None
    disk: int | None = None
    seconds: float | None = None
    cases: tuple[int, int, int] | None = None
    unknown: str = ""

    def as_json(self) -> dict[str, JsonValue]:
        """For programs."""
        return {
            "hours": None if self.seconds is None else round(self.seconds / _HOUR, 3),
            "bytes_down_per_round": self.down,
            "bytes_up_per_round": self.up,
            "bytes_in_all": self.moved,
            "disk_bytes": self.disk,
            "cases": None
            if self.cases is None
            else dict(zip(("train", "validation", "test"), self.cases, strict=True)),
            "unknown": self.unknown,
        }

    def lines(self) -> tuple[str, ...]:
        """For people."""
        return (self._time_line(), self._network_line(), self._disk_line())

    def _time_line(self) -> str:
        if self.seconds is None or self.cases is None:
            return f"Time         cannot be told: {self.unknown or 'nothing was measured'}"
        train, validation, test = self.cases
        work = estimated_duration(self.seconds)
        return (
            f"Time         about {work} of this machine's work in all, for {train} training, "
            f"{validation} validation and {test} test cases, as measured just now; waiting for others comes on top"
        )

    def _network_line(self) -> str:
        if self.down is None or self.up is None or self.moved is None:
            return f"Network      cannot be told: {self.unknown}"
        each = f"{shown_size(self.down)} down and {shown_size(self.up)} up in each round"
        return f"Network      about {each}, {shown_size(self.moved)} in all"

    def _disk_line(self) -> str:
        if self.disk is None:
            return f"Disk         cannot be told: {self.unknown}"
        return f"Disk         about {shown_size(self.disk)} in the work folder"


def measure(settings: SiteSettings, study: Study, plan: Plan) -> Costs:
    """What the plan takes here. Cases that cannot be used are no error: then only the line's part is known."""
    try:
        line = _line(study, plan)
    except InputError as error:
        return Costs(None, None, None, unknown=_first(error))
    try:
        return _measured(settings, study, plan, line)
    except InputError as error:
        return replace(line, unknown=f"{_first(error)}; `site-client check` says more")
    except Exception as error:
        problem = memory_or_device_problem(error)
        if problem is None:
            raise
        return replace(line, unknown=problem.what)


def _measured(settings: SiteSettings, study: Study, plan: Plan, line: Costs) -> Costs:
    from wardround.engine.experiments import Survey, estimate
    from wardround.engine.inspection.room import needs_of

    survey = Survey.of(study, settings.manifest, folds=plan.fold, device=settings.device, threads=settings.threads)
    with place_to_measure(settings.work) as place:
        split, found = survey.split, estimate(survey, place)
    scoring = found.train_seconds - found.step_seconds * found.total_steps
    each = scoring / max(1, len(split.validation) * found.validations)
    scored = sum(plan.scores_in(number) for number in range(plan.first_round, plan.horizon.rounds + 1))
    most = plan.checks.max_cases or len(split.validation)
    final = len(split.validation) + (len(split.test) if plan.outgoing.test else 0)
    seconds = (
        found.prepare_seconds
        + found.step_seconds * plan.rounds * plan.horizon.local_steps
        + each * (scored * min(most, len(split.validation)) + final)
    )
    copies = _COPIES_OF_THE_MODEL * max(line.down or 0, line.up or 0)
    disk = needs_of(study, survey.inspection.grids).disk + copies
    counts = (len(split.train), len(split.validation), len(split.test))
    return replace(line, disk=disk, seconds=seconds, cases=counts)


def _line(study: Study, plan: Plan) -> Costs:
    """What comes and goes. The final evaluation brings once more what a round brings, and returns scores alone."""
    from wardround.engine.networks import build_network

    weights = build_network(study).state_dict()
    model = describe({name: each.numpy() for name, each in weights.items()})
    sharing = strategy_of(plan.strategy).sharing
    down, up = (largest(groups, model).size for groups in (sharing.down, sharing.up))
    return Costs(down, up, plan.rounds * (down + up) + down)


def _first(error: InputError) -> str:
    return error.problems[0].what
