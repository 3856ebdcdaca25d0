"""All seeds of the fuzzer, and all that it ever found, through the functions that it fuzzes; without atheris."""

from pathlib import Path

import pytest

from sasl_digest import DigestClient, DigestServer, Lookup, NonceBook, Password, Response, UsageError
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, Finding

REGRESSIONS = Path(__file__).parent / "regressions"


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_and_all_that_was_found_holds(target: str) -> None:
    known = seeds(target)
    assert len(known) >= 20
    for octets in known:
        TARGETS[target](octets)
    for path in sorted(REGRESSIONS.glob(f"{target}/*")):
        TARGETS[target](path.read_bytes())


def test_seeds_get_to_the_arithmetic() -> None:
    # Were all refused for their nonce or their host, no mutation of them would get there either.
    server = DigestServer(nonces=NonceBook(clock=lambda: 0.0, token=bytes), service="ldap")
    asked = answered = 0
    for octets in seeds("server"):
        exchange = server.fresh()
        exchange.step(b"")
        asked += isinstance(exchange.step(octets), Lookup)
    for octets in seeds("client"):
        client = DigestClient("u", Password("p"), service="ldap", host="h")
        answered += isinstance(client.step(octets.partition(b"\n\n")[0]), Response)
    assert asked >= 10
    assert answered >= 10


# What is broken in the packages, so that each target must find something in its seeds.
BREAKAGES = {
    "messages": ("sasl_digest.messages.quoted", lambda value: b'"' + value + b'"'),
    "server": ("sasl_digest.proving._equal", lambda one, other: True),
    "client": ("sasl_digest.client.hmac.compare_digest", lambda one, other: True),
    "layer": ("sasl_digest.layers.hmac.compare_digest", lambda one, other: True),
    "readers": ("sasl_digest.user_properties._property", lambda name, value: b"\0" * 6),
    "wire": ("ldapserver.wire.codec.ber.encoded_integer", lambda number: b"\2\1\1"),
}


@pytest.mark.interpreted("sasl_digest.messages")
@pytest.mark.interpreted("sasl_digest.proving")
@pytest.mark.interpreted("ldapserver.wire.codec")
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_finds_what_is_broken(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = seeds(target)
    where, broken = BREAKAGES[target]
    monkeypatch.setattr(where, broken)

    def play() -> None:
        for octets in known:
            TARGETS[target](octets)

    with pytest.raises((Finding, UsageError)):
        play()
