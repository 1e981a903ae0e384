"""What this site's staff agreed to: pinned when an invitation is accepted, compared with every task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from wardround.engine.basics.blame import faults_of
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import write_settings
from wardround.engine.basics.keeping import Kept, require_kept
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.reading import require_file
from wardround.engine.basics.releases import later_release
from wardround.engine.study import Study
from wardround.engine.study.documents import place_of_key
from wardround.federation.addresses import is_nobodys
from wardround.federation.identities import Member, Roster, SiteKeys
from wardround.federation.invitation import Invitation, SignedInvitation
from wardround.federation.own_runs import of_own_runs
from wardround.federation.protocol import Plan, RefusalCode
from wardround.federation.strategies.named import strategy_of
from wardround.federation.strategies.protocol import Strategy
from wardround.site_client.agreement.rotation import read_rotations
from wardround.site_client.agreement.settings import Policy, SiteSettings, load_policy


class DamagedAgreementError(InputError):
    """What lies where the accepted invitation should be is none that can be used."""


class Refusal(Exception):  # noqa: N818 - the site's decision, which is not an error
    """The site declines. `reason` stays in its own log; only `code` leaves."""

    def __init__(self, code: RefusalCode, reason: str) -> None:
        super().__init__(f"{code.value}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Agreement:
    """An accepted invitation, opened."""

    invitation: Invitation
    study: Study

    @property
    def plan(self) -> Plan:
        """The accepted plan."""
        return self.invitation.plan

    @property
    def strategy(self) -> Strategy:
        """The plan's strategy as it is installed here. Raises `InputError` where it is not, or is another."""
        return strategy_of(self.plan.strategy, f"plan {self.plan.digest[:16]}, strategy")

    @property
    def address(self) -> str:
        """The invitation's address of the aggregator."""
        return self.invitation.address


def pin(path: Path, signed: SignedInvitation) -> None:
    """Write the accepted invitation atomically, with the coordinator's signature, which every reading checks."""
    write_settings(path, pinned_form(signed))


def pinned_form(signed: SignedInvitation) -> bytes:
    """The bytes of the accepted invitation's file."""
    return canonical_model(signed) + b"\n"


def load_agreement(path: Path) -> Agreement:
    """The accepted invitation, opened. Raises `InputError` as `read_accepted` does, or for a study it cannot use."""
    invitation = read_accepted(path)
    return Agreement(invitation, invitation.open_study())


def read_accepted(path: Path) -> Invitation:
    """The accepted invitation. Raises `InputError` when there is none, it cannot be read, or others may change it.

    Raises:
        DamagedAgreementError: it is not one, or was changed after it had been accepted.
    """
    require_kept(path, Kept.SETTINGS, "accepted invitation")
    if path.is_dir():
        require_file(path, "accepted invitation")
    try:
        pinned = _pinned(path.read_bytes())
    except FileNotFoundError:
        raise InputError.one(
            "no invitation has been accepted yet",
            where=str(path),
            got="no file",
            expected="what `site-client accept` writes",
            remedy="When the coordinator's invitation has come: `site-client accept invitation.json`, with "
            "`--config` as here; then start again",
        ) from None
    except OSError as error:
        raise InputError.one(
            "the accepted invitation cannot be read", where=str(path), got=error.strerror or ""
        ) from None
    except ValidationError as error:
        raise later_release(error, path) or _damaged(path, _found(error)) from None
    if isinstance(pinned, Invitation):
        return pinned
    if not pinned.holds:
        raise _damaged(path, "other contents than those that the coordinator has signed")
    return pinned.invitation


def _pinned(content: bytes) -> SignedInvitation | Invitation:
    """What `pin` wrote, also in the form of earlier releases, which kept no signature. Raises `ValidationError`."""
    try:
        written = from_json(content)
    except ValueError:
        written = None
    if isinstance(written, dict) and written.keys() & SignedInvitation.model_fields.keys():
        return SignedInvitation.model_validate_json(content)
    return Invitation.model_validate_json(content)


def _damaged(path: Path, got: str) -> DamagedAgreementError:
    return DamagedAgreementError(
        [
            Problem(
                "this is not what was accepted: the file was changed or damaged afterwards",
                where=str(path),
                got=got,
                expected="the file as `site-client accept` wrote it",
                remedy="Accept the invitation again: `site-client accept invitation.json`, with the coordinator's "
                "file; nothing is done for this site until then",
            )
        ]
    )


