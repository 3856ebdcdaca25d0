"""`ldp -v` and `-vv`: directives in words, messages as trees, and no secret in either."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.cli.ldp.ber_tree import tree
from ldapserver.cli.ldp.directives import RESPONSE_AUTH, chosen, described, kind
from ldapserver.cli.ldp.wire import watch
from ldapserver.testing import Server
from ldapserver.testing import running_server as server_in_thread
from ldapserver.wire import messages as m
from ldapserver.wire.codec import encode
from ldapserver.wire.filters import parse_filter
from sasl_digest import QOP, DigestClient, Password, Response
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.interop.server import CONTOSO, U1, running_server

# RFC 2831 section 4.
CHALLENGE = b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'
RESPONSE = (
    b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
    b'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth'
)
RSPAUTH = b"rspauth=ea40f60335c427b5527b84dbabcdfffd"
PASSWORD = "Correct-Horse-9"


@pytest.fixture(scope="module")
def contoso() -> Iterator[Server]:
    with server_in_thread(ldif=[str(CONTOSO)]) as server:
        yield server


@pytest.fixture(autouse=True)
def first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """ldap3 counts the messages of all its connections together; from 128 on a message is an octet longer."""
    monkeypatch.setattr(ldap3.Server, "_message_counter", 0)


# Directives.


@pytest.mark.parametrize(
    ("message", "name", "value", "words", "section"),
    [
        (CHALLENGE, "realm", "elwood.innosoft.com", "a realm the server knows", "2.1.1"),
        (CHALLENGE, "qop", "auth", "offered: auth, authentication only", "2.1.1"),
        (
            b'qop="auth,auth-int",nonce="x",algorithm=md5-sess',
            "qop",
            "auth,auth-int",
            "auth-int, every message",
            "2.1.1",
        ),
        (b'nonce="x",algorithm=md5-sess,stale=true', "stale", "true", "too old and the password right", "2.1.1"),
        (RESPONSE, "nc", "00000001", "the first response to this nonce", "2.1.2"),
        (RESPONSE.replace(b"00000001", b"0000000b"), "nc", "0000000b", "response number 11", "2.1.2"),
        (RESPONSE, "digest-uri", "imap/elwood.innosoft.com", "service imap, host elwood.innosoft.com", "2.1.2"),
        (RESPONSE, "response", "d388dad90d4bbd760a152321f2143af7", "the proof", "2.1.2.1"),
        (RSPAUTH, "rspauth", "ea40f60335c427b5527b84dbabcdfffd", "the server's proof", "2.1.3"),
        (CHALLENGE + b",colour=blue", "colour", "blue", "not known here", "2.1.1, 2.1.2"),
    ],
    ids=["realm", "qop", "qops", "stale", "nc", "nc-11", "digest-uri", "response", "rspauth", "unknown"],
)
def test_each_directive_has_its_value_and_its_meaning(
    message: bytes, name: str, value: str, words: str, section: str
) -> None:
    row = next(row for row in described(message) if row.name == name)
    assert (row.value, row.section) == (value, section)
    assert words in row.meaning


def test_every_directive_of_a_message_has_its_row_in_order() -> None:
    assert [row.name for row in described(CHALLENGE)] == ["realm", "nonce", "qop", "algorithm", "charset"]
    assert kind(RSPAUTH) == RESPONSE_AUTH


def test_what_is_no_list_of_directives_is_said_to_be_none() -> None:
    (row,) = described(b'nonce="never closed')
    assert row.name == "(unreadable)"
    assert "octet 0" in row.meaning


def test_a_directive_cannot_move_the_cursor_of_a_terminal() -> None:
    (row,) = described(b'realm="\\\x1b[2J"')
    assert row.value == "\\x1b[2J"


def test_what_was_chosen_is_said_with_what_was_offered() -> None:
    lines = chosen(CHALLENGE, RESPONSE)
    assert lines[:4] == [
        "qop          auth, of auth offered: authentication only, no layer follows",
        "realm        elwood.innosoft.com: the one offered",
        "nonce        is the challenge's; nonce-count 1",
        "charset      UTF-8: the server takes UTF-8",
    ]
    assert "A2           AUTHENTICATE:imap/elwood.innosoft.com" in lines
    h_a2 = hashlib.md5(b"AUTHENTICATE:imap/elwood.innosoft.com").hexdigest()
    assert f"HEX(H(A2))   {h_a2}" in lines


def test_a_realm_that_was_not_offered_and_another_nonce_are_pointed_at() -> None:
    other = RESPONSE.replace(b'realm="elwood.innosoft.com"', b'realm="OTHER"').replace(b"OA6MG9tEQGm2hh", b"old")
    text = "\n".join(chosen(CHALLENGE, other))
    assert "OTHER: the user named it; NOT among those offered: elwood.innosoft.com" in text
    assert "NOT the challenge's" in text


def test_cipher_maxbuf_and_authzid_are_told_where_there_are_any() -> None:
    challenge = b'nonce="n",qop="auth-conf",cipher="3des,rc4",maxbuf=4096,algorithm=md5-sess,realm="a",realm="b"'
    client = DigestClient(
        "u1", Password(PASSWORD), service="ldap", host="h", realm="b", qop=[QOP.AUTH_CONF], authzid="u:u2"
    )
    answer = client.step(challenge)
    assert isinstance(answer, Response)
    lines = chosen(challenge, answer.data)
    assert "cipher       3des, of 3des, rc4 offered" in lines
    assert "realm        b: of those offered: a, b" in lines
    assert "maxbuf       the client sends up to 4,096 octets a buffer, the server 65,536" in lines
    assert "authzid      to act as u:u2, if the server allows it" in lines
    assert PASSWORD not in "\n".join(lines)


# Trees.


def shown(operation: m.Operation, *controls: m.Control) -> str:
    return "\n".join(tree(encode(m.LDAPMessage(7, operation, controls))))


def test_a_tree_has_offsets_octets_names_and_values() -> None:
    bind = m.BindRequest(3, "uid=u1", m.SaslAuthentication("DIGEST-MD5", b"abc"))
    assert (
        shown(bind, m.Control("1.2.3", True, b"v"))
        == """\
    0  30 34                    LDAPMessage SEQUENCE
    2  02 01 07                   messageID INTEGER 7
    5  60 1e                      bindRequest [APPLICATION 0] SEQUENCE
    7  02 01 03                     version INTEGER 3
   10  04 06 75 69 64 3d 75 31      name OCTET STRING "uid=u1"
   18  a3 11                        authentication sasl [3] SEQUENCE
   20  04 0a                          mechanism OCTET STRING "DIGEST-MD5"
   22  44 49 47 45 53 54 2d 4d
   30  44 35
   32  04 03 61 62 63                 credentials OCTET STRING "abc"
   37  a0 0f                      controls [0] SEQUENCE OF
   39  30 0d                        control SEQUENCE
   41  04 05 31 2e 32 2e 33           controlType OCTET STRING "1.2.3"
   48  01 01 ff                       criticality BOOLEAN TRUE
   51  04 01 76                       controlValue OCTET STRING "v\""""
    )


