"""Lockout as it is run: many connections at once, wrong passwords from them all, and one lock."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ldapserver.wire.messages import BindResponse

from .stage import digest_response, sasl, simple
from .test_serve import Client, Serve, epoll, ldif, loop, serve  # noqa: F401  # fixtures

THRESHOLD = 5
CLIENTS = 12
TRIES = 6


def hammer(client: Client, number: int) -> list[int]:
    """Wrong passwords, in the clear and by digest by turns."""
    codes = []
    for turn in range(TRIES):
        if (number + turn) % 2:
            codes.append(client.bind(simple("u1", f"wrong{turn}")))
        else:
            challenge = client.ask(sasl())
            assert isinstance(challenge, BindResponse)
            creds = challenge.server_sasl_creds or b""
            codes.append(client.bind(sasl(digest_response(creds, "u1", f"wrong{turn}"))))
    return codes


def test_many_connections_lock_an_account_once(serve: Serve, tmp_path: Path) -> None:  # noqa: F811
    server = serve("--lockout-threshold", str(THRESHOLD), "--host", "*")
    clients = [server.connect() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        codes = [code for each in threads.map(hammer, clients, range(CLIENTS)) for code in each]
    assert codes == [49] * CLIENTS * TRIES
    assert clients[0].bind(simple("u1", "password")) == 49
    assert clients[0].bind(simple("uid=u1,ou=people,dc=contoso,dc=com", "password")) == 49
    assert clients[0].bind(simple("salted", "saltedpw")) == 0  # who was not guessed at
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()]
    reasons = [record["ldap"]["reason"] for record in records if record["event"]["code"] == "4776"]
    assert [record["event"]["code"] for record in records].count("4740") == 1
    assert Counter(reasons) == {
        "wrong-password": THRESHOLD,
        "account-locked-out": CLIENTS * TRIES - THRESHOLD + 2,
        None: 1,
    }
    assert reasons[:THRESHOLD] == ["wrong-password"] * THRESHOLD
