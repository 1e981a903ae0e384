"""`site-client check`: everything that would keep this site from working, found before it starts."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wardround.engine.basics.files import free_bytes, require_space
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cohort import Assignment
from wardround.engine.cohort.columns import Layout
from wardround.engine.cohort.manifest import survey_manifest
from wardround.engine.cohort.twins import without_repeats
from wardround.engine.inspection import Depth, check_manifest
from wardround.engine.inspection.preflight import Preflight as Checkup
from wardround.engine.inspection.room import Needs, memory_shortage, needs_of, require_store_room
from wardround.federation.expiry import expiry_sentence
from wardround.federation.flower.node.probe import probe, standing, within_window
from wardround.federation.flower.signing import Reason, Signer
from wardround.federation.identities import SiteKeys, fingerprint
from wardround.federation.invitation import Invitation
from wardround.site_client.agreement.agreement import (
    Agreement,
    check_membership,
    check_policy,
    check_strategy,
    load_agreement,
)
from wardround.site_client.agreement.readiness import has_work, require_table, require_work
from wardround.site_client.agreement.requested import require_requested_name
from wardround.site_client.agreement.settings import Policy, SiteSettings, fewest_scored, load_policy, usable_policy
from wardround.site_client.between.two_users import require_overview
from wardround.site_client.installation import known_installation
from wardround.site_client.setup.beside import settings_or_all_beside
from wardround.site_client.setup.parts import tried
from wardround.site_client.worker.folds import mended_at_a_site, too_few_for_the_policy, without_patients
from wardround.site_client.worker.pinned import Change, CohortPins, Proposal, steps_note

_LEAST_FREE_BYTES = 2 * 10**9
_REFUSALS: Mapping[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_KEY: ("the aggregator does not know this site's key", "Send the NAME.pub file to the coordinator"),
    Reason.REVOKED: (
        "the coordinator has revoked this site's key",
        "Ask why, make new keys with `site-client rotate-keys`, and send the coordinator the file that it writes",
    ),
    Reason.REPLACED: ("this key was replaced by a newer one of this site", "Use the newer keys"),
    Reason.CLOCK: ("the aggregator refuses this machine's clock", "Let this machine set its clock by NTP"),
    Reason.OTHER_MACHINE: (
        "another machine uses this site's keys",
        "Run the site client on one machine only; stop it there before it starts here",
    ),
    Reason.OUTDATED: ("this software is older than the aggregator's", "Update this site"),
    Reason.SIGNATURE: (
        "the aggregator refuses this site and does not say why",
        "Its software may be older than this site's; ask the coordinator to update it",
    ),
}


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at: whether it is in order, and what was found, or what is wrong first."""

    name: str
    ok: bool
    said: str


@dataclass
class Preflight:
    """A check under way: what was looked at, what is wrong, and what is worth reading all the same."""

    findings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)

    def found_in_order(self, name: str) -> bool:
        """Whether a thing was looked at and nothing was wrong with it."""
        return any(check.name == name and check.ok for check in self.checks)

    @contextmanager
    def examined(self, name: str) -> Iterator[list[str]]:
        """Look at one thing: what the block finds in order it puts into the list, what is wrong into the findings."""
        before, said = len(self.findings.problems), list[str]()
        with self.findings.gather():
            yield said
        wrong = self.findings.problems[before:]
        if wrong or said:
            self.checks.append(Checked(name, not wrong, wrong[0].what if wrong else "; ".join(said)))


def check_site(config: Path, *, online: bool) -> Preflight:
    """Check a site's files, cases, machine and, with `online`, its way to the aggregator. Stops at no problem.

    Raises:
        InputError: `site.yaml` itself cannot be used, so that nothing else can be looked at; or this user sees the
            half only of a site that two users run.
    """
    settings, flight = settings_or_all_beside(config), Preflight()
    require_overview(settings.work)
    keys = _gathered_keys(settings, flight)
    policy = _gathered_policy(settings, flight)
    agreement = _gathered_agreement(settings, flight)
    _check_machine(settings, flight)
    if agreement is None:
        with flight.findings.gather():
            require_requested_name(settings, keys)
        with flight.examined("data") as said:
            require_table(settings)
            flight.findings.extend(survey_manifest(settings.manifest, Layout.without_study()).problems)
            said.append("the table can be read; its images are looked at once an invitation is accepted")
    else:
        _check_agreement(settings, keys, policy, agreement, flight)
        _check_parts(agreement, flight)
        _check_cohort(settings, policy, agreement, flight)
        _check_certificate(agreement.invitation, flight)
        if online:
            _check_way(settings, agreement, keys, flight)
    return flight


