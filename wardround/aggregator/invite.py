"""`aggregator invite`: what every site's staff reads and accepts before anything runs. It holds no secret."""

from __future__ import annotations

from pathlib import Path

from wardround.aggregator.coordination import Coordination
from wardround.engine.study import study_to_bytes
from wardround.federation.invitation import Invitation, save_invitation


def write_invitation(coordination: Coordination, path: Path) -> Invitation:
    """Write the signed invitation of a checked federation; one file serves all sites."""
    invitation = Invitation(
        federation=coordination.settings.federation,
        address=coordination.settings.address,
        ca_pem=coordination.ca_pem,
        coordinator_key=coordination.key.public,
        roster=coordination.roster,
        plan=coordination.plan,
        study=study_to_bytes(coordination.study).decode(),
    )
    save_invitation(path, invitation, coordination.key)
    return invitation
