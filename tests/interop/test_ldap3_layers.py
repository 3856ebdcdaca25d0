"""sasl_digest.ldap3: auth-int and auth-conf under every strategy, in TLS, through rebinds, altered on the way."""

import ssl
import threading
from collections.abc import Iterator
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import LDAPResponseTimeoutError, LDAPSessionTerminatedByServerError, LDAPSocketReceiveError

from sasl_digest import QOP, Challenge, DigestServer, Lookup, Password, PeerError, Success, UsageError
from sasl_digest.layered_socket import LayeredSocket
from sasl_digest.ldap3 import Credentials, DigestConnection, install, uninstall
from tests.interop.conftest import Answer, Scripted, tlv, tool
from tests.interop.connections import (
    BASE,
    STRATEGIES,
    U1,
    bound,
    compared,
    connection,
    entries,
    ldap3_threads,
    opened,
    pool,
    stock,
    uids,
)
from tests.interop.relay import Relay, relay
from tests.interop.server import OurServer, running_server
from tests.interop.slapd import TLS, Slapd, running_slapd

LONG = 250_000  # octets, of the description of the entry below
LONG_DN = f"cn=long,{BASE}"
ME = f"dn:uid=u1,ou=people,{BASE}"

INT, RC4, TRIPLE_DES = ("auth-int", None), ("auth-conf", "rc4"), ("auth-conf", "3des")
MATTER_MOST = [ldap3.SYNC, ldap3.ASYNC, ldap3.RESTARTABLE, ldap3.REUSABLE]
ALL = [*STRATEGIES, ldap3.REUSABLE]
Layer = tuple[str, str | None]


def u1(layer: Layer, password: str = "password") -> Credentials:
    """Who binds with just this layer."""
    return Credentials("u1", password, qop=layer[0], cipher=layer[1])


def layer_of(conn: Any) -> Layer | None:
    """The layer that is in place, of REUSABLE that of its one worker."""
    conn = conn.strategy.pool.workers[0].connection if conn.strategy.pooled else conn
    layer = conn.socket.layer
    assert (conn._digest_md5_kic, conn._digest_md5_kis) == (None, None)  # ldap3's own never is
    return None if layer is None else (layer.qop.decode(), None if layer.cipher is None else layer.cipher.decode())


