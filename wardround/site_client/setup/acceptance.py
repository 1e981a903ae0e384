"""`site-client accept`: what an invitation asks for, in what it differs from the one in force, and the agreement to it.

Whom to trust is settled by people: they compare the coordinator's key and the certificate authority by telephone.
Once they are pinned, an invitation with others is taken only from somebody who types the new fingerprint in.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.files import write_settings
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.study import Study
from wardround.engine.study.labels import spoken
from wardround.engine.study.regions import in_order
from wardround.engine.study.tabular import in_order as columns_in_order
from wardround.federation.differences import invitation_differences
from wardround.federation.identities import SiteKeys, fingerprint
from wardround.federation.invitation import Invitation, SignedInvitation, load_signed, shown_authority
from wardround.federation.protocol import Leaves, Plan
from wardround.site_client.agreement.agreement import (
    Agreement,
    DamagedAgreementError,
    check_address,
    check_membership,
    check_policy,
    check_strategy,
    pin,
    pinned_form,
    read_accepted,
)
from wardround.site_client.agreement.settings import Policy, SiteSettings, fewest_scored, load_policy, load_settings
from wardround.site_client.setup.arrivals import require_one_file
from wardround.site_client.setup.costs import Costs
from wardround.site_client.setup.parts import tried
from wardround.site_client.setup.shared import sent_down, sent_up, strategy_lines
from wardround.site_client.worker.folds import unfit_table

_NO_COSTS = ("Costs        time, line and disk are reckoned without --yes, or with --json",)
_TABLE = ("the table",)
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Trusted:
    """Somebody whom the site will believe: who that is in plain words, and the fingerprint to compare."""

    who: str
    fingerprint: str


@dataclass(frozen=True)
class Offer:
    """An invitation beside this site's settings, its policy and what it has accepted before, not yet accepted.

    `former` is None for the first acceptance; `damaged` says that there was one that cannot be read any more;
    `replaced` is the day on which this very invitation was replaced by a later one, if it was.
    """

    settings: SiteSettings
    policy: Policy
    signed: SignedInvitation
    former: Invitation | None = None
    damaged: bool = False
    replaced: str = ""

    @property
    def invitation(self) -> Invitation:
        """What is offered."""
        return self.signed.invitation

    @property
    def strangers(self) -> tuple[Trusted, ...]:
        """Those of the invitation who are not the ones that were pinned; nobody at the first acceptance."""
        if self.former is None and not self.damaged:
            return ()
        known = {} if self.former is None else {each.who: each for each in _trusted(self.former)}
        return tuple(each for each in _trusted(self.invitation) if known.get(each.who) != each)

    @property
    def differences(self) -> tuple[str, ...]:
        """In what it differs from what was accepted before, line by line."""
        return () if self.former is None else invitation_differences(self.former, self.invitation)

    def accept(self, typed: Sequence[str] = ()) -> Path:
        """Pin it, and keep a copy of what it replaces; returns the file.

        A running supervisor notices and starts its processes again.

        Raises:
            InputError: the fingerprint of a changed key or authority is not among those that were typed, or one that
                was typed is nobody's in this invitation.
        """
        self._check(typed)
        accepted = self.settings.accepted
        if not (accepted.is_file() and accepted.read_bytes() == pinned_form(self.signed)):
            _keep(accepted)
            pin(accepted, self.signed)
        return accepted

    def _check(self, typed: Sequence[str]) -> None:
        findings, given = Findings(), {_plain(text) for text in typed}
        for stranger in self.strangers:
            if _plain(stranger.fingerprint) not in given:
                findings.add(
                    f"the {stranger.who} is not the one that this site has accepted, and its fingerprint was not given",
                    got=" / ".join(typed) or "no fingerprint",
                    expected="the fingerprint that the coordinator reads to you over the telephone",
                    remedy='Type it when you are asked, or give it as --fingerprint "abcd ef01 ..."',
                )
        findings.raise_if_any()
        self._refuse_others(given, typed)

    def _refuse_others(self, given: set[str], typed: Sequence[str]) -> None:
        """Whoever reads out another fingerprint has not made this invitation, also where nothing has changed."""
        shown = [each.fingerprint for each in _trusted(self.invitation)]
        if not given <= {_plain(text) for text in shown}:
            raise InputError.one(
                "a fingerprint that was given is neither the coordinator's nor the authority's of this invitation",
                got=" / ".join(typed),
                expected=" / ".join(shown),
                remedy="Ask the coordinator, over a telephone number that you knew before, who made this invitation",
            )


def open_offer(invitation_path: Path, config: Path) -> Offer:
    """Read an invitation and check it. Raises `InputError` with everything that stands against accepting it."""
    settings = load_settings(config)
    findings, former, damaged = Findings(), None, False
    signed = policy = None
    with findings.gather():
        require_one_file(invitation_path, settings.accepted)
        signed = load_signed(invitation_path)
    with findings.gather():
        policy = load_policy(settings.policy)
    with findings.gather():
        former, damaged = _former(settings.accepted)
    if signed is None:
        with findings.gather():
            SiteKeys.load(settings.keys)
    else:
        findings.extend(_against(settings, signed.invitation, policy, invitation_path))
    findings.raise_if_any()
    if signed is None or policy is None:
        raise AssertionError("what could not be read must have left a problem behind")
    return Offer(settings, policy, signed, former, damaged, _replaced(settings.accepted, signed.invitation))


def _against(settings: SiteSettings, invitation: Invitation, policy: Policy | None, path: Path) -> list[Problem]:
    """What stands against accepting an invitation: in policy, keys, parts and cases, all at once."""
    agreement, findings = Agreement(invitation, invitation.open_study()), Findings()
    if policy is not None:
        with findings.gather():
            check_policy(policy, agreement, settings.policy)
    with findings.gather():
        check_membership(settings, SiteKeys.load(settings.keys), agreement, path)
    with findings.gather():
        check_address(settings, agreement, path)
    with findings.gather():
        check_strategy(agreement)
    findings.extend(tried(agreement.study))
    findings.extend(unfit_table(settings, agreement, policy))
    return findings.problems


def describe_offer(offer: Offer, costs: Costs | None = None) -> tuple[str, ...]:
    """What the staff agrees to, in plain words, and what it takes of this site; whom they are to trust comes last."""
    invitation, plan = offer.invitation, offer.invitation.plan
    study, horizon = invitation.open_study(), invitation.plan.horizon
    agreement = Agreement(invitation, study)
    others = [name for name in invitation.roster.names if name != offer.settings.name]
    return (
        f"Federation   {invitation.federation}, aggregator at {offer.settings.address or invitation.address}",
        f"Study        {study.study}: {study.task} of {_words(study.outputs)} from {_words(study.inputs or _TABLE)}",
        *_columns(study),
        *_labels(study),
        f"Model        {study.model.name}, loss {study.training.loss.name}",
        f"Plan         {horizon.rounds} rounds of {horizon.local_steps} steps, combined by {plan.strategy.described}",
        *strategy_lines(agreement),
        f"Weight       an update weighs by {plan.weights.described}",
        *_beginning(plan),
        f"Scored       {plan.checks.described}",
        f"With         {', '.join(others) or 'no other site'}",
        f"Leaves       {', '.join(sent_up(agreement))} after each round, "
        f"{_scores(plan.outgoing, study, offer.policy)}, numbers of cases, and progress",
        *_surveyed(study, plan, offer.policy),
        f"Test cases   {_test_cases(plan.outgoing)}",
        *(["Table        must have a PatientID column"] if plan.require.patient_column else []),
        "Stays        images, masks, tables, names, and the scores of single cases",
        "Privacy      no noise is added to what leaves (no differential privacy); each update goes to the aggregator "
        "as it is",
        *(_NO_COSTS if costs is None else costs.lines()),
        f"Plan digest  {plan.digest}",
        *_changes(offer),
        "Compare these with the coordinator over the telephone:",
        *(f"  {each.who:<22} {each.fingerprint}{_mark(each, offer)}" for each in _trusted(invitation)),
    )


def _surveyed(study: Study, plan: Plan, policy: Policy) -> tuple[str, ...]:
    """Which statistics of the training cases leave before the first round, where the study fits something."""
    asked = Fitting(study).described if plan.after is None else ()
    if not asked:
        return ()
    return (
        "Surveyed     once, before the first round, statistics of the training cases leave, of all of them together, "
        f"where at least {policy.minimum_train_cases} stand behind each:",
        *(f"  {line}" for line in asked),
    )


def _columns(study: Study) -> tuple[str, ...]:
    """Which columns of the table the network is given of each patient."""
    return (
        (f"Columns      the network is given {_words(tuple(columns_in_order(study.columns)))}",)
        if study.columns
        else ()
    )


def _labels(study: Study) -> tuple[str, ...]:
    """Which values of masks or of the table are one class or lie in a region, where that does not go without saying."""
    joined = {name: values for name, values in study.values_by_class.items() if len(values) > 1}
    named = in_order(study.regions) or joined
    told = [f"{' '.join(name.split())} is {spoken(values)}" for name, values in named.items()]
    if study.ignore is not None:
        told.append(f"voxels of {spoken(study.ignore)} are neither learned from nor scored")
    if study.rest == "background":
        told.append("every value of a mask that no class names counts as background")
    return (f"{'Regions' if study.regions else 'Classes'}      {'; '.join(told)}",) if told else ()


def offer_as_json(offer: Offer, costs: Costs) -> dict[str, JsonValue]:
    """The offer for programs: what `describe_offer` says, without its words."""
    invitation, plan = offer.invitation, offer.invitation.plan
    study = invitation.open_study()
    return {
        "federation": invitation.federation,
        "address": offer.settings.address or invitation.address,
        "study": {
            "name": study.study,
            "task": study.task,
            "inputs": list(study.inputs),
            "columns": list(columns_in_order(study.columns)),
            "digest": plan.study,
        },
        "plan": plan.digest,
        "rounds": plan.horizon.rounds,
        "local_steps": plan.horizon.local_steps,
        "sites": list(invitation.roster.names),
        "arrives": list(sent_down(Agreement(invitation, study))),
        "leaves": [
            *sent_up(Agreement(invitation, study)),
            "numbers of cases",
            "progress",
            *_scores_out(plan.outgoing, study, offer.policy),
        ],
        "surveyed": list(Fitting(study).described if plan.after is None else ()),
        "test_cases_scored": plan.outgoing.test,
        "differential_privacy": None,
        "changed": list(offer.differences),
        "coordinator": fingerprint(invitation.coordinator_key),
        "certificate_authority": shown_authority(invitation.ca_pem),
        "costs": costs.as_json(),
    }


def _words(names: Sequence[str]) -> str:
    """Names in a row. Spaces that follow one another could move a name to where a line of its own would begin."""
    return ", ".join(" ".join(name.split()) for name in names)


def _beginning(plan: Plan) -> tuple[str, ...]:
    """With what a plan begins, where that is not the study's own initial weights."""
    if plan.after is not None:
        after, rounds = plan.after, "1 round" if plan.after.rounds == 1 else f"{plan.after.rounds} rounds"
        return (f"Carries on   after {rounds} of plan {after.plan[:16]}, from model {after.model[:16]}",)
    return () if plan.initial is None else (f"Begins with  the given model {plan.initial[:16]}",)


