"""How the courier puts what it finds into the words of the protocol."""

from __future__ import annotations

from wardround.federation.envelope import Payload
from wardround.federation.protocol import Digest, Plan, RefusalCode, Task, Working
from wardround.federation.sealing import SealError
from wardround.site_client.agreement import Refusal
from wardround.site_client.channel import WorkerReport, WorkReport
from wardround.site_client.faults import code_of


def other_plan(accepted: Plan, task: Task) -> Refusal:
    """Why a plan is not the accepted one, as far as the task says."""
    offered = task.offer
    if offered is None or offered.digest != task.plan:
        return Refusal(RefusalCode.PLAN_NOT_ACCEPTED, "the task names a plan that was not accepted")
    if offered.study != accepted.study:
        return Refusal(RefusalCode.STUDY_NOT_ACCEPTED, "the task names a study that was not accepted")
    if offered.horizon != accepted.horizon:
        return Refusal(RefusalCode.HORIZON_NOT_ACCEPTED, f"another horizon was offered: {offered.horizon}")
    if offered.roster != accepted.roster:
        return Refusal(RefusalCode.ROSTER_NOT_ACCEPTED, "the task names a roster that was not accepted")
    return Refusal(RefusalCode.PLAN_NOT_ACCEPTED, "federation, strategy or fold differ from the accepted plan")


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