def who(conn: Any) -> str:
    said: str = conn.extend.standard.who_am_i()
    return said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Our server, with an entry that is long."""
    folder = tmp_path_factory.mktemp("ldapserver")
    ldif = folder / "long.ldif"
    ldif.write_text(f"dn: {LONG_DN}\nobjectClass: device\ncn: long\ndescription: {'x' * LONG}\n", "utf-8")
    with running_server(folder, "--ldif", str(ldif)) as running:
        yield running


@pytest.fixture
def between(server: OurServer) -> Iterator[Relay]:
    """Somebody between a client and our server."""
    with relay(server.url) as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TLS:
    """One for 127.0.0.1."""
    return TLS.throw_away(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory, certificate: TLS, server: OurServer) -> Iterator[Slapd]:
    """A real slapd that takes StartTLS and ldaps, and sends whoever asks for ou=elsewhere to our server."""
    folder = tmp_path_factory.mktemp("slapd")
    elsewhere = (
        f"\ndn: ou=elsewhere,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n"
        f"ref: {server.url}/ou=people,{BASE}\n"
    )
    with running_slapd(tool("slapd"), tool("slapadd"), folder, tls=certificate, more_entries=elsewhere) as running:
        yield running


@pytest.fixture
def with_tls(slapd: Slapd, certificate: TLS) -> ldap3.Server:
    """That slapd, with what is due to check its certificate."""
    return checked(slapd.url, certificate)


def checked(url: str | None, certificate: TLS) -> ldap3.Server:
    assert url is not None
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(certificate.authority))
    return ldap3.Server(url, tls=tls, get_info=ldap3.NONE)


# Every strategy


@pytest.mark.parametrize(
    ("strategy", "layer"),
    [
        *((strategy, layer) for strategy in MATTER_MOST for layer in (INT, RC4, TRIPLE_DES)),
        *((strategy, RC4) for strategy in ALL if strategy not in MATTER_MOST),
    ],
)
@pytest.mark.usefixtures("installed")
def test_every_strategy_works_in_every_layer(server: OurServer, strategy: str, layer: Layer) -> None:
    mark = server.mark()
    with opened(strategy, server.url, u1(layer)) as conn:
        assert bound(conn)
        assert who(conn) == ME
        assert layer_of(conn) == layer
        assert {"u1", "jürgen"} <= uids(conn)
        # More than one buffer, both ways.
        (entry,) = entries(conn, LONG_DN, "(objectClass=*)", "description")
        assert entry["attributes"]["description"] == ["x" * LONG]
        assert compared(conn, LONG_DN, "description", "x" * LONG)
        assert not compared(conn, LONG_DN, "description", "x" * (LONG - 1))
    told = {(record["ldap"]["qop"], record["ldap"]["cipher"]) for record in server.audit_records(mark)}
    assert told == {layer}


@pytest.mark.parametrize(
    ("layer", "strategy"),
    [
        *((layer, strategy) for layer in (INT, RC4) for strategy in MATTER_MOST),
        # All that Debian's Cyrus SASL has: its 3des does not work.
        *((("auth-conf", cipher), ldap3.SYNC) for cipher in ("des", "rc4-56", "rc4-40")),
    ],
)
@pytest.mark.usefixtures("installed")
def test_every_strategy_works_with_slapd(slapd: Slapd, strategy: str, layer: Layer) -> None:
    with opened(strategy, slapd.url, u1(layer)) as conn:
        assert bound(conn)
        assert who(conn) == ME
        assert layer_of(conn) == layer
        assert uids(conn) == {"u1", "jürgen"}
        assert compared(conn, f"uid=u1,ou=people,{BASE}", "cn", "u1")


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.usefixtures("installed")
def test_no_thread_and_no_socket_is_left(server: OurServer, strategy: str) -> None:
    threads = threading.enumerate()
    used = []
    for leave in ("unbind", "close", "unbind"):
        with opened(strategy, server.url, u1(RC4)) as conn:
            for _ in range(2):
                assert bound(conn)
                assert who(conn) == ME
                itself = conn.strategy.pool.workers[0].connection if conn.strategy.pooled else conn
                used.append(itself.socket)
            if leave == "unbind":
                conn.unbind()
    assert [sock.fileno() for sock in used] == [-1] * 6
    assert all(isinstance(sock, LayeredSocket) for sock in used)
    assert (ldap3_threads(), threading.enumerate()) == ([], threads)


def test_first_layer_that_the_server_offers_is_laid(server: OurServer) -> None:
    for qop, cipher, laid in (
        (["auth-conf", "auth-int"], None, TRIPLE_DES),
        (["auth-conf", "auth-int"], ["rc4-56", "rc4"], RC4),
        (["auth-int", "auth-conf"], "des", INT),
    ):
        with connection(server.url, Credentials("u1", "password", qop=qop, cipher=cipher)) as conn:
            assert bound(conn)
            assert layer_of(conn) == laid


def test_ldap3s_tuple_names_a_layer_in_its_fifth_place(server: OurServer) -> None:
    for fifth, laid in ((None, None), ("", None), ("sign", INT), ("ENCRYPT", TRIPLE_DES)):
        with connection(server.url, (None, "u1", "password", None, fifth)) as conn:
            assert bound(conn)
            assert layer_of(conn) == laid
            assert who(conn) == ME


# Another bind on the same connection


@pytest.mark.parametrize("strategy", [ldap3.SYNC, ldap3.ASYNC, ldap3.RESTARTABLE])
@pytest.mark.parametrize("running", ["server", "slapd"])
def test_layer_stays_until_a_bind_lays_another(request: pytest.FixtureRequest, strategy: str, running: str) -> None:
    url = request.getfixturevalue(running).url
    with connection(url, u1(INT), client_strategy=strategy, auto_bind=True) as conn:
        first = conn.socket.layer
        for credentials, binds, laid in (
            (u1(INT, "Password"), False, INT),
            (u1(INT), True, INT),
            (u1(RC4), True, RC4),
            (u1(("auth", None)), True, RC4),
            (u1(INT, "Password"), False, RC4),
            (u1(RC4), True, RC4),
        ):
            conn.rebind(sasl_credentials=credentials)
            assert conn.bound is binds
            assert layer_of(conn) == laid
            assert (who(conn) == ME) is binds
        assert conn.socket.layer is not first


@pytest.mark.usefixtures("installed")
def test_pool_binds_anew_with_another_layer(server: OurServer) -> None:
    with pool(server.url, u1(INT)) as conn:
        assert bound(conn)
        assert who(conn) == ME
        conn.rebind(sasl_credentials=u1(RC4))
        assert who(conn) == ME
        assert layer_of(conn) == RC4


@pytest.mark.parametrize("strategy", [ldap3.RESTARTABLE, ldap3.SAFE_RESTARTABLE, ldap3.REUSABLE])
@pytest.mark.usefixtures("installed")
def test_layer_comes_back_with_a_new_connection(between: Relay, strategy: str) -> None:
    with opened(strategy, between.url, u1(RC4)) as conn:
        assert bound(conn)
        assert who(conn) == ME
        itself = conn.strategy.pool.workers[0].connection if conn.strategy.pooled else conn
        itself.strategy.restartable_sleep_time = 0
        first = itself.socket
        between.cut()
        assert who(conn) == ME
        assert itself.socket is not first
        assert layer_of(conn) == RC4


def test_connection_may_be_closed_and_bound_again(server: OurServer) -> None:
    with connection(server.url, u1(RC4)) as conn:
        for _ in range(3):
            assert bound(conn)
            assert layer_of(conn) == RC4
            assert who(conn) == ME
            conn.unbind()


# On the way


def altered(data: bytes) -> list[bytes]:
    return [data[:-7] + bytes([data[-7] ^ 1]) + data[-6:]]


@pytest.mark.parametrize("layer", [INT, RC4, TRIPLE_DES])
def test_altered_buffer_ends_a_synchronous_connection(between: Relay, layer: Layer) -> None:
    with connection(between.url, u1(layer)) as conn:
        assert bound(conn)
        between.alter = altered
        with pytest.raises(LDAPSocketReceiveError, match="a buffer is wrong") as error:
            who(conn)
        assert isinstance(error.value, PeerError)
        assert (conn.bound, conn.closed) == (False, True)


@pytest.mark.usefixtures("impatient")
def test_altered_buffer_ends_an_asynchronous_connection(between: Relay) -> None:
    for waiting in ({}, {"receive_timeout": 5}):
        with connection(between.url, u1(RC4), client_strategy=ldap3.ASYNC, **waiting) as conn:
            between.alter = lambda data: [data]
            assert bound(conn)
            thread = conn.strategy.receiver
            between.alter = altered
            with pytest.raises(LDAPResponseTimeoutError):
                who(conn)
            thread.join(10)
            assert not thread.is_alive()
            assert (conn.bound, conn.closed) == (False, True)


@pytest.mark.usefixtures("installed")
def test_pool_gets_over_an_altered_buffer_on_a_new_connection(between: Relay) -> None:
    def once(data: bytes) -> list[bytes]:
        between.alter = lambda data: [data]
        return altered(data)

    with pool(between.url, u1(RC4)) as conn:
        assert bound(conn)
        assert who(conn) == ME
        conn.strategy.pool.workers[0].connection.strategy.restartable_sleep_time = 0
        between.alter = once
        assert who(conn) == ME
        assert layer_of(conn) == RC4


@pytest.mark.parametrize("strategy", [ldap3.SYNC, ldap3.ASYNC])
def test_octets_that_come_one_by_one(between: Relay, strategy: str) -> None:
    between.alter = lambda data: [bytes([octet]) for octet in data]
    with connection(
        ldap3.Server(between.url, get_info=ldap3.NONE), u1(INT), client_strategy=strategy, auto_bind=True
    ) as conn:
        assert who(conn) == ME
        conn.rebind(sasl_credentials=u1(RC4))
        assert {"u1", "jürgen"} <= uids(conn)


NOTICE_OF_DISCONNECTION = tlv(
    0x30,
    tlv(0x02, b"\0"),
    tlv(0x78, tlv(0x0A, b"\x34"), tlv(0x04), tlv(0x04), tlv(0x8A, b"1.3.6.1.4.1.1466.20036")),
)


@pytest.mark.parametrize("layer", [("auth", None), INT, RC4])
@pytest.mark.parametrize("strategy", [ldap3.SYNC, ldap3.ASYNC])
def test_what_comes_in_one_piece_with_the_success_is_inside_the_layer(
    scripted: Scripted, strategy: str, layer: Layer
) -> None:
    engine = DigestServer(realms=["contoso.com"], service="ldap", hosts=["127.0.0.1"], qop=list(QOP))

    def challenge() -> Answer:
        outcome = engine.step(b"")
        assert isinstance(outcome, Challenge)
        return Answer(14, outcome.data)

    def success(response: bytes) -> Answer:
        assert isinstance(engine.step(response), Lookup)
        outcome = engine.verify(Password("password"))
        assert isinstance(outcome, Success)
        notice = NOTICE_OF_DISCONNECTION
        return Answer(0, outcome.data, behind=outcome.layer.wrap(notice) if outcome.layer else notice)

    server = ldap3.Server(scripted(opening=challenge, verdict=success).url, get_info=ldap3.NONE)
    with connection(server, u1(layer), client_strategy=strategy) as conn:
        if strategy == ldap3.SYNC:
            assert bound(conn)
            with pytest.raises(LDAPSessionTerminatedByServerError):
                who(conn)
        else:
            conn.open()
            thread = conn.strategy.receiver
            assert bound(conn)
            thread.join(10)
            assert not thread.is_alive()
        assert conn.closed


# TLS


# ldap3 calls it, where Python still has it
ldap3_checks_certificates = pytest.mark.filterwarnings("ignore:ssl.match_hostname.. is deprecated:DeprecationWarning")


def is_inside_tls(conn: Any) -> bool:
    itself = conn.strategy.pool.workers[0].connection if conn.strategy.pooled else conn
    assert ("DNS", "localhost") in itself.socket.getpeercert()["subjectAltName"]
    return bool(itself.socket.version().startswith("TLSv1."))


@ldap3_checks_certificates
@pytest.mark.parametrize("strategy", MATTER_MOST)
@pytest.mark.usefixtures("installed")
def test_layer_inside_tls(with_tls: ldap3.Server, strategy: str) -> None:
    with opened(strategy, with_tls, u1(INT), auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND) as conn:
        assert who(conn) == ME
        assert uids(conn) == {"u1", "jürgen"}
        assert layer_of(conn) == INT
        assert is_inside_tls(conn)


@ldap3_checks_certificates
@pytest.mark.parametrize("strategy", [ldap3.SYNC, ldap3.ASYNC])
def test_layer_inside_ldaps(slapd: Slapd, certificate: TLS, strategy: str) -> None:
    with connection(checked(slapd.ldaps_url, certificate), u1(RC4), client_strategy=strategy) as conn:
        assert bound(conn)
        assert who(conn) == ME
        assert layer_of(conn) == RC4
        assert is_inside_tls(conn)


@ldap3_checks_certificates
@pytest.mark.parametrize("strategy", [ldap3.SYNC, ldap3.ASYNC, ldap3.RESTARTABLE])
def test_tls_that_comes_later_goes_below_the_layer(with_tls: ldap3.Server, strategy: str) -> None:
    with connection(with_tls, u1(RC4), client_strategy=strategy, auto_bind=ldap3.AUTO_BIND_TLS_AFTER_BIND) as conn:
        # slapd takes nobody into TLS who was bound outside of it; the layer is there nevertheless.
        assert who(conn) is None
        assert layer_of(conn) == RC4
        conn.rebind(sasl_credentials=u1(INT))
        assert who(conn) == ME
        assert layer_of(conn) == INT
        assert is_inside_tls(conn)


# install()


@pytest.mark.usefixtures("installed")
def test_referral_is_followed_in_a_layer(slapd: Slapd, server: OurServer) -> None:
    mark = server.mark()
    with connection(slapd.url, u1(RC4), of=stock, auto_bind=True) as conn:
        assert layer_of(conn) == RC4
        found = entries(conn, f"ou=elsewhere,{BASE}", "(uid=u1)", "mail")
        assert [entry["attributes"]["mail"] for entry in found] == [["una.one@contoso.com"]]
    (record,) = server.audit_records(mark)
    assert (record["ldap"]["qop"], record["ldap"]["cipher"]) == RC4


def test_connections_made_before_install_and_used_after_uninstall(server: OurServer) -> None:
    with (
        connection(server.url, u1(RC4), of=stock) as made,
        connection(server.url, u1(RC4), of=stock) as open_already,
        connection(server.url, (None, "u1", "password", None, "sign"), of=stock) as signing,
        connection(server.url, u1(RC4), of=stock, client_strategy=ldap3.ASYNC) as receiving,
    ):
        open_already.open()
        assert signing.bind(read_server_info=False)  # by stock ldap3, which would wait for ever for the second buffer
        receiving.open()
        install()
        try:
            for conn in (made, open_already):
                assert bound(conn)
                assert layer_of(conn) == RC4
            for conn in (signing, receiving):
                with pytest.raises(UsageError, match="the connection must be opened anew"):
                    conn.bind()
            signing.strategy.close()
            assert signing.bind()
            assert layer_of(signing) == INT
        finally:
            uninstall()
        for conn in (made, open_already, signing):
            assert who(conn) == ME


def test_connection_without_a_layer_has_the_socket_it_had(server: OurServer) -> None:
    with DigestConnection(server.url, sasl_credentials=U1) as conn:
        assert layer_of(conn) is None
        assert conn.socket.getpeername()[1] == conn.server.port
        assert f"remote: 127.0.0.1:{conn.server.port}" in str(conn)


# What came before the layer


@pytest.mark.parametrize("layer", [INT, TRIPLE_DES])
def test_answers_that_came_before_their_questions_are_not_taken_for_what_the_server_says_inside(
    between: Relay, layer: Layer
) -> None:
    # ASYNC files answers by their message ids, whenever they come.
    done = tlv(0x65, b"\x0a\x01\x00\x04\x00\x04\x00")
    mail = tlv(0x30, tlv(0x04, b"mail"), tlv(0x31, tlv(0x04, b"evil@attacker.example")))
    entry = tlv(0x64, tlv(0x04, f"uid=u1,ou=people,{BASE}".encode()), tlv(0x30, mail))
    forged: list[bytes] = []

    def alter(data: bytes) -> list[bytes]:
        if b"rspauth" not in data or forged:
            return [data]
        next_id = ldap3.Server.next_message_id() + 1  # type: ignore[no-untyped-call]
        for message_id in range(next_id, next_id + 5):
            number = tlv(0x02, message_id.to_bytes(4, "big"))
            forged.extend([tlv(0x30, number, entry), tlv(0x30, number, done)])
        return [b"".join(forged), data]

    between.alter = alter
    with opened(ldap3.ASYNC, between.url, u1(layer)) as conn:
        assert bound(conn)
        for _ in range(5):
            (found,) = entries(conn, BASE, "(uid=u1)", "mail")
            assert found["raw_attributes"] == {"mail": [b"una.one@contoso.com"]}
    assert forged
