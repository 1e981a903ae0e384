"""What must be there before a site's processes begin: without it they would end at once, and be started for ever."""

from __future__ import annotations

from wardround.engine.basics.files import require_writable
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import naming_place, require_file
from wardround.federation.identities import SiteKeys
from wardround.site_client.agreement.agreement import Agreement, check_membership, check_policy, load_agreement
from wardround.site_client.agreement.requested import require_requested_name
from wardround.site_client.agreement.settings import SiteSettings, read_policy


def require_work(settings: SiteSettings) -> None:
    """Raise `InputError`, with its place in `site.yaml`, unless the work folder is there or can be made."""
    with naming_place(settings.place("work")):
        require_writable(settings.work, "this site's work")


def has_work(settings: SiteSettings) -> bool:
    """Whether there is a work folder, or one can be made; why there is none is for `require_work` to tell."""
    try:
        require_work(settings)
    except InputError:
        return False
    return True


def require_table(settings: SiteSettings) -> None:
    """Raise `InputError`, with its place in `site.yaml`, unless the table of the cases is there."""
    with naming_place(settings.place("manifest")):
        require_file(settings.manifest, "table")


def require_ready(settings: SiteSettings) -> Agreement:
    """The agreement of a site that can begin.

    Raises:
        InputError: everything that is missing or does not fit (the work folder, keys, the accepted invitation, the
            policy, this site's place in the roster), each with the step that mends it.
    """
    findings, own = Findings(), None
    with findings.gather():
        require_work(settings)
    with findings.gather():
        own = SiteKeys.load(settings.keys)
    agreement = _agreement(settings, findings)
    with findings.gather():
        if agreement is not None:
            check_membership(settings, own, agreement)
        else:
            require_requested_name(settings, own)
    return _sound(agreement, findings)


def require_agreement(settings: SiteSettings) -> Agreement:
    """The agreement, as a process needs it that must not open the keys. Raises `InputError` as `require_ready` does."""
    findings = Findings()
    return _sound(_agreement(settings, findings), findings)


def _agreement(settings: SiteSettings, findings: Findings) -> Agreement | None:
    """What was accepted, checked against the policy; None where it cannot be read."""
    agreement = None
    with findings.gather():
        agreement = load_agreement(settings.accepted)
    policy = read_policy(settings.policy, findings)
    if policy is not None and agreement is not None:
        with findings.gather():
            check_policy(policy, agreement, settings.policy)
    return agreement


def _sound(agreement: Agreement | None, findings: Findings) -> Agreement:
    findings.raise_if_any()
    if agreement is None:
        raise AssertionError("an agreement that cannot be read leaves a problem behind")
    return agreement
