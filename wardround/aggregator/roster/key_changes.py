"""`key-changes.json` beside the roster: keys that were revoked, and keys that others have replaced, in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from wardround.engine.basics.closed import Added
from wardround.engine.basics.files import write_settings
from wardround.engine.basics.keeping import Kept, require_kept
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import later_release
from wardround.federation.identities import Member, SignatureHex, SigningHex, TransportHex
from wardround.federation.protocol import Moment, SiteName, WireModel


class KeyChange(WireModel):
    """What became of one signing key.

    Attributes:
        moment: when.
        site: whose it was.
        key: the key.
        successor: the site with its new keys, or None when the key was revoked.
        proof: the key's own signature for its successor; None when the coordinator has compared the fingerprint.
        transport: the transport key that went with it.
    """

    moment: Moment
    site: SiteName
    key: SigningHex
    successor: Member | None = None
    proof: SignatureHex | None = None
    transport: Annotated[TransportHex | None, Added("0.2.0")] = None

    @property
    def retired(self) -> frozenset[str]:
        """The keys that nobody may use any more."""
        return frozenset({self.key} if self.transport is None else {self.key, self.transport})


class KeyChanges(WireModel):
    """All of them, oldest first."""

    changes: Annotated[tuple[KeyChange, ...], Field(max_length=10_000)] = ()


def changes_file(roster: Path) -> Path:
    """Where the changes of a roster's keys are kept."""
    return roster.with_name("key-changes.json")


def read_changes(roster: Path) -> tuple[KeyChange, ...]:
    """The changes of a roster's keys. Raises `InputError` when the file cannot be used or others may change it."""
    path = changes_file(roster)
    require_kept(path, Kept.SETTINGS, "list of key changes")
    try:
        return KeyChanges.model_validate_json(path.read_bytes()).changes
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError.one(
            "the list of key changes cannot be read",
            where=str(path),
            got=error.strerror or "",
            remedy="Have its rights or its disk looked at; without it, keys that were revoked would be believed again",
        ) from None
    except ValidationError as error:
        raise later_release(error, path) or InputError.one(
            "this is not a list of key changes",
            where=str(path),
            expected="what `aggregator revoke` and `aggregator rotate-key` wrote",
            remedy="Restore it from a backup. Without one, take it away, and revoke and rotate all those keys again",
        ) from None


def add_change(roster: Path, change: KeyChange) -> None:
    """Write one more change. Raises `InputError` when the file cannot be used."""
    changes = KeyChanges(changes=(*read_changes(roster), change))
    text = json.dumps(changes.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
    write_settings(changes_file(roster), text.encode())
