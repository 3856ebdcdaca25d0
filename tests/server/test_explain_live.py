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
from sasl_digest.ldap3 import Credentials, DigestConnection

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
