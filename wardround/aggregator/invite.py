"""`aggregator invite`: what every site's staff reads and accepts before anything runs. It holds no secret."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import ValidationError

from wardround.aggregator.coordination import SUCCESSION_FILE, Coordination
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import private_folder, write_atomic, write_private
from wardround.engine.study import study_to_bytes
from wardround.federation.identities import COORDINATOR_FILE, CoordinatorKey
from wardround.federation.invitation import Invitation, save_invitation
from wardround.federation.succession import CoordinatorSuccession


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
        succession=_succession(coordination),
    )
    save_invitation(path, invitation, coordination.key)
    return invitation


def rotate_coordinator(coordination: Coordination) -> str:
    """Make a new coordinator's key, which the former one signs; returns its public half.

    The former key is kept beside it. Plan and work keys do not name the coordinator, so a run goes on where it was,
    once the sites have accepted the new invitation and the aggregator has been started again.
    """
    keys, former = coordination.folders.keys, coordination.key
    kept = private_folder(keys / "former") / f"coordinator-{former.public[:16]}.key"
    with tempfile.TemporaryDirectory(dir=keys) as place:
        new = CoordinatorKey.create(Path(place))
        succession = CoordinatorSuccession.create(former, new)
        write_private(kept, (keys / COORDINATOR_FILE).read_bytes())
        # First the word for the new key: without that key it says nothing, and it is written again.
        write_atomic(keys / SUCCESSION_FILE, canonical_model(succession))
        write_private(keys / COORDINATOR_FILE, (Path(place) / COORDINATOR_FILE).read_bytes())
    return new.public


def _succession(coordination: Coordination) -> CoordinatorSuccession | None:
    """The former key's word for the present one, if there was a former one."""
    try:
        found = CoordinatorSuccession.model_validate_json((coordination.folders.keys / SUCCESSION_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return found if found.vouches_for(coordination.key.public) else None
