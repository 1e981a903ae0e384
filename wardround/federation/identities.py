"""Who is who: keys of sites and of the coordinator, requests to enrol, and the roster of those who take part.

A site has two keys. The Ed25519 key signs its replies; the EC P-384 key opens its connection to the aggregator, in
the form that the transport asks for. Private keys are files that only their owner can read.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pydantic import Field, ValidationError, field_validator

from wardround.engine.basics.canonical import canonical_model, digest_of, sha256_hex
from wardround.engine.basics.files import is_missing, write_atomic, write_private
from wardround.engine.basics.keeping import Kept, check_kept, require_kept
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import kind_of, read_named
from wardround.engine.basics.releases import later_release
from wardround.federation.exchanged import exchanged
from wardround.federation.protocol import SiteName, WireModel

SigningHex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TransportHex = Annotated[str, Field(pattern=r"^0[23][0-9a-f]{96}$")]
SignatureHex = Annotated[str, Field(pattern=r"^([0-9a-f]{2}){1,256}$")]
MAX_SITES = 1000
SIGNING_FILE = "signing.key"
TRANSPORT_FILE = "transport.key"
COORDINATOR_FILE = "coordinator.key"
_COORDINATORS = (
    "Restore it from the backup of the keys. Without one, the coordinator's guide says how it is made anew (Keys that "
    "change)"
)
_MAX_REQUEST_BYTES = 64 * 1024


def sign(key: ed25519.Ed25519PrivateKey, body: bytes) -> bytes:
    """Ed25519 signature over `body`, 64 bytes."""
    return key.sign(body)


def verify(public: str, body: bytes, signature: bytes) -> bool:
    """Whether `signature` over `body` was made with the key whose public half is `public` (hex)."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, body)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_public_hex(key: ed25519.Ed25519PrivateKey) -> str:
    """The public half of a signing key, 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def transport_public_hex(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half of a transport key: the compressed point, 98 hexadecimal digits."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    return point.hex()


def transport_public_bytes(public: str) -> bytes:
    """A transport key's public half in the transport's form: PEM of the SubjectPublicKeyInfo.

    Raises:
        ValueError: `public` is not a point of P-384 in compressed form.
    """
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), bytes.fromhex(public))
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(public: str) -> str:
    """A short form of a public key for people to compare over the telephone: 8 groups of 4 digits."""
    return in_groups(sha256_hex(bytes.fromhex(public)))


def in_groups(digest: str) -> str:
    """The head of a digest as people read it aloud: 8 groups of 4 digits."""
    return " ".join(digest[start : start + 4] for start in range(0, 32, 4))


@dataclass(frozen=True, repr=False)
class SiteKeys:
    """A site's two private keys."""

    signing: ed25519.Ed25519PrivateKey
    transport: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: Path) -> Self:
        """New keys in `folder`, mode 0600. Raises `InputError` when there are keys already."""
        _refuse_existing(folder / SIGNING_FILE)
        _refuse_existing(folder / TRANSPORT_FILE)
        keys = cls(ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1()))
        write_private(folder / SIGNING_FILE, _pem(keys.signing))
        write_private(folder / TRANSPORT_FILE, _pem(keys.transport))
        return keys

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The keys of `folder`. Raises `InputError` when they are absent, readable by others, or not keys."""
        if all(is_missing(folder / name) for name in (SIGNING_FILE, TRANSPORT_FILE)):
            raise InputError.one(
                "this site's keys are not there",
                where=str(folder),
                got="no such files",
                expected=f"{SIGNING_FILE} and {TRANSPORT_FILE}",
                remedy="Restore the folder of the keys from its backup, or let `keys` in site.yaml name it",
            )
        findings = Findings()
        for name in (SIGNING_FILE, TRANSPORT_FILE):
            check_kept(folder / name, Kept.SECRET, "private key", findings)
        if (mixed := exchanged(folder, dict(_owners(folder)))) is not None:
            raise InputError([*findings.problems, mixed])
        signing = transport = None
        with findings.gather():
            signing = _signing_key(folder / SIGNING_FILE)
        with findings.gather():
            transport = _transport_key(folder / TRANSPORT_FILE)
        findings.raise_if_any()
        if signing is None or transport is None:
            raise AssertionError("a key that cannot be read leaves a problem behind")
        return cls(signing, transport)

    @property
    def signing_public(self) -> str:
        """Public half of the signing key, hex."""
        return signing_public_hex(self.signing)

    @property
    def transport_public(self) -> str:
        """Public half of the transport key, hex."""
        return transport_public_hex(self.transport)


@dataclass(frozen=True, repr=False)
class CoordinatorKey:
    """The key that signs tasks and invitations."""

    signing: ed25519.Ed25519PrivateKey

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new key in `folder`, mode 0600. Raises `InputError` when there is one already."""
        _refuse_existing(folder / COORDINATOR_FILE)
        key = cls.generate()
        key.put_in(folder)
        return key

    @classmethod
    def generate(cls) -> Self:
        """A new key that lies nowhere yet."""
        return cls(ed25519.Ed25519PrivateKey.generate())

    def put_in(self, folder: Path) -> None:
        """Make this the key of `folder`, mode 0600, in the place of the one that is there."""
        write_private(folder / COORDINATOR_FILE, _pem(self.signing))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The key of `folder`. Raises `InputError` when it is absent, readable by others, or not a key."""
        path = folder / COORDINATOR_FILE
        require_kept(path, Kept.SECRET, "private key")
        _require_there(path, "the private key that `aggregator init` wrote", _COORDINATORS)
        signing = _read_key(path, _COORDINATORS)
        if not isinstance(signing, ed25519.Ed25519PrivateKey):
            raise _not_a_key(path, "a key of another kind", _COORDINATORS)
        return cls(signing)

    @property
    def public(self) -> str:
        """Public half, hex."""
        return signing_public_hex(self.signing)

    def sign(self, body: bytes) -> bytes:
        """Signature over `body`, 64 bytes."""
        return sign(self.signing, body)


class Member(WireModel):
    """A site that takes part: its name and the public halves of its keys."""

    name: SiteName
    signing_key: SigningHex
    transport_key: TransportHex

    @field_validator("transport_key")
    @classmethod
    def _is_a_point(cls, public: str) -> str:
        transport_public_bytes(public)
        return public


class Roster(WireModel):
    """Who takes part, in order of name. Its digest is in the plan that every site accepts."""

    members: Annotated[tuple[Member, ...], Field(max_length=MAX_SITES)]

    @field_validator("members")
    @classmethod
    def _sorted_and_distinct(cls, members: tuple[Member, ...]) -> tuple[Member, ...]:
        names = [member.name for member in members]
        keys = [key for member in members for key in (member.signing_key, member.transport_key)]
        if names != sorted(set(names)):
            raise ValueError("the members must be in order of name, each name once")
        if len(set(keys)) != len(keys):
            raise ValueError("two members have the same key")
        return members

    @classmethod
    def of(cls, members: tuple[Member, ...]) -> Self:
        """A roster of `members` in any order. Raises ValueError when two share a name or a key."""
        return cls(members=tuple(sorted(members, key=lambda member: member.name)))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return digest_of(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(member.name for member in self.members)

    def member(self, name: str) -> Member | None:
        """The member of that name, if there is one."""
        return next((member for member in self.members if member.name == name), None)

    def transport_keys(self) -> Mapping[str, bytes]:
        """Each site's transport key as the link wants it."""
        return {member.name: transport_public_bytes(member.transport_key) for member in self.members}


