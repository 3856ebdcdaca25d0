"""`ldapserver serve --explain`: a client is told why its bind failed, and nobody beyond this machine is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldap3
import pytest

from ldapserver.cli.ldp.bind import main as bind
from ldapserver.cli.ldp.explain_live import NOT_TOLD, ask
from ldapserver.explaining import EXPLAIN, Explainer
from ldapserver.testing import Server, running_server
from ldapserver.wire.messages import Control, ExtendedRequest, ExtendedResponse, ResultCode
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.server.stage import DEAR, LDIF, Stage, digest_response, sasl, simple, stage

CONTOSO = Path(__file__).parents[2] / "examples" / "contoso.ldif"
PEOPLE = "ou=people,dc=contoso,dc=com"
STATES = f"""\
dn: uid=out,{PEOPLE}
objectClass: account
uid: out
userPassword: password
userAccountControl: 514

dn: uid=many,{PEOPLE}
objectClass: account
uid: many
userPassword: password

dn: cn=many,{PEOPLE}
objectClass: account
uid: many
cn: many
userPassword: password

dn: uid=w29,{PEOPLE}
objectClass: account
uid: w29
userPassword: {{HA1}}CONTOSO:00000000000000000000000000000000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    states = tmp_path_factory.mktemp("ldif") / "states.ldif"
    states.write_text(STATES)
    files = [str(CONTOSO), str(states)]
    with running_server(ldif=files, netbios="CONTOSO", explain=True, host="dc1.contoso.com") as started:
        yield started


def told(server: Server, user: str, password: str, *, simple: bool = False, **more: Any) -> list[str]:
    """What the server says of a bind that fails."""
    target = ldap3.Server(server.host, server.port, get_info=ldap3.NONE)
    plain: dict[str, Any] = {"check_names": False, "receive_timeout": 20}
    if simple:
        connection = DigestConnection(target, user, password, authentication=ldap3.SIMPLE, **plain)
    else:
        credentials = Credentials(user, password, **{"service_host": "dc1.contoso.com", **more})
        connection = DigestConnection(target, sasl_credentials=credentials, **plain)
    try:
        assert not connection.bind(read_server_info=False)
        failed = connection.result
        lines = ask(connection)
        assert connection.result is failed
        return lines
    finally:
        connection.strategy.close()


@pytest.mark.parametrize(
    ("user", "password", "more", "lines"),
    [
        (
            "u1",
            "Sesame",
            {},
            ["Nothing that is known here makes this response of what 'u1' has", "it keeps CLEARTEXT"],
        ),
        ("u1", "PASSWORD", {}, ["The client hashed the password in the other case, as if Caps Lock had been on."]),
        ("nobody", "x", {}, ["Nobody is called 'nobody' here."]),
        ("FABRIKAM\\u1", "x", {}, [r"Nobody is called 'FABRIKAM\u1' here.", "Somebody is called 'u1': uid=u1,"]),
        ("many", "x", {}, ["'many' is the name of more than one account, and so of none: 'uid=many,", "'cn=many,"]),
        (
            "u1",
            "password",
            {"realm": "FABRIKAM"},
            [
                "The realm 'FABRIKAM' is not served here; these are: 'contoso.com', 'CONTOSO', 'Digest', ''.",
                "For all that, the response is right: it is made of the password of 'u1'.",
            ],
        ),
        (
            "u1",
            "password",
            {"service_host": "dc2.contoso.com"},
            [
                "The digest-uri 'ldap/dc2.contoso.com' names another service or host than this.",
                "It may be 'ldap/dc1.contoso.com'.",
            ],
        ),
        (
            "salted",
            "x",
            {},
            ["'salted' keeps nothing that DIGEST-MD5 could be verified with for this name: SSHA256."],
        ),
        (
            "w29",
            "x",
            {},
            [
                "'w29' keeps nothing that DIGEST-MD5 could be verified with for this name: HA1.",
                "No stored hash is of the names that were sent: whether the password is right cannot be told.",
            ],
        ),
        (
            "out",
            "password",
            {},
            ["The password was right; 'out' is disabled.", "stands against it: account-disabled"],
        ),
        (f"uid=u1,{PEOPLE}", "password", {}, ["is a DN, and DIGEST-MD5 has names: this one is 'u1'."]),
    ],
)
def test_a_digest_bind_is_explained(
    server: Server, user: str, password: str, more: dict[str, Any], lines: list[str]
) -> None:
    said = told(server, user, password, **more)
    assert lines[0] in said[0]
    for line in lines[1:]:
        assert any(line in each for each in said), said


