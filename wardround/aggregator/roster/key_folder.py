"""The federation's folder of keys, looked at as one: whether all is there, and whether its files belong together."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from wardround.aggregator.roster.certificates import CA_FILE, CA_KEY_FILE, SERVER_FILE, SERVER_KEY_FILE, serves
from wardround.engine.basics.files import is_missing
from wardround.engine.basics.keeping import Kept, check_kept
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.reading import kind_of, read_named
from wardround.federation.exchanged import exchanged
from wardround.federation.expiry import expiry_sentence
from wardround.federation.flower.link.tls import certificate_dates
from wardround.federation.identities import COORDINATOR_FILE, CoordinatorKey
from wardround.federation.invitation import shown_authority

_FILES = (COORDINATOR_FILE, CA_FILE, CA_KEY_FILE, SERVER_FILE, SERVER_KEY_FILE)
_TRUSTED = "Restore it from the backup of the keys; the sites trust this authority and no other"
_RENEWED = "Restore it from the backup of the keys, or make a new pair with `aggregator certificate`"
_REMEDIES = {CA_FILE: _TRUSTED, CA_KEY_FILE: _TRUSTED, SERVER_FILE: _RENEWED, SERVER_KEY_FILE: _RENEWED}
_NOUNS = {
    CA_FILE: "the authority's certificate",
    CA_KEY_FILE: "the authority's private key",
    SERVER_FILE: "the server's certificate",
    SERVER_KEY_FILE: "the server's private key",
}
_NOT_RENEWED = "without its own, which is in the backup of the keys, no certificate can be renewed"
_AUTHORITY_ENDS = (
    "`aggregator certificate` does not help: the sites trust this authority. The coordinator's guide says how another "
    "one follows it (Certificates, names and addresses); every site accepts an invitation with it"
)


@dataclass(frozen=True)
class Certificates:
    """What a folder of keys has of certificates and their keys; empty or None where something cannot be used."""

    authorities: Sequence[x509.Certificate]
    server: Sequence[x509.Certificate]
    server_key: PublicKeyTypes | None
    authority_key: PublicKeyTypes | None


def read_keys(
    keys: Path, hosts: Sequence[str], today: datetime.datetime, findings: Findings, notes: list[str]
) -> CoordinatorKey | None:
    """The coordinator's key, once the whole folder was looked at: every problem of it, each once."""
    if (keys.exists() and not keys.is_dir()) or all(is_missing(keys / name) for name in _FILES):
        findings.extend([_nothing_there(keys)])
        return None
    if (mixed := exchanged(keys, dict(_owners(keys)))) is not None:
        findings.extend([mixed])
        return None
    key = None
    with findings.gather():
        key = CoordinatorKey.load(keys)
    found = _read_certificates(keys, findings)
    check_kept(keys / SERVER_KEY_FILE, Kept.SECRET, "private key", findings)
    check_kept(keys / CA_KEY_FILE, Kept.SECRET, "private key", findings)
    check_kept(keys / CA_FILE, Kept.SETTINGS, "authority's certificate, which every invitation names", findings)
    findings.extend(_misfits(keys, found))
    if _has_stray_key(found):
        notes.append(f"{CA_KEY_FILE} is not the private key of {CA_FILE}; {_NOT_RENEWED}")
    _check_validity(keys, found, hosts, today, findings, notes)
    return key


def certificate_notes(keys: Path, today: datetime.datetime) -> tuple[str, ...]:
    """What is to be said of the dates of server certificate and authority; nothing while all is well."""
    said = []
    for name in (SERVER_FILE, CA_FILE):
        try:
            said.append(expiry_sentence(name, certificate_dates(keys / name)[1], today))
        except (OSError, ValueError):
            said.append(f"{name} cannot be read")
    return tuple(sentence for sentence in said if sentence)


