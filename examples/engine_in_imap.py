"""The engine inside another protocol: the IMAP exchange of RFC 2831 section 4, line by line.

    .venv/bin/python examples/engine_in_imap.py

A protocol carries SASL messages in a way of its own: IMAP as lines of base64, behind "+ " from the server (RFC 3501
section 6.2.2). That is all that a program adds to the engine. With the RFC's nonce and cnonce the client's response
and the server's proof come out as the RFC prints them, octet by octet. The challenge says the same in another order.
"""

import sys
from base64 import b64decode, b64encode
from collections.abc import Generator

from sasl_digest import Challenge, DigestClient, DigestServer, Failure, Lookup, Password, Response, Success
from sasl_digest.nonces import Nonces, NonceState

HOST = "elwood.innosoft.com"
PASSWORDS = {"chris": "secret"}

# What RFC 2831 prints.
NONCE = b"OA6MG9tEQGm2hh"
CNONCE = b"OA6MHXh6VqTrRk"
RESPONSE = (
    "Y2hhcnNldD11dGYtOCx1c2VybmFtZT0iY2hyaXMiLHJlYWxtPSJlbHdvb2QuaW5ub3NvZnQuY29tIixub25jZT0iT0E2TUc5dEVRR20yaGgi"
    "LG5jPTAwMDAwMDAxLGNub25jZT0iT0E2TUhYaDZWcVRyUmsiLGRpZ2VzdC11cmk9ImltYXAvZWx3b29kLmlubm9zb2Z0LmNvbSIscmVzcG9u"
    "c2U9ZDM4OGRhZDkwZDRiYmQ3NjBhMTUyMzIxZjIxNDNhZjcscW9wPWF1dGg="
)
RSPAUTH = "+ cnNwYXV0aD1lYTQwZjYwMzM1YzQyN2I1NTI3Yjg0ZGJhYmNkZmZmZA=="


class NonceOfTheRFC(Nonces):
    """Always the same nonce, which only an example may have: leave `nonces` out, and each is new."""

    def issue(self) -> bytes:
        """The RFC's nonce."""
        return NONCE

    def state(self, nonce: bytes) -> NonceState:
        """Whose nonce this is."""
        return NonceState.FRESH if nonce == NONCE else NonceState.FOREIGN

    def expired(self, nonce: bytes) -> bool:
        """Never."""
        return False


def imap_server() -> Generator[str, str, None]:
    """What an IMAP server does after `a AUTHENTICATE DIGEST-MD5`: yields its lines, and is sent the client's."""
    exchange = DigestServer(realms=[HOST], service="imap", hosts=[HOST], nonces=NonceOfTheRFC())
    outcome: Challenge | Lookup | Success | Failure = exchange.step(b"")
    while isinstance(outcome, Challenge):  # once, and once more where a nonce had expired
        line = yield "+ " + base64(outcome.data)
        outcome = exchange.step(b64decode(line))
        if isinstance(outcome, Lookup):
            password = PASSWORDS.get(outcome.username)
            outcome = exchange.verify(None if password is None else Password(password))
    if isinstance(outcome, Success):
        # IMAP's OK carries no data, so rspauth takes a turn of its own, which the client answers by an empty line.
        yield "+ " + base64(outcome.data)
        yield "a OK User logged in"
    else:
        yield "a NO Authentication failed"


def imap_client(user: str, password: str) -> Generator[str, str, bool]:
    """What an IMAP client does: yields its lines, is sent the server's, and returns whether both sides are sure."""
    exchange = DigestClient(user, Password(password), service="imap", host=HOST, cnonce=lambda: CNONCE)
    line = yield "a AUTHENTICATE DIGEST-MD5"
    proved = False
    while line.startswith("+ "):
        outcome = exchange.step(b64decode(line[2:]))
        proved = isinstance(outcome, Success)
        # "*" is how an IMAP client gives up; what there was to complain of would be in `outcome.reason`.
        line = yield base64(outcome.data) if isinstance(outcome, Response | Success) else "*"
    return proved and line.startswith("a OK")


def main(user: str = "chris", password: str = "secret") -> int:
    """Let the two talk and print it; 0 when both are sure and it is what the RFC prints."""
    client, server = imap_client(user, password), imap_server()
    said = [next(client)]
    print("C:", said[-1])
    said.append(next(server))
    while True:
        print("S:", said[-1])
        try:
            said.append(client.send(said[-1]))
        except StopIteration as end:
            both_sure = bool(end.value)
            break
        print("C:", said[-1])
        said.append(server.send(said[-1]))
    as_printed = said[2:5] == [RESPONSE, RSPAUTH, ""]
    print("Both sides are sure." if both_sure else "Nobody is logged in.")
    print("Response and proof are", "as" if as_printed else "NOT as", "RFC 2831 prints them.")
    return 0 if both_sure and as_printed else 1


def base64(data: bytes) -> str:
    """`data` as a line carries it."""
    return b64encode(data).decode()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
