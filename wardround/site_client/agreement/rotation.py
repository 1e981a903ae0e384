"""`site-client rotate-keys`: new keys in the place of the present ones, which sign them and are kept aside."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import private_folder, write_settings
from wardround.engine.basics.keeping import Kept, require_kept
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import later_release
from wardround.federation.identities import SIGNING_FILE, TRANSPORT_FILE, SiteKeys, fingerprint
from wardround.federation.succession import Rotation, Rotations
from wardround.site_client.agreement.settings import SiteSettings

_FILE, _NEXT, _FORMER = "rotations.json", "next", "former"
_ROOT = 0


@dataclass(frozen=True)
class NewKeys:
    """The file for the coordinator, and the new fingerprint for the telephone."""

    request: Path
    fingerprint: str


def rotate_keys(settings: SiteSettings) -> NewKeys:
    """Make new keys and put them in the place of the present ones; one that was interrupted is finished instead.

    Raises:
        InputError: the present keys cannot be used.
    """
    keys = settings.keys
    known, coming = read_rotations(keys), keys / _NEXT
    if not _is_prepared(coming, known):
        shutil.rmtree(coming, ignore_errors=True)
        present = SiteKeys.load(keys)
        rotation = Rotation.create(settings.name, present, SiteKeys.create(private_folder(coming)))
        _keep_aside(keys, present)
        known = Rotations(rotations=(*known.rotations, rotation))
        # From here on the new keys are the site's; what follows is only their move.
        write_settings(keys / _FILE, canonical_model(known))
    for name in (SIGNING_FILE, TRANSPORT_FILE):
        if (coming / name).exists():
            (coming / name).replace(keys / name)
    coming.rmdir()
    _give_to_the_folders_owner(keys)
    rotation = known.rotations[-1]
    request = keys.parent / f"{settings.name}-new-keys.pub"
    rotation.save(request)
    return NewKeys(request, fingerprint(rotation.member.signing_key))


def _give_to_the_folders_owner(keys: Path) -> None:
    """Where root has made keys for the courier's user, they are that user's, who could not open them otherwise."""
    owner = keys.stat()
    if os.geteuid() != _ROOT or owner.st_uid == _ROOT:
        return
    for folder, _, names in os.walk(keys):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def read_rotations(keys: Path) -> Rotations:
    """The rotations of a site's keys. Raises `InputError` when their file cannot be used or others may change it."""
    path = keys / _FILE
    require_kept(path, Kept.RECORD, "list of replaced keys")
    try:
        return Rotations.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Rotations()
    except (OSError, ValidationError) as error:
        raise later_release(error, path) or InputError.one(
            "the list of replaced keys cannot be read",
            where=str(path),
            expected="what `site-client rotate-keys` wrote",
            remedy="Restore it from a copy of the keys folder",
        ) from None


def _is_prepared(coming: Path, known: Rotations) -> bool:
    """Whether new keys wait that the last rotation names: an earlier call was interrupted while it moved them."""
    if not coming.is_dir() or not known.rotations:
        return False
    if not (coming / SIGNING_FILE).exists():
        return True
    waiting = (coming / TRANSPORT_FILE).exists()
    return waiting and SiteKeys.load(coming).signing_public == known.rotations[-1].member.signing_key


def _keep_aside(keys: Path, present: SiteKeys) -> None:
    folder = private_folder(private_folder(keys / _FORMER) / present.signing_public[:16])
    for name in (SIGNING_FILE, TRANSPORT_FILE):
        shutil.copy2(keys / name, folder / name)