SECRET = b"Geheim"
HIDING: dict[str, m.Operation] = {
    "simple": m.BindRequest(3, "uid=u1", m.SimpleAuthentication(SECRET)),
    "plain": m.BindRequest(3, "", m.SaslAuthentication("PLAIN", b"\0u1\0" + SECRET)),
    "unknown-mechanism": m.BindRequest(3, "", m.SaslAuthentication("X-OURS", SECRET)),
    "filter": m.SearchRequest(
        "", m.Scope.BASE_OBJECT, m.DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False,
        parse_filter("(&(!(cn=a))(userPassword=Geheim)(userPassword=*Geheim*)(userPassword:dn:2.5.13.17:=Geheim))"),
        (),
    ),
    "entry": m.SearchResultEntry("", (m.PartialAttribute("userPassword;x-a", (SECRET,)),)),
    "add": m.AddRequest("cn=a", (m.PartialAttribute("USERPASSWORD", (SECRET,)),)),
    "modify": m.ModifyRequest(
        "cn=a", (m.Change(m.ModifyOperation.REPLACE, m.PartialAttribute("unicodePwd", (SECRET,))),)
    ),
    "compare": m.CompareRequest("cn=a", "userPassword", SECRET),
    "passwd": m.ExtendedRequest("1.3.6.1.4.1.4203.1.11.1", b"\x30\x08\x81\x06" + SECRET),
    "generated": m.ExtendedResponse(0, "", "", (), None, b"\x30\x08\x80\x06" + SECRET),
}  # fmt: skip


@pytest.mark.parametrize("operation", HIDING.values(), ids=HIDING)
def test_no_password_is_in_a_tree_whole_cut_or_broken(operation: m.Operation) -> None:
    element = encode(m.LDAPMessage(7, operation))
    assert "not by the grammar" not in "\n".join(tree(element))
    at = element.rindex(SECRET)
    for broken in (
        element,
        element[:-1],
        element[: at + 4],
        element + b"\0",
        element.replace(b"\x02\x01\x07", b"\x02\x01\x87"),
    ):
        text = "\n".join(tree(broken))
        assert "Geh" not in text
        assert SECRET[:3].hex(" ") not in text


def test_what_hides_nothing_is_shown() -> None:
    text = shown(m.ModifyRequest("cn=a", (m.Change(m.ModifyOperation.ADD, m.PartialAttribute("cn", (b"seen",))),)))
    assert 'value OCTET STRING "seen"' in text
    assert "operation ENUMERATED add (0)" in text
    assert 'responseValue [11] OCTET STRING "u:u1"' in shown(m.ExtendedResponse(0, "", "", (), None, b"u:u1"))
    assert "resultCode ENUMERATED noSuchObject (32)" in shown(m.SearchResultDone(32))


def test_what_the_grammar_does_not_know_is_shown_without_names() -> None:
    lines = tree(b"\x30\x08\x02\x01\x01\x7f\x01\x00\x04\x00")
    assert lines[0].startswith("not by the grammar of RFC 4511: ")
    assert lines[1:3] == [
        "    0  30 08                    SEQUENCE, 8 octets",
        "    2  02 01 01                   INTEGER 1",
    ]


