"""Where the fuzzer starts from: what real software sent, as tests/vectors has it, and what we write ourselves."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ldapserver.wire import codec
from ldapserver.wire.messages import LDAPMessage
from sasl_digest import user_properties, wdigest
from sasl_digest.channel_binding import NO_CHANNEL
from tests.engine.test_any_bytes import PIECES
from tests.fuzz.targets import LIMIT, NONCE
from tests.server.test_any_bytes import CRITICAL, OPERATIONS

VECTORS = Path(__file__).parents[1] / "vectors"


def _items(name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))["items"]
    return items


def _exchanges() -> Iterator[tuple[bytes, bytes, bytes]]:
    """Challenge, response and response-auth, as far as each was recorded."""
    for item in [*_items("digest_md5.json"), *_items("layers.json")]:
        challenge, response, proof = (item.get(key, "").encode() for key in ("challenge", "response", "rspauth"))
        yield challenge, response, proof


def _to_us(response: bytes) -> bytes:
    """A response as if it answered our challenge: with its nonce, and to our host."""
    response = re.sub(rb'nonce="[^"]*"', b'nonce="%b"' % NONCE, response, count=1)
    return re.sub(rb'digest-uri="[^"]*"', b'digest-uri="ldap/ldap.example.org"', response)


def _layer_programs() -> Iterator[bytes]:
    for kind in range(6):
        yield bytes([kind, 255, 0x41, 0x7F, 0x48, 0x4D])  # honest
        yield bytes([kind, 6, 0x45, 0x80, 0x45])  # a buffer twice
        yield bytes([kind, 40, 0xC5, 0x45])  # one held back
        for sealed in (16, 27, 32):  # one of another's, right but for its MAC, before and behind an honest one
            for number in (0, 1):
                body = bytes(sealed) + b"\0\1" + number.to_bytes(4, "big")
                forged = bytes([4 + len(body)]) + len(body).to_bytes(4, "big") + body
                yield bytes([kind, 255]) + (b"\x45" + forged if number else forged + b"\x45")
        yield bytes([kind, 255, 0x04]) + (LIMIT + 1).to_bytes(4, "big") + b"\x45"


def _stored() -> Iterator[bytes]:
    accounts = json.loads((VECTORS / "wdigest.json").read_text("utf-8"))["sets"]
    for account in accounts:
        hashes = [item["hash"] for item in account["hashes"]]
        blob = wdigest.pack([bytes.fromhex(each) for each in hashes])
        yield blob
        yield wdigest.to_supplemental_credentials(blob)
        yield "".join(f"{item['user']}:{item['realm']}:{item['hash']}\n" for item in account["hashes"][:14]).encode()
        names = enumerate(account["hashes"][:3], 1)
        lines = [f"virtualWDigest{at:02}: {each['user']}:{each['realm']}:{each['hash']}" for at, each in names]
        yield "\n".join(["dn: CN=u1,DC=contoso", *lines, "", "Got password OK"]).encode()
    yield user_properties.encode({})
    yield user_properties.encode({"Packages": b"00", "Primary:CLEARTEXT": b"70006100", "ü": b""})


def _streams() -> Iterator[bytes]:
    encoded = [codec.encode(LDAPMessage(at, operation)) for at, operation in enumerate(OPERATIONS, 1)]
    for element in encoded:
        yield b"\xff" + element
    yield b"\x06" + b"".join(encoded[:6])
    yield b"\xff" + codec.encode(LDAPMessage(1, OPERATIONS[0], CRITICAL))


def seeds(target: str) -> list[bytes]:
    """Those of a target, each once."""
    exchanges = list(_exchanges())
    found: Iterator[bytes]
    match target:
        case "messages":
            found = (message for exchange in exchanges for message in exchange)
        case "server":
            first = [_to_us(response) for _, response, _ in exchanges]
            again = [response.replace(b"00000001", b"00000002") for response in first]
            found = iter([*first, *again, *(response + _BOUND for response in first)])
        case "client":
            found = (challenge + b"\n\n" + proof for challenge, _, proof in exchanges)
        case "layer":
            found = _layer_programs()
        case "readers":
            found = _stored()
        case _:
            found = _streams()
    return list(dict.fromkeys(found))


_BOUND = b',hashed-dirs="service-name,channel-binding",service-name="ldap/ldap.example.org",channel-binding="%b"' % (
    NO_CHANNEL
)


def words(target: str) -> list[bytes]:
    """What is worth trying to put in: names, values and separators of digest messages."""
    digest = target in ("messages", "server", "client")
    return [piece for piece in PIECES if digest and len(piece) <= 64]  # as long as libFuzzer takes them
