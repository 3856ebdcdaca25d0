"""What a client's certificate says of who the client is (RFC 5280): one that the handshake has verified.

Loads `cryptography`, as whoever has a certificate to read does anyhow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.x509.oid import NameOID

from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire.dn import AVA, DN

USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # an otherName of Active Directory's
_UTF8_STRING = 0x0C

# How the types of names in certificates are called in a directory; any other is written as its number.
_TYPES = {
    NameOID.COMMON_NAME: "cn",
    NameOID.SURNAME: "sn",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.COUNTRY_NAME: "c",
    NameOID.LOCALITY_NAME: "l",
    NameOID.STATE_OR_PROVINCE_NAME: "st",
    NameOID.STREET_ADDRESS: "street",
    NameOID.ORGANIZATION_NAME: "o",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.TITLE: "title",
    NameOID.USER_ID: "uid",
    NameOID.DOMAIN_COMPONENT: "dc",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}


class UnreadableCertificate(ValueError):
    """A certificate that OpenSSL took and that still breaks a rule; the text says which."""


@dataclass(frozen=True)
class ClientCertificate:
    """Who a certificate is of: its subject, as an entry is named, and the names it is good for besides.

    `principal_names` are the UPNs and `mail_addresses` the rfc822Names of its subjectAltName.
    """

    der: bytes = field(repr=False)
    subject: DN
    principal_names: tuple[str, ...] = ()
    mail_addresses: tuple[str, ...] = ()

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read one. Raises UnreadableCertificate."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            subject = _dn(certificate.subject)
            alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return cls(der, subject)
        except (
            ValueError,
            x509.InvalidVersion,
            x509.DuplicateExtension,
            x509.UnsupportedGeneralNameType,
        ) as error:
            raise UnreadableCertificate(f"the client's certificate: {error}") from None
        mail_addresses = alternatives.get_values_for_type(x509.RFC822Name)
        return cls(der, subject, tuple(_principal_names(alternatives)), tuple(mail_addresses))


def _dn(name: x509.Name) -> DN:
    """The name leaf first: "the output consists of the string encodings of each RDN [...] starting with the last".

    RFC 4514 section 2.1
    """
    return DN(tuple(tuple(map(_ava, rdn)) for rdn in reversed(name.rdns)))


def subject_of(dn: DN) -> x509.Name:
    """The name as a certificate has it, the root first. Raises ValueError for a type that has no place there."""
    oids = {name.lower(): oid for oid, name in _TYPES.items()}
    rdns = []
    for rdn in reversed(dn.rdns):
        attributes = []
        for ava in rdn:
            oid = oids.get(ava.type.lower())
            if oid is None:
                raise ValueError(f"dn: {ava.type}: is no type of names in certificates")
            attributes.append(x509.NameAttribute(oid, ava.value.decode()))
        rdns.append(x509.RelativeDistinguishedName(attributes))
    return x509.Name(rdns)


def _ava(attribute: x509.NameAttribute[str | bytes]) -> AVA:
    value = attribute.value
    return AVA(
        _TYPES.get(attribute.oid, attribute.oid.dotted_string), value if isinstance(value, bytes) else value.encode()
    )


def _principal_names(alternatives: x509.SubjectAlternativeName) -> Iterator[str]:
    for other in alternatives.get_values_for_type(x509.OtherName):
        if other.type_id == USER_PRINCIPAL_NAME:
            try:
                value, _ = ber.octet_string(other.value, 0, len(other.value), "otherName", _UTF8_STRING)
                yield value.decode()
            except (ProtocolViolation, UnicodeDecodeError):
                raise UnreadableCertificate("the client's certificate: its UPN is no UTF8String") from None