class EnrolmentRequest(WireModel):
    """What a site gives the coordinator: its name and public keys, signed with both private keys.

    The two signatures prove that whoever made the request holds the keys. They do not prove who that is: people
    compare the `fingerprint` over another channel.
    """

    type: Literal["enrolment"] = "enrolment"
    member: Member
    signing_proof: SignatureHex
    transport_proof: SignatureHex

    @classmethod
    def create(cls, name: str, keys: SiteKeys) -> Self:
        """The request of a site called `name`."""
        member = Member(name=name, signing_key=keys.signing_public, transport_key=keys.transport_public)
        statement = _statement(member)
        return cls(
            member=member,
            signing_proof=sign(keys.signing, statement).hex(),
            transport_proof=keys.transport.sign(statement, ec.ECDSA(hashes.SHA384())).hex(),
        )

    @staticmethod
    def load(path: Path) -> EnrolmentRequest:
        """The request in a file. Raises `InputError` when it is not one, or when a proof does not hold."""
        request = _read_request(path)
        if not request.proven:
            raise InputError.one(
                "the enrolment request was changed after the site had signed it",
                where=str(path),
                got="other contents than those that the site's keys have signed",
                expected="the file as `site-client init` wrote it",
                remedy="Ask the site for the file again, as an attachment, and leave it as it is: name and keys "
                "cannot be written by hand",
            )
        return request

    def save(self, path: Path) -> None:
        """Write the request as readable JSON, atomically."""
        write_atomic(path, (json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode())

    @property
    def proven(self) -> bool:
        """Whether both signatures hold."""
        statement = _statement(self.member)
        return verify(self.member.signing_key, statement, bytes.fromhex(self.signing_proof)) and _verify_transport(
            self.member.transport_key, statement, bytes.fromhex(self.transport_proof)
        )


def _statement(member: Member) -> bytes:
    return b"wardround enrolment\n" + canonical_model(member)


def _verify_transport(public: str, body: bytes, signature: bytes) -> bool:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), bytes.fromhex(public))
    try:
        key.verify(signature, body, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def _read_request(path: Path) -> EnrolmentRequest:
    content = read_named(path, "enrolment request", _MAX_REQUEST_BYTES)
    try:
        # Some editors and mail programs put this mark in front of a text.
        return EnrolmentRequest.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        raise later_release(error, path) or InputError.one(
            "this is not an enrolment request",
            where=str(path),
            got="one that was changed or damaged" if b'"signing_proof"' in content else "another file",
            expected="the NAME.pub file that `site-client init` wrote",
            remedy="Ask the site's staff for that file; it lies beside their site.yaml",
        ) from None


def _pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise InputError.one(
            "there is a key already", where=str(path), remedy="Move it away first if you want a new identity"
        )


def _signing_key(path: Path) -> ed25519.Ed25519PrivateKey:
    key = _site_key(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise _not_a_key(path, "a key of another kind", _LOST)
    return key


def _transport_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = _site_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp384r1":
        raise _not_a_key(path, "a key of another kind", _LOST)
    return key


def _owners(folder: Path) -> Iterator[tuple[str, str]]:
    """For each of a site's keys that can be read, the file that it belongs in."""
    for name in (SIGNING_FILE, TRANSPORT_FILE):
        try:
            key = serialization.load_pem_private_key((folder / name).read_bytes(), password=None)
        except (OSError, ValueError, TypeError):
            continue
        yield name, SIGNING_FILE if isinstance(key, ed25519.Ed25519PrivateKey) else TRANSPORT_FILE


_LOST = (
    "Restore it from the backup of the keys. If there is none: `site-client init` in a new folder, and send the "
    "coordinator its .pub file, who runs `aggregator replace`"
)


def _site_key(path: Path) -> object:
    _require_there(path, "the private key that `site-client init` wrote", _LOST)
    return _read_key(path, _LOST)


def _require_there(path: Path, expected: str, remedy: str) -> None:
    if is_missing(path) and not path.is_symlink():
        raise InputError.one(
            f"{path.name} is missing", where=str(path), got="no file", expected=expected, remedy=remedy
        )


def _read_key(path: Path, remedy: str) -> object:
    content = read_named(path, "private key")
    try:
        return serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise _not_a_key(path, "a key with a password", remedy) from None
    except ValueError:
        got = "an empty file" if not content.strip() else "a file that is cut short or damaged, or another one"
        raise _not_a_key(path, kind_of(content) or got, remedy) from None


def _not_a_key(path: Path, got: str, remedy: str) -> InputError:
    return InputError.one(
        "this is not the expected key",
        where=str(path),
        got=got,
        expected="the private key as Wardround wrote it",
        remedy=remedy,
    )