@pytest.mark.parametrize(
    ("name", "password", "lines"),
    [
        (f"uid=quoted,{PEOPLE}", "x", ["The password is not that of 'quoted'.", "it keeps CLEARTEXT"]),
        ("hashed", "SESAME", ["as if Caps Lock had been on", "The password is not that of 'hashed'."]),
        ("uid=u1,ou=persons,dc=contoso,dc=com", "password", ["Nobody is called", "Somebody is called 'u1'"]),
        ("out", "password", ["The password was right; 'out' is disabled."]),
        (f"uid=u1,{PEOPLE}", " password", ["the right one with blanks around it"]),
    ],
)
def test_a_simple_bind_is_explained(server: Server, name: str, password: str, lines: list[str]) -> None:
    said = told(server, name, password, simple=True)
    assert lines[0] in said[0]
    for line in lines[1:]:
        assert any(line in each for each in said), said


def test_a_lockout_is_told_with_its_end() -> None:
    with running_server(ldif=str(CONTOSO), explain=True, lockout_threshold=2, host="dc1.contoso.com") as server:
        assert "Wrong passwords: 1 of 2." in told(server, "quoted", "wrong")
        told(server, "quoted", "wrong")
        said = told(server, "quoted", 'a"b\\c,d=e')
    assert said[0].startswith("'quoted' is locked until 20")
    assert said[0].endswith(" UTC: no password gets in.")
    assert "For all that, the response is right: it is made of the password of 'quoted'." in said


def test_no_password_is_told(server: Server) -> None:
    for user, sent in (("u1", "PASSWORD"), ("jürgen", "x"), ("u1", "x")):
        said = "\n".join(told(server, user, sent))
        assert "PASSWORD" not in said
        assert "pässwörd" not in said
        assert "'password'" not in said


def test_a_connection_without_a_failed_bind_is_told_nothing(server: Server) -> None:
    connection = DigestConnection(ldap3.Server(server.host, server.port, get_info=ldap3.NONE))
    connection.open(read_server_info=False)
    assert ask(connection) == [NOT_TOLD]
    connection.extended(EXPLAIN, b"x")
    assert connection.result["description"] == "protocolError"
    connection.search("", "(objectClass=*)", "BASE", attributes=["supportedExtension"])
    assert connection.response is not None
    assert EXPLAIN in connection.response[0]["attributes"]["supportedExtension"]
    connection.strategy.close()


def test_a_bind_that_succeeds_forgets_the_one_that_failed(server: Server) -> None:
    target = ldap3.Server(server.host, server.port, get_info=ldap3.NONE)
    name = f"uid=u1,{PEOPLE}"
    connection = DigestConnection(target, name, "wrong", authentication=ldap3.SIMPLE)
    assert not connection.bind(read_server_info=False)
    assert len(ask(connection)) > 1
    assert "'wrong'" not in repr(connection)
    connection.password = "password"
    assert connection.bind(read_server_info=False)
    assert ask(connection) == [NOT_TOLD]
    connection.strategy.close()


def test_a_server_without_the_option_says_nothing() -> None:
    with running_server(ldif=str(CONTOSO)) as plain:
        assert told(plain, "u1", "wrong", service_host="localhost") == [NOT_TOLD]
        connection = DigestConnection(ldap3.Server(plain.host, plain.port, get_info=ldap3.NONE))
        connection.open(read_server_info=False)
        connection.search("", "(objectClass=*)", "BASE", attributes=["supportedExtension"])
        assert connection.response is not None
        assert EXPLAIN not in connection.response[0]["attributes"]["supportedExtension"]
        connection.strategy.close()


@pytest.mark.parametrize("url", ["ldap://0.0.0.0:0", "ldap://[::]:0"])
def test_others_are_never_told(url: str) -> None:
    with (
        pytest.raises(ValueError, match=r"explain: .*: others can reach this address"),
        running_server(listen=["ldap://127.0.0.1:0", url], insecure_public=True, explain=True),
    ):
        pytest.fail("it listens")


