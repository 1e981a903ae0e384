"""What a coordinator sends to the sites: everything that they must know and agree to, and no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from wardround.engine.basics.canonical import canonical_model, sha256_hex
from wardround.engine.basics.closed import Added
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import read_named
from wardround.engine.basics.releases import later_release
from wardround.engine.study import Study, study_from_bytes
from wardround.federation.addresses import Address, split_address
from wardround.federation.identities import CoordinatorKey, Roster, SignatureHex, SigningHex, in_groups, verify
from wardround.federation.protocol import FederationName, Plan, StudyText, WireModel
from wardround.federation.succession import CoordinatorSuccession
from wardround.federation.travelled import what_became, without_mark

MAX_INVITATION_BYTES = 4 * 2**20
CertificatesPem = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9+/= \r\n-]*$", max_length=64 * 1024),
]
"""The letters of PEM; that it is certificates and nothing beside them is checked when an invitation is read."""
_CERTIFICATES = re.compile(
    r"(-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=]+\r?\n)+-----END CERTIFICATE-----[\r\n]*)+"
)


class Invitation(WireModel):
    """An offer to take part. The plan's digest covers study, horizon, strategy, fold and roster.

    Attributes:
        address: host and port of the aggregator.
        ca_pem: certificate of the authority that signed the aggregator's certificate.
        coordinator_key: public half of the key that signs tasks, hex.
        study: canonical JSON of the study.
        succession: the former coordinator's key, and its word for this one, after a change of keys.
    """

    type: Literal["invitation"] = "invitation"
    federation: FederationName
    address: Address
    ca_pem: CertificatesPem
    coordinator_key: SigningHex
    roster: Roster
    plan: Plan
    study: StudyText
    succession: Annotated[CoordinatorSuccession | None, Added("0.2.0")] = None

    @model_validator(mode="after")
    def _agrees_with_its_plan(self) -> Self:
        claims = {
            "federation": (self.plan.federation, self.federation),
            "study": (self.plan.study, sha256_hex(self.study.encode())),
            "roster": (self.plan.roster, self.roster.digest),
        }
        wrong = [name for name, (planned, given) in claims.items() if planned != given]
        if wrong:
            raise ValueError(f"the plan names another {' and '.join(wrong)}")
        return self

    @property
    def host(self) -> str:
        """The aggregator's host name or address."""
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        """The aggregator's port."""
        return split_address(self.address)[1]

    def open_study(self) -> Study:
        """The study, validated. Raises `InputError` when this version cannot read it."""
        return study_from_bytes(self.study.encode())


class SignedInvitation(WireModel):
    """An invitation with the signature of the coordinator's key that it names."""

    invitation: Invitation
    signature: SignatureHex

    @classmethod
    def by(cls, invitation: Invitation, key: CoordinatorKey) -> Self:
        """An invitation that this key signs."""
        return cls(invitation=invitation, signature=key.sign(_statement(invitation)).hex())

    @property
    def holds(self) -> bool:
        """Whether the invitation is, to the letter, what the holder of the coordinator's key has signed."""
        signature = bytes.fromhex(self.signature)
        return verify(self.invitation.coordinator_key, _statement(self.invitation), signature)


