"""One DIGEST-MD5 bind on a socket that waits."""

import socket

from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import BindRequest, BindResponse, LDAPMessage, SaslAuthentication
from sasl_digest import DigestClient, Password, Response, Success


def bind(connection: socket.socket, user: int = 1) -> None:
    """Bind, and verify rspauth."""
    client = DigestClient(f"user{user}", Password(f"pass{user}"), service="ldap", host="localhost")
    challenge = _ask(connection, 1, None)
    answer = client.step(challenge.server_sasl_creds or b"")
    assert isinstance(answer, Response), answer
    assert isinstance(client.step(_ask(connection, 2, answer.data).server_sasl_creds or b""), Success)


def _ask(connection: socket.socket, message_id: int, credentials: bytes | None) -> BindResponse:
    request = BindRequest(3, "", SaslAuthentication("DIGEST-MD5", credentials))
    connection.sendall(codec.encode(LDAPMessage(message_id, request)))
    framer = Framer(65536)
    while (element := framer.next()) is None:
        framer.feed(connection.recv(65536))
    response = codec.decode(element).operation
    assert isinstance(response, BindResponse), response
    return response