def _scores(leaves: Leaves, study: Study, policy: Policy) -> str:
    """The scores that the plan asks for and the policy lets out."""
    out = _scores_out(leaves, study, policy)
    told = ", ".join("the loss" if name == "loss" else name for name in out)
    return f"{told} over at least {fewest_scored(policy, study)} cases" if out else "no scores"


def _scores_out(leaves: Leaves, study: Study, policy: Policy) -> list[str]:
    offered = ["loss", *(metric.name for metric in study.validation.metrics)]
    named = list(offered if leaves.metrics is None else leaves.metrics)
    return [name for name in named if leaves.lets_out(name) and policy.lets_out(name)]


def _test_cases(leaves: Leaves) -> str:
    if not leaves.test:
        return "are not scored in this federation"
    return "are scored once, for the model of the last round; these scores leave as well"


def _changes(offer: Offer) -> tuple[str, ...]:
    if offer.damaged:
        return ("Changed      the former agreement cannot be read, so that nothing can be compared",)
    if offer.former is None:
        return ()
    changes = (*offer.differences, *_word_for_the_key(offer)) or ("nothing: this is what was accepted",)
    again = f"AN OLD INVITATION: this site had accepted it, and replaced it on {offer.replaced}; ask why it comes again"
    return (
        "Changed since the agreement that is in force here:",
        *(f"  {change}" for change in changes),
        *((f"  {again}",) if offer.replaced and offer.former != offer.invitation else ()),
    )