def test_what_is_no_ber_is_shown_in_octets() -> None:
    assert tree(b"HTTP/1.1")[1:] == ["      here it breaks: no element begins", "    0  48 54 54 50 2f 31 2e 31"]


@given(st.binary(max_size=200))
def test_any_octets_have_a_tree(octets: bytes) -> None:
    assert tree(octets)


@given(st.sampled_from([encode(m.LDAPMessage(7, each)) for each in HIDING.values()]), st.data())
def test_any_message_with_an_octet_changed_has_a_tree(element: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(element) - 1))
    changed = element[:at] + bytes([data.draw(st.integers(0, 255))]) + element[at + 1 :]
    assert tree(changed)


# The traffic of a connection.


def headings(lines: list[str]) -> list[str]:
    """One for each message."""
    return [re.sub(r"message \d+", "message N", line) for line in lines if line[:2] in ("->", "<-", "--")]


def test_level_1_shows_a_digest_and_where_its_layer_begins(contoso: Server) -> None:
    lines: list[str] = []
    credentials = Credentials("u1", "password", qop="auth-conf")
    connection = DigestConnection(ldap3.Server(contoso.url, get_info=ldap3.NONE), sasl_credentials=credentials)
    watch(connection, 1, lines.append, colours=False)
    connection.open(read_server_info=False)
    connection.search("", "(objectClass=*)", "BASE")
    assert lines == []  # no digest
    assert connection.bind(read_server_info=False)
    assert [line.rpartition(",")[0] for line in headings(lines)] == [
        "<- BindResponse (message N, saslBindInProgress 14)",
        "-> BindRequest (message N, SASL DIGEST-MD5)",
        "<- BindResponse (message N, success 0)",
    ]
    text = "\n".join(lines)
    assert "   qop          auth-conf, of auth, auth-int, auth-conf offered: every message sealed" in text
    assert "   username     u1" in text
    assert "rspauth" in text
    before = len(lines)
    assert connection.extend.standard.who_am_i() == f"dn:{U1}"
    assert lines[before:] == ["-- from here on inside a security layer, auth-conf with 3des"]
    connection.unbind()


def test_level_2_shows_every_message_in_the_clear_whatever_it_is_in(tmp_path: Path) -> None:
    lines: list[str] = []
    with running_server(tmp_path, "--tls", "auto") as server:
        tls = ldap3.Tls(validate=ssl.CERT_NONE)
        connection = DigestConnection(
            ldap3.Server(server.url, get_info=ldap3.NONE, tls=tls),
            sasl_credentials=Credentials("u1", "password", qop="auth-int"),
        )
        watch(connection, 2, lines.append, colours=False)
        connection.open(read_server_info=False)
        connection.start_tls(read_server_info=False)
        assert connection.bind(read_server_info=False)
        assert connection.extend.standard.who_am_i() == f"dn:{U1}"
        connection.unbind()
    heads = headings(lines)
    assert heads[0] == "-> ExtendedRequest (message N, StartTLS), 31 octets"
    assert any(line.startswith("-- from here on inside TLSv1.") for line in heads)
    who = next(line for line in heads if "Who am I?" in line)
    assert "inside a security layer, auth-int, inside TLSv1." in who
    assert f'responseValue [11] OCTET STRING "dn:{U1}"' in "\n".join(lines)
    assert heads[-1].startswith("-> UnbindRequest (message N)")


def test_a_simple_bind_is_shown_without_its_password(contoso: Server) -> None:
    lines: list[str] = []
    connection = DigestConnection(
        ldap3.Server(contoso.url, get_info=ldap3.NONE), user=U1, password="password", authentication=ldap3.SIMPLE
    )
    watch(connection, 2, lines.append, colours=False)
    assert connection.bind(read_server_info=False)
    connection.unbind()
    text = "\n".join(lines)
    assert "authentication simple [0] OCTET STRING (8 octets, not shown)" in text
    assert b"password".hex(" ") not in text
    assert '"password"' not in text


def test_one_connection_is_watched_and_no_other(contoso: Server) -> None:
    lines: list[str] = []
    one, other = (ldap3.Server(contoso.url, get_info=ldap3.NONE) for _ in range(2))
    watched = DigestConnection(one)
    unwatched = DigestConnection(other, sasl_credentials=Credentials("u1", "password"))
    watch(watched, 2, lines.append, colours=False)
    watch(unwatched, 0, lines.append)
    assert unwatched.bind(read_server_info=False)
    assert lines == []
    assert watched.bind(read_server_info=False)
    assert lines != []
    watched.unbind()
    unwatched.unbind()


def test_colours_are_for_who_asks_for_them(contoso: Server) -> None:
    lines: list[str] = []
    connection = DigestConnection(ldap3.Server(contoso.url, get_info=ldap3.NONE))
    watch(connection, 2, lines.append, colours=True)
    assert connection.bind(read_server_info=False)
    connection.unbind()
    assert lines[0].startswith("\x1b[1m-> BindRequest")
