"""The federation's own certificate authority and the server certificate that it signs (EC P-256, X.509)."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca.key"
SERVER_FILE = "server.pem"
SERVER_KEY_FILE = "server.key"
_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 825
_CLOCK_TOLERANCE = datetime.timedelta(hours=1)


@dataclass(frozen=True, repr=False)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def issue_authority(federation: str, today: datetime.datetime) -> Issued:
    """A self-signed authority that may sign server certificates and nothing below them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{federation} authority")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(name, name, key.public_key(), today, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _sign(builder, key, key)


def issue_server(authority: Issued, hosts: Iterable[str], today: datetime.datetime) -> Issued:
    """A server certificate for names and IP addresses. Raises ValueError when `hosts` is empty."""
    alternatives = [_alternative(host) for host in dict.fromkeys(hosts)]
    if not alternatives:
        raise ValueError("a server certificate needs at least one host")
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = serialization.load_pem_private_key(authority.key, password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        _builder(_name("aggregator"), issuer.subject, key.public_key(), today, _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(identifier, critical=False)
    )
    return _sign(builder, key, issuer_key)


def matching_authority(certificates: bytes, key: bytes) -> Issued:
    """The authority whose private key this is, of several certificates. Raises ValueError when there is none."""
    private = serialization.load_pem_private_key(key, password=None)
    for certificate in x509.load_pem_x509_certificates(certificates):
        if certificate.public_key() == private.public_key():
            return Issued(certificate.public_bytes(serialization.Encoding.PEM), key)
    raise ValueError("the private key is of none of the certificates")


def serves(certificate: x509.Certificate, host: str) -> bool:
    """Whether the certificate names this host or IP address; `*.` in it stands for one label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    wanted = _alternative(host)
    any_label = f"*.{host.lower().partition('.')[2]}" if isinstance(wanted, x509.DNSName) else None
    named = [name for name in names if type(name) is type(wanted)]
    return any(name.value == wanted.value or str(name.value).lower() in (wanted.value, any_label) for name in named)


def _alternative(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.lower())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Wardround"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, today: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - _CLOCK_TOLERANCE)
        .not_valid_after(today + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Issued:
    certificate = builder.sign(signer, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), private)
