"""Certificates for tests: an authority that issues them.

They have the extensions that RFC 5280 demands, which Python checks from version 3.13 on.
"""

import datetime
import ipaddress
import itertools
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
PEM = serialization.Encoding.PEM
SERIAL_NUMBERS = itertools.count(1)
LOOPBACK = (
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.DNSName("localhost"),
)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
    encipher_only=False, decipher_only=False,
)  # fmt: skip


class Identity(NamedTuple):
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes

    @property
    def serial_number(self):
        return x509.load_pem_x509_certificate(self.certificate).serial_number


class Authority:
    """A certificate authority."""

    def __init__(self, name="authority"):
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = (
            self._builder(self._name, self._key)
            .add_extension(constraints, critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
        )
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def issue(self, common_name="server", names=LOOPBACK):
        """Return the certificate of a server on the loopback interface, or of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(common_name), key)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(certificate.public_bytes(PEM), private)

    def _builder(self, subject, key):
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .add_extension(own, critical=False)
            .add_extension(issuer, critical=False)
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(next(SERIAL_NUMBERS))
            .not_valid_before(START)
            .not_valid_after(START.replace(year=2100))
        )


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