def _word_for_the_key(offer: Offer) -> tuple[str, ...]:
    """Whether the coordinator's former key speaks for a new one."""
    if offer.former is None or offer.former.coordinator_key == offer.invitation.coordinator_key:
        return ()
    known, new, succession = offer.former.coordinator_key, offer.invitation.coordinator_key, offer.invitation.succession
    if succession is None or not succession.leads(known, new):
        return ("the coordinator's former key has NOT signed the new one: ask why",)
    if succession.former == known:
        return ("the coordinator's former key has signed the new one, as whoever has stolen it could: compare both",)
    return (
        "the coordinator's key has changed more than once; the former key has signed the next one, and so on to the "
        "new one, as whoever has stolen one of them could: compare both",
    )


def _mark(trusted: Trusted, offer: Offer) -> str:
    return "  CHANGED" if trusted in offer.strangers else ""


def _trusted(invitation: Invitation) -> tuple[Trusted, ...]:
    return (
        Trusted("certificate authority", shown_authority(invitation.ca_pem)),
        Trusted("coordinator", fingerprint(invitation.coordinator_key)),
    )


def _former(path: Path) -> tuple[Invitation | None, bool]:
    """What was accepted before, if it can be read, and whether there is something that cannot."""
    if not path.exists():
        return None, False
    try:
        return read_accepted(path), False
    except DamagedAgreementError:
        return None, True


def history_folder(accepted: Path) -> Path:
    """Where copies of replaced agreements are kept, beside the one in force."""
    return accepted.with_name(f"{accepted.stem}-history")


def _replaced(accepted: Path, invitation: Invitation) -> str:
    """The last day on which this invitation, accepted earlier, was replaced; empty where it never was."""
    with contextlib.suppress(OSError):
        for path in sorted(history_folder(accepted).glob("*.json"), reverse=True):
            with contextlib.suppress(InputError):  # a copy that is damaged was none of this invitation
                if read_accepted(path) == invitation:
                    return path.stem.partition("T")[0]
    return ""


def _keep(accepted: Path) -> None:
    """Keep what is in force now, whatever it is, under the time at which it was replaced."""
    if not accepted.exists():
        return
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    try:
        write_settings(history_folder(accepted) / f"{now}.json", accepted.read_bytes())
    except OSError as error:
        raise InputError.one(
            "the former agreement cannot be kept", where=str(error.filename), got=error.strerror or ""
        ) from None


def _plain(text: str) -> str:
    """A fingerprint as it is compared: people group and write its digits in their own ways."""
    return _SEPARATORS.sub("", text).lower()
