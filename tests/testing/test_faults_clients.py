"""What clients make of each fault, over a real connection: ldap3 as it is, and with our DIGEST-MD5.

The table of `docs/faults.md` is held against what is found here.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import ldap3
import pytest
from ldap3.core.exceptions import LDAPExceptionError

from ldapserver.faults import (
    Action,
    BrokenBER,
    Busy,
    Close,
    DuplicateAnswer,
    Garbage,
    HalfAnswer,
    NoAlgorithm,
    NoAnswer,
    NoRealm,
    NoRspauth,
    Notice,
    OtherMessageID,
    QopDowngrade,
    Referral,
    RepeatedNonce,
    Reset,
    SmallMaxbuf,
    StaleNonce,
    TamperedLayer,
    TwoRealms,
    WrongRspauth,
    WrongSequenceNumber,
)
from ldapserver.testing import Server, running_server
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.server.stage import LDIF, U1

DOC = Path(__file__).parents[2] / "docs" / "faults.md"
PATIENCE = 20  # seconds that clients wait for an answer which comes
IN_VAIN = 1  # and for one that never does


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    ldif = tmp_path_factory.mktemp("faults") / "contoso.ldif"
    ldif.write_text(LDIF, "utf-8")
    with running_server(ldif=[str(ldif)]) as server:
        yield server


def as_it_is(server: Server, protection: str, patience: int = PATIENCE) -> ldap3.Connection:
    layer = {"auth": None, "auth-int": "sign"}.get(protection, "ENCRYPT")
    return ldap3.Connection(
        ldap3.Server(server.url, get_info=ldap3.NONE),
        authentication=ldap3.SASL,
        sasl_mechanism=ldap3.DIGEST_MD5,
        sasl_credentials=("contoso.com", "u1", "password", None, layer),
        receive_timeout=patience,
    )


def with_ours(server: Server, protection: str, patience: int = PATIENCE) -> ldap3.Connection:
    return DigestConnection(
        ldap3.Server(server.url, get_info=ldap3.NONE),
        sasl_credentials=Credentials("u1", "password", qop=(protection,)),
        receive_timeout=patience,
    )


Connect = Callable[[Server, str], ldap3.Connection]


@contextmanager
def connected(connect: Connect, server: Server, protection: str) -> Iterator[ldap3.Connection]:
    """A connection whose socket is closed in the end, which ldap3 leaves open where it has failed."""
    connection = connect(server, protection)
    connection.open()
    try:
        with closing(connection.socket):
            yield connection
    finally:
        connection.strategy.close()


def binds(server: Server, connect: Connect, protection: str = "auth") -> str:
    """What comes of a bind."""
    with connected(connect, server, protection) as connection:
        try:
            connection.bind()
        except LDAPExceptionError as error:
            return type(error).__name__
        return "bound" if connection.bound else str(connection.result["description"])


def searches(server: Server, connect: Connect, protection: str = "auth") -> str:
    """What comes of a search, once bound."""
    with connected(connect, server, protection) as connection:
        connection.auto_referrals = False
        assert connection.bind()
        try:
            connection.search(U1, "(objectClass=*)", attributes=["uid"])
        except LDAPExceptionError as error:
            return type(error).__name__
        except IndexError:  # ldap3's own, which is no error of LDAP's
            return "IndexError"
        found = [each["type"] for each in connection.response or ()]
        return "found" if found == ["searchResEntry"] else str(connection.result["description"])


def what_comes(server: Server, connect: Connect, action: Action, on: str, protection: str) -> str:
    """The same with a fault, which strikes once."""
    fault = server.faults.add(action, on=on)
    try:
        return (searches if on == "search" else binds)(server, connect, protection)
    finally:
        assert fault.count == 1
        server.faults.clear()


# The fault, where, what the client asks for; then what comes of it for each of the two.
FOUND: list[tuple[str, Action, str, str]] = [
    ("`Busy` on `bind`", Busy(), "bind", "auth"),
    ("`Close` on `bind`", Close(), "bind", "auth"),
    ("`WrongRspauth`", WrongRspauth(), "bind", "auth"),
    ("`NoRspauth`", NoRspauth(), "bind", "auth"),
    ("`StaleNonce`", StaleNonce(), "bind", "auth"),
    ("`RepeatedNonce`", RepeatedNonce(), "challenge", "auth"),
    ("`QopDowngrade`, auth-int asked for", QopDowngrade(), "challenge", "auth-int"),
    ("`TwoRealms`", TwoRealms(), "challenge", "auth"),
    ("`NoRealm`", NoRealm(), "challenge", "auth"),
    ("`NoAlgorithm`", NoAlgorithm(), "challenge", "auth"),
    ("`SmallMaxbuf`, auth-int asked for", SmallMaxbuf(), "challenge", "auth-int"),
    ("`TamperedLayer`, auth-int", TamperedLayer(), "search", "auth-int"),
    ("`WrongSequenceNumber`, auth-int", WrongSequenceNumber(), "search", "auth-int"),
    ("`Busy` on `search`", Busy(), "search", "auth"),
    ("`Referral` on `search`", Referral("ldap://other.example.com/"), "search", "auth"),
    ("`NoAnswer` on `search`", NoAnswer(), "search", "auth"),
    ("`Close` on `search`", Close(), "search", "auth"),
    ("`Reset` on `search`", Reset(), "search", "auth"),
    ("`Notice` on `search`", Notice(), "search", "auth"),
    ("`HalfAnswer` on `search`", HalfAnswer(), "search", "auth"),
    ('`BrokenBER("length")` on `search`', BrokenBER("length"), "search", "auth"),
    ('`BrokenBER("tag")` on `search`', BrokenBER("tag"), "search", "auth"),
    ('`BrokenBER("indefinite")` on `search`', BrokenBER("indefinite"), "search", "auth"),
    ("`Garbage` on `search`", Garbage(), "search", "auth"),
    ("`OtherMessageID` on `search`", OtherMessageID(), "search", "auth"),
    ("`DuplicateAnswer` on `search`", DuplicateAnswer(), "search", "auth"),
]


def documented() -> dict[str, tuple[str, str]]:
    """The rows of the table in the documentation."""
    _, _, table = DOC.read_text("utf-8").partition("| fault | ldap3 |")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", table.partition("|---|")[2], re.MULTILINE)
    return {fault: (stock, ours) for fault, stock, ours in rows}


@pytest.mark.parametrize(
    ("name", "action", "on", "protection"), FOUND, ids=[re.sub("[^A-Za-z]+", "-", row[0]) for row in FOUND]
)
def test_what_is_documented_is_what_comes_of_it(
    server: Server, name: str, action: Action, on: str, protection: str
) -> None:
    # So that there is a nonce to repeat.
    assert binds(server, with_ours) == "bound"
    patience = IN_VAIN if isinstance(action, NoAnswer) else PATIENCE
    clients = [partial(connect, patience=patience) for connect in (as_it_is, with_ours)]
    found = tuple(what_comes(server, connect, action, on, protection) for connect in clients)
    assert documented()[name] == found


def test_all_that_is_documented_is_tried() -> None:
    assert list(documented()) == [row[0] for row in FOUND]


@pytest.mark.parametrize("action", [TamperedLayer(), WrongSequenceNumber()], ids=repr)
def test_ours_refuses_a_sealed_buffer_that_is_wrong(server: Server, action: Action) -> None:
    assert searches(server, with_ours, "auth-conf") == "found"
    assert what_comes(server, with_ours, action, "search", "auth-conf") == "LDAPSocketReceiveError"


def test_ours_does_not_come_down_to_less_than_was_asked_for(server: Server) -> None:
    assert what_comes(server, with_ours, QopDowngrade(), "challenge", "auth-conf") == "DigestBindError"