def issuer_of(server: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The authority that has signed a server certificate, through the further certificates of its chain if need be."""
    if not server:
        return None
    last, between = server[0], list(server[1:])
    while True:
        if (found := next((each for each in authorities if _has_signed(each, last)), None)) is not None:
            return found
        above = next((each for each in between if _has_signed(each, last)), None)
        if above is None:
            return None
        between.remove(above)
        last = above


def server_chain(keys: Path) -> tuple[x509.Certificate, ...]:
    """The server's certificate and those after it in its file; nothing where that cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates((keys / SERVER_FILE).read_bytes()))
    except (OSError, ValueError):
        return ()


def _nothing_there(keys: Path) -> Problem:
    return Problem(
        "the federation's keys are not there",
        where=str(keys),
        got="none of them"
        if keys.is_dir()
        else "a file in the place of the folder"
        if keys.exists()
        else "no such folder",
        expected=", ".join(_FILES),
        remedy="Restore the folder of the keys from its backup, or let `folders: {keys: ...}` name it. Do not make new "
        "ones with `aggregator init` while there is a backup: the sites have accepted these. Without a backup, the "
        "coordinator's guide says how all keys are made anew (Keys that change)",
    )


def _stands_there(keys: Path) -> str:
    if keys.is_dir():
        return "none of them"
    return "a file in the place of the folder" if keys.exists() else "no such folder"


def _no_pair(keys: Path) -> Problem:
    return Problem(
        f"{SERVER_FILE} and {SERVER_KEY_FILE} are missing",
        where=str(keys),
        got="no such files",
        expected="the server's certificate and its private key",
        remedy="Restore them from the backup of the keys, or make a new pair with `aggregator certificate`",
    )


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _owners(keys: Path) -> Iterator[tuple[str, str]]:
    """For each file that can be read, the one that its contents belong in; its own name where that cannot be told."""
    contents = {name: _content(keys / name) for name in _FILES}
    certificates = [found for found in contents.values() if isinstance(found, x509.Certificate)]
    publics = {_certificates_file(found): found.public_key() for found in certificates}
    for name, found in contents.items():
        if owner := _owner(found, publics):
            yield name, owner


def _owner(found: x509.Certificate | PublicKeyTypes | None, publics: Mapping[str, PublicKeyTypes]) -> str:
    """The file that contents belong in, beside the public keys of the certificates; empty where it cannot be told."""
    if isinstance(found, x509.Certificate):
        return _certificates_file(found)
    if isinstance(found, ed25519.Ed25519PublicKey):
        return COORDINATOR_FILE
    of_certificates = ((CA_FILE, CA_KEY_FILE), (SERVER_FILE, SERVER_KEY_FILE))
    return next((key for pem, key in of_certificates if found is not None and found == publics.get(pem)), "")


def _certificates_file(certificate: x509.Certificate) -> str:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return SERVER_FILE
    return CA_FILE if constraints.ca else SERVER_FILE


def _content(path: Path) -> x509.Certificate | PublicKeyTypes | None:
    """A certificate, or the public half of a private key; None for anything else."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        return _public_half(content)


def _public_half(content: bytes) -> PublicKeyTypes | None:
    try:
        return serialization.load_pem_private_key(content, password=None).public_key()
    except (ValueError, TypeError):
        return None


def _read_certificates(keys: Path, findings: Findings) -> Certificates:
    authorities: Sequence[x509.Certificate] = ()
    server: Sequence[x509.Certificate] = ()
    server_key = authority_key = None
    with findings.gather():
        authorities = _certificates(keys / CA_FILE)
    if all(is_missing(keys / name) for name in (SERVER_FILE, SERVER_KEY_FILE)):
        findings.extend([_no_pair(keys)])
    else:
        with findings.gather():
            server = _certificates(keys / SERVER_FILE)
        with findings.gather():
            server_key = _private(keys / SERVER_KEY_FILE)
    # The authority's key may be kept elsewhere until a certificate is due.
    if not is_missing(keys / CA_KEY_FILE):
        with findings.gather():
            authority_key = _private(keys / CA_KEY_FILE)
    return Certificates(authorities, server, server_key, authority_key)


def _certificates(path: Path) -> Sequence[x509.Certificate]:
    content = _read(path)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _not_it(path, "this is not a certificate", content, "a PEM file with a certificate") from None


def _private(path: Path) -> PublicKeyTypes:
    content = _read(path)
    if (found := _public_half(content)) is not None:
        return found
    raise _not_it(path, "this is not a private key", content, "a PEM file with a private key without a password")


def _read(path: Path) -> bytes:
    if is_missing(path) and not path.is_symlink():
        raise InputError.one(
            f"{path.name} is missing",
            where=str(path),
            got="no file",
            expected=_NOUNS[path.name],
            remedy=_REMEDIES[path.name],
        )
    return read_named(path, _NOUNS[path.name].removeprefix("the "))


def _not_it(path: Path, what: str, content: bytes, expected: str) -> InputError:
    return InputError.one(what, where=str(path), got=_found(content), expected=expected, remedy=_REMEDIES[path.name])


def _found(content: bytes) -> str:
    if not content.strip():
        return "an empty file"
    if b"ENCRYPTED" in content:
        return "a private key with a password"
    if b"BEGIN CERTIFICATE" in content:
        return "a certificate, whole or cut short"
    if b"PRIVATE KEY" in content:
        return "a private key, whole or cut short"
    return kind_of(content) or "other bytes"


def _misfits(keys: Path, found: Certificates) -> Iterator[Problem]:
    """Files that are each what they should be, but not of one federation."""
    if found.server and found.authorities and issuer_of(found.server, found.authorities) is None:
        yield _not_signed(keys, found)
    if found.server and found.server_key is not None and found.server_key != found.server[0].public_key():
        yield Problem(
            f"{SERVER_KEY_FILE} is not the private key of {SERVER_FILE}",
            where=str(keys / SERVER_KEY_FILE),
            got="the key of another certificate",
            expected=f"the key that {SERVER_FILE} was made with",
            remedy="Put its own back from the backup, or make a new pair with `aggregator certificate`",
        )


def _has_stray_key(found: Certificates) -> bool:
    """Whether the authority's key, where it is here, is of another authority."""
    publics = [each.public_key() for each in found.authorities]
    return bool(publics) and found.authority_key is not None and found.authority_key not in publics


def _not_signed(keys: Path, found: Certificates) -> Problem:
    authority = shown_authority(_pem(found.authorities))
    whole = f"{CA_FILE}, {CA_KEY_FILE} and {SERVER_FILE} are of different federations: restore all from the backup"
    parts = (
        f"If {CA_FILE} is this federation's own (the sites have compared {authority}), put its {SERVER_FILE} and "
        f"{SERVER_KEY_FILE} back, or make new ones with `aggregator certificate`; if not, put {CA_FILE} and "
        f"{CA_KEY_FILE} back"
    )
    return Problem(
        f"{SERVER_FILE} is not signed by {CA_FILE}, so no site could connect",
        where=str(keys / SERVER_FILE),
        got="a certificate of another authority",
        expected=f"one that an authority in {CA_FILE} has signed",
        remedy=whole if _has_stray_key(found) else parts,
    )


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def _check_validity(
    keys: Path,
    found: Certificates,
    hosts: Sequence[str],
    today: datetime.datetime,
    findings: Findings,
    notes: list[str],
) -> None:
    # While one authority follows another, the one counts that has signed the certificate in use.
    authority = issuer_of(found.server, found.authorities) or next(iter(found.authorities), None)
    if authority is not None:
        _check_dates(authority, keys / CA_FILE, today, _AUTHORITY_ENDS, findings, notes)
    if not found.server:
        return
    server, path = found.server[0], keys / SERVER_FILE
    _check_dates(server, path, today, "Issue a new one with `aggregator certificate`", findings, notes)
    if missing := [host for host in hosts if not serves(server, host)]:
        findings.add(
            "the server certificate does not name the address",
            where=str(path),
            got="other names",
            expected=", ".join(missing),
            remedy="Issue a new one with `aggregator certificate`; if `address` has changed since the sites were "
            "invited, `aggregator invite` too, and have every site accept the new invitation",
        )


def _check_dates(
    certificate: x509.Certificate,
    path: Path,
    today: datetime.datetime,
    remedy: str,
    findings: Findings,
    notes: list[str],
) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= today <= last:
        findings.add(
            "the certificate is not valid today",
            where=str(path),
            got=f"valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            expected=f"a certificate that is valid on {today:%Y-%m-%d}",
            remedy=f"Is this machine's clock right? {remedy}" if today < first else remedy,
        )
    elif (warning := expiry_sentence(path.name, last, today)) != "":
        notes.append(warning)
