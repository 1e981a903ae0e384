"""How a key follows another: the replaced key itself signs its successor, so that nobody has to be asked who that is.

A site's new keys need no new plan. The roster that all have accepted stays as it is, and with it every work key: what
changes is with which keys a member of that roster speaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Added
from wardround.engine.basics.files import write_settings
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import read_named
from wardround.federation.identities import (
    CoordinatorKey,
    EnrolmentRequest,
    Member,
    SignatureHex,
    SigningHex,
    SiteKeys,
    sign,
    verify,
)
from wardround.federation.protocol import WireModel

_MAX_BYTES = 64 * 1024
_MAX_STEPS = 100


class Rotation(WireModel):
    """A site's new keys: a request to enrol them, signed by the signing key that they replace."""

    type: Literal["rotation"] = "rotation"
    request: EnrolmentRequest
    former: SigningHex
    proof: SignatureHex

    @classmethod
    def create(cls, name: str, former: SiteKeys, new: SiteKeys) -> Self:
        """From one pair of keys to the next."""
        request = EnrolmentRequest.create(name, new)
        proof = sign(former.signing, _site_statement(request.member)).hex()
        return cls(request=request, former=former.signing_public, proof=proof)

    @property
    def member(self) -> Member:
        """The site with its new keys."""
        return self.request.member

    @property
    def holds(self) -> bool:
        """Whether the new keys and the former one have signed it."""
        return self.request.proven and verify(self.former, _site_statement(self.member), bytes.fromhex(self.proof))

    def save(self, path: Path) -> None:
        """Write it as readable JSON."""
        write_settings(path, (json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode())


def read_rotation(path: Path) -> Rotation | None:
    """The rotation in a file; None when the file is something else. Raises `InputError` when a signature is wrong."""
    try:
        rotation = Rotation.model_validate_json(read_named(path, "file of new keys", _MAX_BYTES))
    except ValidationError:
        return None
    if not rotation.holds:
        raise InputError.one(
            "the signatures of the new keys do not hold", where=str(path), remedy="Ask the site for the file again"
        )
    return rotation


class Rotations(WireModel):
    """All the rotations of a site's keys, oldest first, as the site keeps them."""

    rotations: Annotated[tuple[Rotation, ...], Field(max_length=1000)] = ()

    def successor(self, member: Member) -> Member:
        """With which keys a member of the accepted roster speaks now: each step signed by the key before it."""
        for rotation in self.rotations:
            if rotation.former == member.signing_key and rotation.member.name == member.name and rotation.holds:
                member = rotation.member
        return member


class CoordinatorStep(WireModel):
    """A key that the coordinator had, and its word for the key that came after it."""

    former: SigningHex
    proof: SignatureHex


class CoordinatorSuccession(WireModel):
    """A coordinator's former keys, each with its word for the next one; the last speaks for the key of now.

    A site is told whether the key that it has accepted leads to the new one, and compares the new one anyway.

    Attributes:
        former: the key before that of now.
        proof: its signature over the key of now.
        earlier: the keys before `former`, oldest first, for sites that were away for more than one change.
    """

    former: SigningHex
    proof: SignatureHex
    earlier: Annotated[tuple[CoordinatorStep, ...], Field(max_length=_MAX_STEPS), Added("0.2.0")] = ()

    @classmethod
    def create(cls, former: CoordinatorKey, new: CoordinatorKey, before: CoordinatorSuccession | None = None) -> Self:
        """From one key to the next; `before` is how `former` came about."""
        earlier = () if before is None else before._steps[-_MAX_STEPS:]
        proof = former.sign(_coordinator_statement(new.public)).hex()
        return cls(former=former.public, proof=proof, earlier=earlier)

    def leads(self, accepted: str, new: str) -> bool:
        """Whether an accepted key has signed this one, or a key that has, and so on, without a gap."""
        steps = self._steps
        start = next((place for place, step in enumerate(steps) if step.former == accepted), None)
        if start is None:
            return False
        followers = (*(step.former for step in steps[start + 1 :]), new)
        return all(_signed_next(step, follower) for step, follower in zip(steps[start:], followers, strict=True))

    def until(self, key: str) -> CoordinatorSuccession | None:
        """The part that leads to a key; None where none does. A change that was interrupted leaves a step too many."""
        steps = self._steps
        for count in range(len(steps), 0, -1):
            last = steps[count - 1]
            if _signed_next(last, key):
                return CoordinatorSuccession(former=last.former, proof=last.proof, earlier=steps[: count - 1])
        return None

    @property
    def _steps(self) -> tuple[CoordinatorStep, ...]:
        return (*self.earlier, CoordinatorStep(former=self.former, proof=self.proof))


def distinct(keys: Iterable[str]) -> bool:
    """Whether no key stands twice."""
    found = list(keys)
    return len(set(found)) == len(found)


def _site_statement(member: Member) -> bytes:
    return b"wardround rotation\n" + canonical_model(member)


def _coordinator_statement(public: str) -> bytes:
    return b"wardround coordinator succession\n" + bytes.fromhex(public)


def _signed_next(step: CoordinatorStep, following: str) -> bool:
    return verify(step.former, _coordinator_statement(following), bytes.fromhex(step.proof))
