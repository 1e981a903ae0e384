"""`aggregator invite`: what every site's staff reads and accepts before anything runs. It holds no secret."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from wardround.aggregator.coordination import SUCCESSION_FILE, Coordination
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import private_folder, sweep_left_overs, write_atomic, write_private
from wardround.engine.basics.problems import InputError
from wardround.engine.study import study_to_bytes
from wardround.federation.identities import COORDINATOR_FILE, CoordinatorKey
from wardround.federation.invitation import Invitation, is_like_an_invitation, save_invitation
from wardround.federation.succession import CoordinatorSuccession

_FORMER, _DAY = "former", 86400.0


def require_free(path: Path) -> None:
    """Raise `InputError` where an invitation would replace something that is none."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_file() and is_like_an_invitation(path.read_bytes()):
        return
    raise InputError.one(
        "something of this name is there already that is no invitation",
        where=str(path),
        expected="a new file, or an earlier invitation",
        remedy="Nothing was replaced: name another file with --out",
    )


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
    """Make a new coordinator's key, which the former one signs; returns its public half. The caller holds the state.

    The former key is kept beside it. Plan and work keys do not name the coordinator, so a run goes on where it was,
    once the sites have accepted the new invitation and the aggregator has been started again. The new key is on disk
    only where it is the coordinator's: what a killed call leaves is a half-written file, which is swept.
    """
    keys, former = coordination.folders.keys, coordination.key
    sweep_keys(keys)
    new = CoordinatorKey.generate()
    succession = CoordinatorSuccession.create(former, new, _succession(coordination))
    kept = private_folder(keys / _FORMER) / f"coordinator-{former.public[:16]}.key"
    write_private(kept, (keys / COORDINATOR_FILE).read_bytes())
    # First the word for the new key: without that key it says nothing, and it is written again.
    write_atomic(keys / SUCCESSION_FILE, canonical_model(succession))
    new.put_in(keys)
    return new.public


def sweep_keys(keys: Path) -> None:
    """Remove the half-written files of a change of the coordinator's key that was killed.

    The caller holds the lock of the state, as whoever writes them does. Half-written files of others are left for a
    day, since `aggregator certificate` may be at work.
    """
    for folder in (keys, keys / _FORMER):
        for path in (*folder.glob(".coordinator*.tmp"), *folder.glob(f".{SUCCESSION_FILE}*.tmp")):
            path.unlink(missing_ok=True)
    sweep_left_overs(keys, older_than=_DAY)


def _succession(coordination: Coordination) -> CoordinatorSuccession | None:
    """How the present key followed the former ones, if there were any."""
    try:
        found = CoordinatorSuccession.model_validate_json((coordination.folders.keys / SUCCESSION_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return found.until(coordination.key.public)
