"""Subsequent authentication (RFC 2831 section 2.2) with Cyrus SASL's client, which does it where the server does."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.interop.conftest import absent
from tests.interop.server import REALM, U1, OurServer, run, running_server
from tests.interop.test_layers import CLIENTS

ME = f"dn:{U1}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """A server that remembers."""
    with running_server(tmp_path_factory.mktemp("remembering"), "--remember", "1h") as running:
        yield running


def binds(server: OurServer, ssf: int, *passwords: str) -> tuple[list[str], list[dict[str, Any]]]:
    """What became of the binds of one process, and their records."""
    if find_spec("ldap") is None:
        absent("python-ldap")
    mark = server.mark()
    status, output, error = run(sys.executable, str(CLIENTS / "again.py"), server.named_url, str(ssf), *passwords)
    assert (status, error) == (0, "")
    return output.split(), server.audit_records(mark)


def summary(records: list[dict[str, Any]]) -> list[tuple[int, int, str | None]]:
    """messageID, result code and reason: who comes back has bound with its first message."""
    return [tuple(record["ldap"][name] for name in ("message_id", "result_code", "reason")) for record in records]


@pytest.mark.parametrize(("ssf", "qop"), [(0, "auth"), (1, "auth-int"), (128, "auth-conf")])
def test_second_bind_takes_one_round_trip(server: OurServer, ssf: int, qop: str) -> None:
    output, records = binds(server, ssf, "password", "password", "password")
    assert output == [ME] * 3  # asked through the layer, which starts anew each time
    assert summary(records) == [(2, 0, None), (1, 0, None), (1, 0, None)]
    assert {record["ldap"]["qop"] for record in records} == {qop}


def test_wrong_password_is_seen_at_once_and_spoils_nothing(server: OurServer) -> None:
    output, records = binds(server, 0, "password", "wrong", "password", "password")
    assert output == [ME, "invalidCredentials", ME, ME]
    # An initial response that is wrong gets a challenge, and its second answer is wrong again.
    assert summary(records) == [
        (2, 0, None),
        (1, 14, "wrong-password"),
        (2, 49, "wrong-password"),
        (2, 0, None),
        (1, 0, None),
    ]


def test_server_that_was_never_told_to_remember_is_as_it_was(our_server: OurServer) -> None:
    output, records = binds(our_server, 0, "password", "password")
    assert output == [ME] * 2
    assert summary(records) == [(2, 0, None)] * 2
    assert records[0]["ldap"]["realm"] == REALM
