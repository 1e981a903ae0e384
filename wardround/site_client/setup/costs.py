"""What a plan will take of this site, before anybody says yes: hours, megabytes on the line, room on the disk.

Nothing here is exact, and all of it is said with "about": two cases are prepared and a few steps timed on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from wardround.engine.basics.durations import estimated_duration
from wardround.engine.basics.faults import memory_or_device_problem
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.sizes import shown_size
from wardround.engine.study import Study
from wardround.federation.protocol import Plan
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.two_users import place_to_measure

_COPIES_OF_THE_MODEL = 12
"""Tasks, results, outbox, checkpoints, and the optimiser's state of four rounds, each up to two or three models."""
_HOUR = 3600.0


@dataclass(frozen=True)
class Costs:
    """Bytes and seconds; None for what could not be told, for the reason in `unknown`.

    Attributes:
        model: bytes of the model, which comes and goes once in each round.
        moved: bytes that come and go in all, the final evaluation included.
        disk: bytes of preprocessed cases and of copies of the model.
        seconds: of this machine's work in all.
        cases: training, validation and test cases.
    """

    model: int | None
    moved: int | None
    disk: int | None = None
    seconds: float | None = None
    cases: tuple[int, int, int] | None = None
    unknown: str = ""

    def as_json(self) -> dict[str, JsonValue]:
        """For programs."""
        return {
            "hours": None if self.seconds is None else round(self.seconds / _HOUR, 3),
            "bytes_down_per_round": self.model,
            "bytes_up_per_round": self.model,
            "bytes_in_all": self.moved,
            "disk_bytes": self.disk,
            "cases": None
            if self.cases is None
            else dict(zip(("train", "validation", "test"), self.cases, strict=True)),
            "unknown": self.unknown,
        }

    def lines(self) -> tuple[str, ...]:
        """For people."""
        return (self._time_line(), self._line_line(), self._disk_line())

    def _time_line(self) -> str:
        if self.seconds is None or self.cases is None:
            return f"Time         cannot be told: {self.unknown or 'nothing was measured'}"
        train, validation, test = self.cases
        work = estimated_duration(self.seconds)
        return (
            f"Time         about {work} of this machine's work in all, for {train} training, "
            f"{validation} validation and {test} test cases, as measured just now; waiting for others comes on top"
        )

    def _line_line(self) -> str:
        if self.model is None or self.moved is None:
            return f"Line         cannot be told: {self.unknown}"
        each = shown_size(self.model)
        return f"Line         about {each} down and {each} up in each round, {shown_size(self.moved)} in all"

    def _disk_line(self) -> str:
        if self.disk is None:
            return f"Disk         cannot be told: {self.unknown}"
        return f"Disk         about {shown_size(self.disk)} in the work folder"


def measure(settings: SiteSettings, study: Study, plan: Plan) -> Costs:
    """What the plan takes here. Cases that cannot be used are no error: then only the line's part is known."""
    try:
        model = _model_bytes(study)
    except InputError as error:
        return Costs(None, None, unknown=_first(error))
    moved = (2 * plan.rounds + 1) * model
    try:
        return _measured(settings, study, plan, model, moved)
    except InputError as error:
        return Costs(model, moved, unknown=f"{_first(error)}; `site-client check` says more")
    except Exception as error:
        problem = memory_or_device_problem(error)
        if problem is None:
            raise
        return Costs(model, moved, unknown=problem.what)


def _measured(settings: SiteSettings, study: Study, plan: Plan, model: int, moved: int) -> Costs:
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
    disk = needs_of(study, survey.inspection.grids).disk + _COPIES_OF_THE_MODEL * model
    return Costs(model, moved, disk, seconds, (len(split.train), len(split.validation), len(split.test)))


def _model_bytes(study: Study) -> int:
    from wardround.engine.networks import build_network

    return sum(tensor.numel() * tensor.element_size() for tensor in build_network(study).state_dict().values())


def _first(error: InputError) -> str:
    return error.problems[0].what