def _found(error: ValidationError) -> str:
    """What stands where the accepted invitation should be; the texts of a damaged file are not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    if first["type"] == "json_invalid":
        return "a file that is empty, cut short, or no longer the text of an invitation"
    if first["type"] == "missing":
        return f"no {place}"
    return "parts that do not belong together" if first["type"] == "value_error" else f"another {place}"


def check_policy(policy: Policy, agreement: Agreement, path: Path) -> None:
    """Raise `InputError` with everything in the agreement that the policy, the file `path`, forbids."""
    findings, horizon = Findings(), agreement.plan.horizon
    if agreement.study.task not in policy.tasks:
        findings.add(
            "the policy does not allow this task",
            where=place_of_key(path, "policy", "tasks"),
            got=agreement.study.task,
            expected=" or ".join(policy.tasks),
            remedy=_allow(f"tasks: [{', '.join((*policy.tasks, agreement.study.task))}]"),
        )
    if horizon.rounds > policy.maximum_rounds:
        findings.add(
            "the plan has more rounds than the policy allows",
            where=place_of_key(path, "policy", "maximum_rounds"),
            got=str(horizon.rounds),
            expected=f"at most {policy.maximum_rounds}",
            remedy=_allow(f"maximum_rounds: {horizon.rounds}"),
        )
    if horizon.total_steps > policy.maximum_steps:
        findings.add(
            "the plan has more training steps than the policy allows",
            where=place_of_key(path, "policy", "maximum_steps"),
            got=str(horizon.total_steps),
            expected=f"at most {policy.maximum_steps}",
            remedy=_allow(f"maximum_steps: {horizon.total_steps}"),
        )
    findings.raise_if_any()


def _allow(line: str) -> str:
    """What to do about a plan that the policy forbids: that is for the hospital to settle, not for the coordinator."""
    return f"If the hospital agrees, write `{line}`; if not, take no part in this plan, and tell the coordinator"


def policy_in_force(path: Path, agreement: Agreement) -> Policy:
    """The policy as it is now. Raises `Refusal` where it forbids the agreement, or is none, as while it is edited."""
    try:
        policy = load_policy(path)
    except InputError as error:
        raise Refusal(RefusalCode.POLICY_UNREADABLE, str(error)) from error
    try:
        check_policy(policy, agreement, path)
    except InputError as error:
        raise Refusal(RefusalCode.POLICY, str(error)) from error
    return policy


def strategy_in_force(agreement: Agreement) -> Strategy:
    """The plan's strategy. Raises `Refusal` where it is not installed here, is another, or fails."""
    try:
        return agreement.strategy
    except InputError as error:
        code = RefusalCode.PART_FAILED if faults_of(error) else RefusalCode.STRATEGY_UNUSABLE
        raise Refusal(code, str(error)) from error


def check_strategy(agreement: Agreement) -> None:
    """Raise `InputError` where this site cannot train as the plan's strategy wants it, or as any federation can."""
    problems = [*agreement.strategy.flaws(agreement.study), *of_own_runs(agreement.study)]
    if problems:
        where = f"study {agreement.study.study}"
        raise InputError(replace(problem, where=problem.where or where) for problem in problems)


def check_membership(
    settings: SiteSettings, keys: SiteKeys | None, agreement: Agreement, invitation: Path | None = None
) -> None:
    """Raise `InputError` unless the accepted roster has this site, with these keys or with those that they follow.

    Of keys that cannot be read (None) only the name is looked for.
    `invitation` is the file that is about to be accepted, where it has not been.
    """
    roster, where = agreement.invitation.roster, str(invitation or settings.accepted)
    listed, owner = roster.member(settings.name), "" if keys is None else owner_of(keys, roster)
    if listed is None:
        raise _not_listed(settings, owner, roster, where)
    if keys is None:
        return
    mine = Member(name=settings.name, signing_key=keys.signing_public, transport_key=keys.transport_public)
    if read_rotations(settings.keys).successor(listed) != mine:
        raise _keys_of_another(settings, owner)


def check_address(settings: SiteSettings, agreement: Agreement, invitation: Path | None = None) -> None:
    """Raise `InputError` where the aggregator's address is one that nobody can call, and the site has no other."""
    if settings.address is None and is_nobodys(agreement.invitation.host):
        raise InputError.one(
            "the address in the invitation is not that of one machine, so this site cannot call it",
            where=f"{invitation or settings.accepted}, address",
            got=agreement.address,
            expected="the name of the aggregator's host, or its IP address, and the port",
            remedy="Ask the coordinator for an invitation with the address of the aggregator's host; or, if you know "
            f"it, write `address: HOST:{agreement.invitation.port}` in site.yaml",
        )


def owner_of(keys: SiteKeys, roster: Roster) -> str:
    """The site of the roster that has one of these keys; empty if none has."""
    own = {keys.signing_public, keys.transport_public}
    return next((each.name for each in roster.members if own & {each.signing_key, each.transport_key}), "")


def _not_listed(settings: SiteSettings, owner: str, roster: Roster, where: str) -> InputError:
    if owner:
        return InputError.one(
            f"this site's keys are enrolled under another name, {owner}",
            where=settings.place("name"),
            got=settings.name,
            expected=owner,
            remedy=f"Write `name: {owner}`",
        )
    return InputError.one(
        "this site is not in the invitation's roster",
        where=settings.place("name"),
        got=repr(settings.name),
        expected=f"{' or '.join(roster.names)}, as in {where}",
        remedy="Correct the name; if it is right, ask the coordinator to enrol this site and to invite again",
    )


def _keys_of_another(settings: SiteSettings, owner: str) -> InputError:
    name = settings.name
    if owner and owner != name:
        return InputError.one(
            f"the name is {name}, the keys are those of {owner}",
            where=settings.place("name"),
            got=f"{name}, with the keys of {owner} in {settings.keys}",
            expected="the name and the keys of one site",
            remedy=f"If this is {owner}, write `name: {owner}`. If it is {name}, put the keys of {name} back from "
            f"their backup, keep these until then, and tell {owner} that its keys were here",
        )
    return InputError.one(
        "the roster has other keys for this site than those in the keys folder",
        where=str(settings.keys),
        got="keys that no site of the roster has" if not owner else "one of the two keys is another",
        expected=f"the keys with which {name} was enrolled",
        remedy="Put the former keys back from their backup; if there is none, send the coordinator the "
        f"{name}.pub file that belongs to these, who runs `aggregator replace {name} {name}.pub` and invites again",
    )
