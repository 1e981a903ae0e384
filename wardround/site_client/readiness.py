"""What must be there before a site's processes begin: without it they would end at once, and be started for ever."""

from __future__ import annotations

from wardround.engine.basics.problems import Findings
from wardround.federation.identities import SiteKeys
from wardround.site_client.agreement import Agreement, check_membership, check_policy, load_agreement
from wardround.site_client.settings import SiteSettings, load_policy


def require_ready(settings: SiteSettings, *, keys: bool = True) -> Agreement:
    """The agreement of a site that can begin; `keys` is False for a process that must not open them.

    Raises:
        InputError: everything that is missing or does not fit (keys, the accepted invitation, the policy, this site's
            place in the roster), each with the step that mends it.
    """
    findings, own, agreement = Findings(), None, None
    if keys:
        with findings.gather():
            own = SiteKeys.load(settings.keys)
    with findings.gather():
        agreement = load_agreement(settings.accepted)
    with findings.gather():
        policy = load_policy(settings.policy)
        if agreement is not None:
            check_policy(policy, agreement)
    if own is not None and agreement is not None:
        with findings.gather():
            check_membership(settings, own, agreement)
    findings.raise_if_any()
    if agreement is None:
        raise AssertionError("an agreement that cannot be read leaves a problem behind")
    return agreement
