"""How the courier puts what it finds into the words of the protocol."""

from __future__ import annotations

from pydantic import ValidationError

from wardround.engine.preprocessing.fitted import EMPTY
from wardround.engine.study import Study
from wardround.federation.declared import UndeclaredError
from wardround.federation.differences import Terms, differences
from wardround.federation.envelope import Payload
from wardround.federation.protocol import (
    DIFFERENCES,
    NO_ASK,
    AcceptedTerms,
    Digest,
    Plan,
    RefusalCode,
    Refused,
    Task,
    Working,
)
from wardround.federation.sealing import SealError
from wardround.federation.stages import TERMS, Needed
from wardround.federation.surveyed import MAX_REQUEST_BYTES, check_state
from wardround.site_client.agreement.agreement import Agreement, Refusal
from wardround.site_client.between.faults import code_of
from wardround.site_client.between.socket import WorkerReport, WorkReport


def other_plan(agreement: Agreement, task: Task) -> Refusal:
    """Why a plan is not the accepted one, and in what it differs, as far as the task says."""
    accepted, offered = agreement.plan, task.offer
    if offered is None or offered.digest != task.plan:
        return Refusal(RefusalCode.PLAN_NOT_ACCEPTED, "the task names a plan that was not accepted")
    invitation = agreement.invitation
    lines = differences(Terms.of(invitation), Terms(offered, names=task.names))
    reason = f"the plan differs from the accepted one: {'; '.join(lines)}; accept the coordinator's new invitation"
    return Refusal(_code_of(accepted, offered), reason)


def refused(site: str, agreement: Agreement, task: Task | None, code: RefusalCode, correlation: str) -> Refused:
    """The answer to a task, or to what could not be opened as one, that the courier itself refuses."""
    return Refused(
        site=site,
        ask=task.ask if task is not None else NO_ASK,
        work_key=task.work_key if task is not None else None,
        code=code,
        correlation=correlation,
        accepted=_accepted_terms(agreement, task),
    )


def _accepted_terms(agreement: Agreement, task: Task | None) -> AcceptedTerms | None:
    """What was accepted, for a coordinator who offers something else and wants to know what differs."""
    if task is None or task.plan == agreement.plan.digest or DIFFERENCES not in task.features:
        return None
    invitation = agreement.invitation
    try:
        return AcceptedTerms(plan=invitation.plan, names=invitation.roster.names, study=invitation.study)
    except ValidationError:  # a study that is too long to be sent
        return AcceptedTerms(plan=invitation.plan, names=invitation.roster.names)


def check_place(plan: Plan, study: Study, task: Task) -> None:
    """Raise `Refusal` unless a task has its place in the plan, and the first round begins with the plan's model."""
    terms = TERMS[task.stage]
    if not terms.is_work:
        if task.round > plan.horizon.rounds:
            raise Refusal(RefusalCode.HORIZON_NOT_ACCEPTED, "more rounds were concluded than were accepted")
        return
    if task.work_key is None or task.base is None:
        raise Refusal(RefusalCode.MALFORMED, "the task names no work or no model")
    if terms.before_training:
        _check_early(plan, study, task)
    else:
        _check_round(plan, study, task)


def _check_round(plan: Plan, study: Study, task: Task) -> None:
    try:
        check_state(study, task.fitted or EMPTY)
    except UndeclaredError as error:
        raise Refusal(RefusalCode.MALFORMED, f"the task brings {error}") from error
    if not plan.first_round <= task.round <= plan.horizon.rounds + TERMS[task.stage].rounds_after:
        raise Refusal(RefusalCode.HORIZON_NOT_ACCEPTED, f"round {task.round} is beyond the accepted horizon")
    if task.exchange != 1:
        raise Refusal(RefusalCode.BEYOND_AGREEMENT, "a round has one exchange about its model")
    if task.round == plan.first_round and plan.first_model not in (None, task.base):
        raise Refusal(RefusalCode.BEYOND_AGREEMENT, "the first round begins with another model than the plan says")


def _check_early(plan: Plan, study: Study, task: Task) -> None:
    if task.round != 0 or plan.after is not None:
        raise Refusal(RefusalCode.HORIZON_NOT_ACCEPTED, "cases are surveyed before all training")
    from wardround.engine.preprocessing.fitting import Fitting

    if task.exchange > len(Fitting(study).expected):
        raise Refusal(RefusalCode.BEYOND_AGREEMENT, "more was asked about the cases than the study fits")


def check_length(task: Task, payload: Payload) -> None:
    """Raise `Refusal` for what is too long to be what its stage needs; models are bounded by the policy."""
    if TERMS[task.stage].needs is Needed.REQUEST and len(payload) > MAX_REQUEST_BYTES:
        raise Refusal(RefusalCode.BEYOND_AGREEMENT, "what came with the task is longer than any question about cases")


def named_work(task: Task) -> Digest:
    """The work key of a task for the worker. Raises `Refusal` when it names none."""
    if task.work_key is None:
        raise Refusal(RefusalCode.MALFORMED, "the task names no work")
    return task.work_key


def _code_of(accepted: Plan, offered: Plan) -> RefusalCode:
    if offered.study != accepted.study:
        return RefusalCode.STUDY_NOT_ACCEPTED
    if offered.horizon != accepted.horizon:
        return RefusalCode.HORIZON_NOT_ACCEPTED
    if offered.roster != accepted.roster:
        return RefusalCode.ROSTER_NOT_ACCEPTED
    return RefusalCode.PLAN_NOT_ACCEPTED


def state_of(report: WorkerReport | None) -> str | None:
    """How the work stands that the worker was asked about, or None when nobody knows."""
    return report.work.state if report is not None and report.work is not None else None


def working(task: Task, key: Digest, report: WorkerReport) -> Working:
    """The answer while the worker is at it."""
    work = report.work or WorkReport(state="running")
    return Working(
        site=task.site,
        ask=task.ask,
        work_key=key,
        phase="preparing" if report.readiness == "preparing" else work.phase,
        step=work.step,
        steps=work.steps,
        seconds_left=work.seconds_left,
    )


def code_for(error: Exception) -> RefusalCode:
    """The word for a failure in the courier. It opens no case: what it finds wrong, and has no word for, is its own."""
    if isinstance(error, SealError):
        return error.code
    code = code_of(error)
    return RefusalCode.INTERNAL if code is RefusalCode.CASES_UNUSABLE else code


def megabytes(payload: Payload) -> float:
    """The size of a payload for the log."""
    return round(len(payload) / 1e6, 1)
