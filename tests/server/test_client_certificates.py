"""Client certificates with either adapter: whom the handshake takes, whom it ends with, and what is logged."""

import contextlib
import logging
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ldapserver.certificates import ClientAuthorities, InvalidCertificate, read_authorities
from ldapserver.wire.messages import BindResponse, ResultCode
from tests.authority import Authority, Issued, name
from tests.server.adapters import Server, Start
from tests.server.adapters import adapter as adapter
from tests.server.adapters import start as start
from tests.server.stage import U1, sasl, simple
from tests.server.test_tls import CA, CERTIFICATE, Connection, begun, said, trusting

THEIRS = Authority()
GOOD = THEIRS.issue()
EXTERNAL = sasl(b"", "EXTERNAL")
OK = BindResponse(ResultCode.SUCCESS)

Asking = Callable[..., Server]


@pytest.fixture
def asking(start: Start) -> Asking:
    """Starts servers that ask clients for a certificate of `THEIRS`, or of others, over either adapter."""

    def asking(*, required: bool = False, authorities: tuple[x509.Certificate, ...] = (), **settings: Any) -> Server:
        server = start(**settings)
        clients = ClientAuthorities(authorities or (THEIRS.certificate,), required)
        server.factory.use_certificate(CERTIFICATE, clients)
        return server

    return asking