def _gathered_keys(settings: SiteSettings, flight: Preflight) -> SiteKeys | None:
    with flight.examined("keys") as said:
        keys = SiteKeys.load(settings.keys)
        said.append(f"private and readable, fingerprint {fingerprint(keys.signing_public)}")
        return keys
    return None


def _gathered_policy(settings: SiteSettings, flight: Preflight) -> Policy | None:
    with flight.examined("policy") as said:
        policy = load_policy(settings.policy)
        said.append("can be read, and nobody else may change it")
        return policy
    return usable_policy(settings.policy)


def _gathered_agreement(settings: SiteSettings, flight: Preflight) -> Agreement | None:
    with flight.examined("accepted") as said:
        agreement = load_agreement(settings.accepted)
        said.append(f"study {agreement.study.study}, plan {agreement.plan.digest[:12]}")
        return agreement
    return None


def _check_machine(settings: SiteSettings, flight: Preflight) -> None:
    with flight.examined("disk") as said:
        with flight.findings.gather():
            require_space(settings.work, _LEAST_FREE_BYTES, "preprocessed cases, checkpoints and results")
        require_work(settings)
        said.append(f"{shown_size(free_bytes(settings.work))} free at {settings.work}, which can be written")
    with flight.examined("device") as said:
        said.append(_check_device(settings, flight))


def _check_device(settings: SiteSettings, flight: Preflight) -> str:
    """The driver's files tell without importing torch, which would take most of the time of a check."""
    has_driver = Path("/dev/nvidiactl").exists() or Path("/dev/nvidia0").exists()
    cores, device = os.cpu_count() or 1, settings.device
    if settings.threads is not None and settings.threads > cores:
        flight.findings.add(
            "more threads than this machine has",
            where=settings.place("threads"),
            got=str(settings.threads),
            expected=f"at most {cores}",
            remedy=f"Write `threads: {cores}` or less, or leave it out",
        )
    if device.startswith("cuda") and not has_driver:
        flight.findings.add(
            "this machine has no CUDA device",
            where=settings.place("device"),
            got=device,
            expected="auto or cpu",
            remedy="Write `device: auto`, or have the driver of the accelerator installed",
        )
    graphics = "an NVIDIA driver is here" if has_driver else "no NVIDIA driver, so the CPU computes"
    return f"{device}: {graphics}, {settings.threads or cores} of {cores} cores"


def _check_agreement(
    settings: SiteSettings, keys: SiteKeys | None, policy: Policy | None, agreement: Agreement, flight: Preflight
) -> None:
    if policy is not None:
        with flight.examined("plan") as said:
            check_policy(policy, agreement, settings.policy)
            if flight.found_in_order("policy"):
                said.append("the policy allows it")
    with flight.examined("strategy") as said:
        check_strategy(agreement)
        said.append(f"{agreement.plan.strategy.described}: installed here, with these parameters")
    with flight.examined("roster") as said:
        check_membership(settings, keys, agreement)
        said.append(f"names {settings.name}{'' if keys is None else ' with these keys'}")


def _check_parts(agreement: Agreement, flight: Preflight) -> None:
    with flight.examined("parts") as said:
        flight.findings.extend(tried(agreement.study))
        said.append("each part of the study worked once, on a small case that was made for it")


def _check_cohort(settings: SiteSettings, policy: Policy | None, agreement: Agreement, flight: Preflight) -> None:
    with flight.examined("data") as said:
        require_table(settings)
        pins = CohortPins.of(settings.work, agreement.plan.study)
        held = pins.read() if has_work(settings) else None
        known = None if held is None else held.assignment
        checked = _checked(settings, agreement, known)
        if (told := steps_note(agreement.study, held)) != "":
            flight.notes.append(f"note: {told}")
        if held is not None:
            _check_change(held.rows_changed(checked.cohort), pins.proposal(), settings, policy, flight)
        split = without_repeats(checked.plan.splits[0].split, checked.inspection.repeats)
        counts = len(split.train), len(split.validation), len(split.test)
        said.append(
            f"{len(checked.cohort.cases)} cases, every header was read; "
            f"{counts[0]} training, {counts[1]} validation, {counts[2]} test"
        )
        flight.notes.extend(f"note: {notice.render()}" for notice in checked.inspection.notices)
        _check_store(settings, needs_of(agreement.study, checked.inspection.grids), flight)
        if policy is not None:
            flight.findings.extend(too_few_for_the_policy(counts[0], policy, settings.policy))
            flight.notes.extend(_kept_scores(counts[1], fewest_scored(policy, agreement.study)))


def _checked(settings: SiteSettings, agreement: Agreement, known: Assignment | None) -> Checkup:
    """The table with its files as the plan needs it. Raises `InputError` with what study and plan find missing."""
    findings, checked = Findings(), None
    with findings.gather(), mended_at_a_site():
        checked = check_manifest(agreement.study, settings.manifest, Depth.HEADERS, agreement.plan.fold, known)
    findings.extend(without_patients(settings, agreement))
    if checked is None or findings.problems:
        raise InputError(findings.problems)
    return checked