def save_invitation(path: Path, invitation: Invitation, key: CoordinatorKey) -> None:
    """Sign an invitation and write it as readable JSON, atomically."""
    signed = SignedInvitation.by(invitation, key)
    write_atomic(path, (json.dumps(signed.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode())


def load_invitation(path: Path) -> Invitation:
    """The invitation in a file. Raises `InputError` as `load_signed` does."""
    return load_signed(path).invitation


def load_signed(path: Path) -> SignedInvitation:
    """The invitation in a file, its signature checked against the coordinator's key that it names.

    That shows that the file is whole and that the coordinator key's holder wrote it. Whether that is the coordinator
    is for people to find out: they compare the key's `fingerprint` over another channel.

    Raises:
        InputError: the file cannot be read, is not an invitation, was changed, or holds a study that cannot be read.
    """
    signed = _read(path)
    invitation = signed.invitation
    if not signed.holds:
        raise InputError.one(
            "the invitation was changed after the coordinator had signed it",
            where=str(path),
            got="other contents than those that were signed",
            expected="the file as `aggregator invite` wrote it",
            remedy="Ask the coordinator for the file again and leave it as it is. To reach the aggregator under "
            "another address, write `address` in site.yaml",
        )
    findings = Findings()
    with findings.gather():
        _check_authority(invitation.ca_pem, path)
    with findings.gather():
        invitation.open_study()
    findings.raise_if_any()
    return signed


def is_like_an_invitation(content: bytes) -> bool:
    """Whether bytes have the form of an invitation; that it is whole and whose it is, is not looked at."""
    try:
        written = from_json(without_mark(content))
    except ValueError:
        return False
    return isinstance(written, dict) and set(SignedInvitation.model_fields) <= written.keys()


def authority_fingerprint(ca_pem: str) -> str:
    """The certificate authority in a form for people to compare over the telephone, as that of a key.

    Raises:
        ValueError: these are no certificates.
    """
    authorities = x509.load_pem_x509_certificates(ca_pem.encode())
    return in_groups(sha256_hex(b"".join(each.public_bytes(Encoding.DER) for each in authorities)))


def shown_authority(ca_pem: str) -> str:
    """The authority's fingerprint, or plain words where there is no certificate to have one."""
    try:
        return authority_fingerprint(ca_pem)
    except ValueError:
        return f"none that can be read ({sha256_hex(ca_pem.encode())[:16]})" if ca_pem else "none"


def _check_authority(ca_pem: str, path: Path) -> None:
    """An empty authority trusts nobody, which `site-client check` says; anything else must be certificates."""
    if ca_pem and not _CERTIFICATES.fullmatch(ca_pem):
        raise _no_authority(path)
    try:
        if ca_pem:
            authority_fingerprint(ca_pem)
    except ValueError:
        raise _no_authority(path) from None


def _no_authority(path: Path) -> InputError:
    return InputError.one(
        "the invitation's certificate authority cannot be read",
        where=f"{path}, ca_pem",
        expected="certificates in PEM form and nothing beside them",
        remedy="Ask the coordinator for another invitation",
    )


_OTHERS = (
    ("signing_proof", "a site's enrolment request, which goes to the coordinator"),
    ("former", "a site's new keys, which go to the coordinator"),
    ("members", "a coordinator's roster"),
)
"""Other files of a federation, by a key that they have."""


def _statement(invitation: Invitation) -> bytes:
    return b"wardround invitation\n" + canonical_model(invitation)


def _read(path: Path) -> SignedInvitation:
    content = without_mark(read_named(path, "invitation", MAX_INVITATION_BYTES))
    try:
        return SignedInvitation.model_validate_json(content)
    except ValidationError as error:
        _refuse_another_file(path, content)
        _refuse_what_became(path, content)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise later_release(error, path) or InputError.one(
            "this is not an invitation",
            where=f"{path}, {place}" if place else str(path),
            got=_found(first),
            expected="the invitation.json that `aggregator invite` wrote",
            remedy="Ask the coordinator to send that file again, as it is",
        ) from None


def _refuse_another_file(path: Path, content: bytes) -> None:
    """Raise `InputError` for a file that is plainly another one of a federation; leave what is not to others."""
    try:
        keys = set(json.loads(content))
    except (ValueError, TypeError):
        keys = set()
        named = "a file of settings (YAML)" if path.suffix.lower() in (".yaml", ".yml") else ""
    else:
        named = next((word for key, word in _OTHERS if key in keys), "")
    if named:
        raise InputError.one(
            "this is not an invitation",
            where=str(path),
            got=named,
            expected="the invitation.json that `aggregator invite` wrote",
            remedy="Name the file that the coordinator has sent; it is usually called invitation.json",
        ) from None


def _refuse_what_became(path: Path, content: bytes) -> None:
    """Raise `InputError` for what is no JSON, with what it is."""
    got, remedy = what_became(content, "invitation.json")
    if got:
        raise InputError.one(
            "this is not an invitation",
            where=str(path),
            got=got,
            expected="the invitation.json that `aggregator invite` wrote",
            remedy=remedy,
        ) from None


def _found(detail: ErrorDetails) -> str:
    """What stands where an invitation has something else."""
    if detail["type"] == "missing":
        return "no such key"
    return "another value than an invitation has there"