def showing(issued: Issued | None, folder: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that shows this certificate."""
    context = trusting(CA)
    if version is not None:
        context.maximum_version = version
    if issued is not None:
        context.load_cert_chain(*issued.write(folder))
    return context


versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


@versions
def test_who_shows_a_good_one_is_known_by_it(asking: Asking, tmp_path: Path, version: ssl.TLSVersion) -> None:
    connection = Connection(asking(), ldaps=True)
    connection.handshake(showing(GOOD, tmp_path, version))
    assert connection.link.session.tls is not None
    assert connection.link.session.tls.client_certificate == GOOD.der
    assert connection.who() == b""  # it is shown, and stands for nobody until it is used
    assert connection.only(EXTERNAL) == OK
    assert connection.who() == f"dn:{U1}".encode()


def test_behind_start_tls_it_is_known_too_and_not_before(asking: Asking, tmp_path: Path) -> None:
    server = asking(start_tls=True)
    connection = begun(server)
    assert not connection.secure()
    connection.handshake(showing(GOOD, tmp_path))
    assert connection.only(EXTERNAL) == OK
    assert Connection(server).only(EXTERNAL).result_code is ResultCode.INAPPROPRIATE_AUTHENTICATION


@versions
def test_who_has_none_is_served_all_the_same(asking: Asking, tmp_path: Path, version: ssl.TLSVersion) -> None:
    connection = Connection(asking(), ldaps=True)
    connection.handshake(showing(None, tmp_path, version))
    assert connection.only(EXTERNAL).result_code is ResultCode.INAPPROPRIATE_AUTHENTICATION
    assert connection.only(simple("u1", "password")) == OK
    assert connection.only(sasl(b"\0u1\0password", "PLAIN")) == OK


def refused(connection: Connection, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
    """A handshake that the server ends: in TLS 1.3 the client is done before it is told."""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        connection.handshake(context, session=session)
    assert not connection.wire.connected
    assert not connection.secure()


def wrong(kind: str) -> Issued:
    """A certificate that no server should take."""
    if kind == "expired":
        return THEIRS.issue(ends=-timedelta(hours=1))
    if kind == "of a server":
        return THEIRS.issue(usage=ExtendedKeyUsageOID.SERVER_AUTH)
    return Authority("Contoso Test CA" if kind == "forged" else "Another CA").issue()


@versions
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("expired", "cert has expired: the client's certificate, 'UID=u1,OU=people,DC=contoso,DC=com'"),
        ("of a server", "invalid purpose: the client's certificate, 'UID=u1,OU=people,DC=contoso,DC=com'"),
        ("of another", "unable to get issuer cert locally: the client's certificate, 'UID=u1,"),
        ("forged", "unable to get issuer cert locally: the client's certificate, 'UID=u1,"),
    ],
)
def test_a_wrong_one_ends_the_handshake_and_the_log_says_why(
    asking: Asking, tmp_path: Path, kind: str, why: str, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = asking()
    refused(Connection(server, ldaps=True), showing(wrong(kind), tmp_path, version))
    ((level, line),) = said(caplog)
    assert level == logging.INFO
    assert line.startswith(f"connection 1 from 192.0.2.10: TLS handshake failed: {why}")
    assert server.stage.records == []


@versions
def test_who_has_none_is_refused_where_one_is_required(
    asking: Asking, tmp_path: Path, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = asking(required=True)
    refused(Connection(server, ldaps=True), showing(None, tmp_path, version))
    ((_, line),) = said(caplog)
    assert line.endswith("peer did not return a certificate")
    connection = Connection(server, ldaps=True)
    connection.handshake(showing(GOOD, tmp_path, version))
    assert connection.only(EXTERNAL) == OK


@versions
def test_a_session_is_not_resumed_so_that_everybody_is_verified(
    asking: Asking, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    server = asking()
    context = showing(GOOD, tmp_path, version)
    first = Connection(server, ldaps=True)
    tls = first.handshake(context)
    first.who()  # in TLS 1.3 tickets come behind the handshake
    again = Connection(server, ldaps=True)
    assert again.handshake(context, session=tls.session).session_reused is False
    assert again.only(EXTERNAL) == OK
    server.factory.use_certificate(CERTIFICATE, ClientAuthorities((Authority("Another CA").certificate,)))
    second = Connection(server, ldaps=True)
    refused(second, context, tls.session)
    server.factory.use_certificate(CERTIFICATE, ClientAuthorities((THEIRS.certificate,)))
    third = Connection(server, ldaps=True)
    assert third.handshake(context, session=tls.session).session_reused is False
    assert third.only(EXTERNAL) == OK


def test_a_name_of_any_length_is_one_short_line_in_the_log(
    asking: Asking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stranger = Authority("Another CA").issue(name(*[(NameOID.COMMON_NAME, "long\n" * 12)] * 20))
    refused(Connection(asking(), ldaps=True), showing(stranger, tmp_path))
    ((_, line),) = said(caplog)
    assert "\n" not in line
    assert len(line) < 600


def test_one_that_cannot_be_read_ends_the_handshake_like_any_other(
    asking: Asking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issued = Authority("Another CA").issue()
    certificate, key = issued.write(tmp_path)
    of_no_version = issued.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    certificate.write_text(ssl.DER_cert_to_PEM_cert(of_no_version))
    context = trusting(CA)
    context.load_cert_chain(certificate, key)
    refused(Connection(asking(), ldaps=True), context)
    ((_, line),) = said(caplog)
    assert line.endswith("the client's certificate, which can't be read")


def test_without_a_ca_nobody_is_asked(start: Start, tmp_path: Path) -> None:
    server = start(tls=CERTIFICATE)
    connection = Connection(server, ldaps=True)
    connection.handshake(showing(wrong("expired"), tmp_path))
    assert connection.link.session.tls is not None
    assert connection.link.session.tls.client_certificate is None


# Files


def test_the_cas_of_a_file_are_read(tmp_path: Path) -> None:
    path, other = tmp_path / "ca.pem", Authority("Another CA")
    path.write_bytes(THEIRS.pem + other.pem)
    assert read_authorities(str(path)) == (THEIRS.certificate, other.certificate)
    for data in (b"", b"nonsense", THEIRS.pem[:100], THEIRS.certificate.public_bytes(Encoding.DER)):
        path.write_bytes(data)
        with pytest.raises(InvalidCertificate, match=r"^holds no certificate in PEM$"):
            read_authorities(str(path))