def test_ldp_bind_says_it(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert bind([server.url, "-u", "nobody", "-p", "Sesame", "--explain"]) == 49
    out, err = capsys.readouterr()
    assert "Server error: Invalid credentials\nExplained: Nobody is called 'nobody' here.\n" in out
    assert err == ""


def kept(on: Stage) -> list[object]:
    """What is kept of this connection."""
    explainer = on.service.explainer
    assert explainer is not None
    return [*explainer._failed, *explainer._challenges]


def test_a_connection_that_is_gone_is_forgotten() -> None:
    wrong = stage(explain=True)
    wrong.bind(simple("u1", b"Sesame-7"))
    assert kept(wrong) == [12]
    wrong.session.lost()
    assert not kept(wrong)
    begun = stage(explain=True)
    begun.challenge()
    assert kept(begun) == [12]
    begun.session.lost()
    assert not kept(begun)


def test_one_that_goes_while_its_password_is_checked_is_forgotten() -> None:
    left = stage(LDIF + DEAR, explain=True)
    left.send(simple("dear", b"Sesame-7"))
    left.session.lost()
    assert left.channel.offloaded
    left.channel.work()
    assert left.reasons == ["wrong-password"]
    assert not kept(left)


def test_a_bind_refused_as_a_whole_is_not_told_for_the_one_before() -> None:
    refused = stage(explain=True)
    refused.bind(simple("u1", b"Sesame-7"))
    unknown = Control("1.2.3", criticality=True)
    refused.ask(simple("u1", b"Sesame-8"), (unknown,))
    assert refused.ask(ExtendedRequest(EXPLAIN)).diagnostic_message == "no bind has failed on this connection"


@pytest.mark.parametrize("bad", [b"\xb4", b"\xff" * 32, b"\\", b"\0"])
@pytest.mark.parametrize("field", [b"username", b"realm", b"nonce", b"cnonce", b"digest-uri", b"response", b"qop"])
def test_any_octets_are_explained(field: bytes, bad: bytes) -> None:
    odd = stage(explain=True)
    sent = digest_response(odd.challenge(), "u1", "Sesame-7")
    before, name, after = sent.partition(field + b"=")
    quote = b'"' if after.startswith(b'"') else b""
    odd.bind(sasl(before + name + quote + bad + after[len(quote) :]))
    told = odd.send(ExtendedRequest(EXPLAIN))
    while odd.channel.offloaded:
        odd.channel.work()
    assert not odd.channel.failures
    (answer,) = told or odd.channel.taken()
    assert isinstance(answer.operation, ExtendedResponse)
    assert answer.operation.result_code is ResultCode.SUCCESS


def test_nobody_is_told_of_the_bind_of_another() -> None:
    first = stage(explain=True)
    first.bind(simple("u1", b"Sesame-7"))
    second = Stage(first.service, first.sink, connection=13)
    assert second.ask(ExtendedRequest(EXPLAIN)).diagnostic_message == "no bind has failed on this connection"
    assert second.bind(simple("", b"")).result_code == ResultCode.SUCCESS
    assert second.ask(ExtendedRequest(EXPLAIN)).result_code == ResultCode.UNWILLING_TO_PERFORM
    assert first.bind(simple("", b"")).result_code == ResultCode.SUCCESS
    assert first.ask(ExtendedRequest(EXPLAIN)).result_code == ResultCode.UNWILLING_TO_PERFORM


def test_what_is_kept_is_bounded() -> None:
    from ldapserver.audit.record import BindRecord
    from ldapserver.bind import Decision
    from ldapserver.service import Peer
    from ldapserver.wire.messages import BindRequest, BindResponse, ResultCode, SimpleAuthentication
    from sasl_digest import Reason

    explainer = Explainer(capacity=2)
    response = BindResponse(ResultCode.INVALID_CREDENTIALS)
    request = BindRequest(3, "cn=a", SimpleAuthentication(b"Sesame-7"))
    for number in range(5):
        facts = (None, None, None, None, None, 49, Reason.WRONG_PASSWORD, None, False)
        record = BindRecord(0, None, "", "", "", None, None, number, 1, "simple", *facts)
        explainer.note(Peer(number, None, None), 1, request, Decision(response, records=(record,)))
    kept = [number for number in range(5) if explainer.failed(Peer(number, None, None))]
    assert kept == [3, 4]
    assert "Sesame" not in repr(explainer.failed(Peer(4, None, None)))
