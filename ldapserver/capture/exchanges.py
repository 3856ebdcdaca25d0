"""The DIGEST-MD5 exchanges in what two ends said: the two or three strings that tell why a bind ended as it did."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ldapserver.capture.conversation import Conversation
from ldapserver.capture.messages import Message, messages
from ldapserver.wire.messages import BindRequest, BindResponse, ResultCode, SaslAuthentication

MECHANISM = "DIGEST-MD5"


@dataclass(frozen=True)
class DigestExchange:
    """One bind; `at` is when its response was sent, in seconds since 1970-01-01 UTC, and `client` is HOST:PORT.

    `challenge` is None where the client began with its response (RFC 2831 section 2.2) or the capture begins behind
    it; `result_code` is None where no verdict was seen.
    """

    challenge: bytes | None
    response: bytes
    rspauth: bytes | None
    result_code: int | None
    diagnostic_message: str
    mechanism: str
    at: float
    client: str


def digest_exchanges(conversation: Conversation) -> Iterator[DigestExchange]:
    """The exchanges that can be read: those in the clear, and the first one before a security layer."""
    challenge: bytes | None = None
    pending: DigestExchange | None = None
    for read in messages(conversation):
        if not isinstance(read, Message) or read.message is None:
            continue
        operation = read.message.operation
        if isinstance(operation, BindRequest):
            credentials = _credentials(operation)
            if pending is not None and pending.rspauth is not None and credentials == b"":
                continue  # the empty answer to a proof that came before the verdict
            # A bind that is begun before the last one is answered gives that one up.  RFC 4511 section 4.2.1
            if pending is not None:
                yield pending
                pending = None
            if credentials:
                pending = DigestExchange(
                    challenge, credentials, None, None, "", MECHANISM, read.at, conversation.client
                )
            challenge = None
        elif isinstance(operation, BindResponse):
            creds = operation.server_sasl_creds
            if pending is None:
                if operation.result_code == ResultCode.SASL_BIND_IN_PROGRESS:
                    challenge = creds
                continue
            if operation.result_code == ResultCode.SASL_BIND_IN_PROGRESS and creds is not None:
                if creds.lstrip().startswith(b"rspauth"):
                    # The proof may come before the verdict, which then answers an empty bind.  RFC 2831 section 2.1.3
                    pending = replace(pending, rspauth=creds)
                    continue
                challenge = creds
            yield replace(
                pending,
                rspauth=creds if creds is not None and challenge is not creds else pending.rspauth,
                result_code=int(operation.result_code),
                diagnostic_message=operation.diagnostic_message,
            )
            pending = None
    if pending is not None:
        yield pending


def _credentials(request: BindRequest) -> bytes | None:
    """Those of DIGEST-MD5; None for another bind. Absent ones are as good as empty.  RFC 4513 section 5.2.1.2"""
    authentication = request.authentication
    if isinstance(authentication, SaslAuthentication) and authentication.mechanism.upper() == MECHANISM:
        return authentication.credentials or b""
    return None