def _check_store(settings: SiteSettings, needs: Needs, flight: Preflight) -> None:
    """Disk and memory of the preprocessed cases, reckoned from headers. What is there already needs no room."""
    flight.notes.append(f"preprocessed cases: {needs.described}")
    if settings.store_limit is not None and needs.disk > settings.store_limit:
        flight.findings.add(
            "the preprocessed cases will not fit the store's limit",
            where=settings.place("store_limit"),
            got=shown_size(settings.store_limit),
            expected=f"at least {shown_size(needs.disk)}",
            remedy="Raise it, or leave it out where the disk has room",
        )
    if has_work(settings):
        with flight.findings.gather():
            require_store_room(needs.disk, settings.work)
    flight.findings.extend(memory_shortage(needs))


def _check_change(
    change: Change, proposal: Proposal | None, settings: SiteSettings, policy: Policy | None, flight: Preflight
) -> None:
    """Rows that came or went since training began; a change that the worker met has been counted there, by content."""
    met = change if proposal is None else proposal.change
    if not (met.added or met.removed or met.changed):
        return
    accepted = proposal is not None and proposal.accepted
    if accepted or (policy is not None and policy.cohort_changes == "allow"):
        flight.notes.append(f"cases: changed since training began (rows: {met}); known patients keep their sets")
        return
    flight.findings.add(
        "the cases have changed since training began",
        where=settings.place("manifest"),
        got=f"rows: {met}",
        remedy="Put them back, or accept the change with `site-client accept-cohort` once the worker has met it",
    )


def _kept_scores(validation_cases: int, least: int) -> list[str]:
    if validation_cases >= least:
        return []
    return [f"metrics will stay here: {validation_cases} validation cases, the policy wants {least}"]


def _check_certificate(invitation: Invitation, flight: Preflight) -> None:
    from cryptography import x509

    with flight.examined("certificate") as said:
        try:
            authorities = x509.load_pem_x509_certificates(invitation.ca_pem.encode())
        except ValueError:
            raise InputError.one(
                "the accepted certificate authority cannot be read", remedy="Accept the invitation again"
            ) from None
        # While one authority follows another there are two; the later one counts.
        end = max(certificate.not_valid_after_utc for certificate in authorities)
        now = datetime.datetime.now(datetime.UTC)
        if end <= now:
            raise InputError.one(
                "the certificate authority has expired", remedy="Ask the coordinator for a new invitation"
            )
        said.append(f"the federation's authority is valid until {end:%Y-%m-%d}")
        if (warning := expiry_sentence("the certificate authority", end, now)) != "":
            flight.notes.append(warning)


def _check_way(settings: SiteSettings, agreement: Agreement, keys: SiteKeys | None, flight: Preflight) -> None:
    address, ca = settings.address or agreement.address, agreement.invitation.ca_pem.encode()
    try:
        result = probe(address, ca)
    except ValueError:
        return  # the authority cannot be read, which is reported with the certificate
    with flight.examined("address") as said:
        if result.trouble is not None:
            raise InputError.one(result.trouble.sentence, where=address, remedy=result.trouble.remedy)
        said.append(f"{address} is reachable, TLS with the federation's certificate")
    if result.trouble is not None:
        return
    with flight.examined("clock") as said:
        if result.skew is None or not within_window(result.skew):
            raise InputError.one(
                "this machine's clock is wrong, or that is no aggregator",
                where=address,
                got="no time" if result.skew is None else f"{result.skew:+.1f} s from the aggregator's clock",
                remedy="Let this machine set its clock by NTP",
            )
        said.append(f"{result.skew:+.1f} s from the aggregator's")
    if flight.checks[-1].ok:
        _check_enrolment(address, ca, settings, keys, flight)


def _check_enrolment(address: str, ca: bytes, settings: SiteSettings, keys: SiteKeys | None, flight: Preflight) -> None:
    if keys is None:
        return
    with flight.examined("key") as said:
        try:
            reason = standing(address, ca, Signer(keys.transport, known_installation(settings.work)))
        except (OSError, ValueError):
            raise InputError.one(
                "the aggregator stopped answering", where=address, remedy="Run `site-client check` again"
            ) from None
        if reason is not None:
            what, remedy = _REFUSALS.get(reason, _REFUSALS[Reason.SIGNATURE])
            raise InputError.one(what, where=address, remedy=remedy)
        said.append("enrolled at the aggregator")


def raise_problems(flight: Preflight) -> None:
    """Raise one `InputError` with all problems, if there are any."""
    if flight.findings.problems:
        raise InputError(flight.findings.problems)
