"""One bind by DIGEST-MD5 through whatever strategy a connection of ldap3's has."""

import socket
import threading
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPAuthMethodNotSupportedResult, LDAPBindError, LDAPOperationResult
from ldap3.core.results import RESULT_AUTH_METHOD_NOT_SUPPORTED, RESULT_SASL_BIND_IN_PROGRESS, RESULT_SUCCESS
from ldap3.operation.bind import bind_operation
from ldap3.strategy.base import BaseStrategy
from ldap3.strategy.reusable import ReusableStrategy
from ldap3.strategy.sync import SyncStrategy

from sasl_digest.client import DigestClient
from sasl_digest.errors import DigestError, PeerError, UsageError
from sasl_digest.layered_socket import LayeredSocket
from sasl_digest.layers import SecurityLayer
from sasl_digest.ldap3.credentials import Credentials
from sasl_digest.outcomes import Failure, Reason, Response, Success

MAX_CHALLENGES = 2  # the first, and one with stale=true: a nonce just issued cannot be too old again

UNPROVED = Failure(Reason.RSPAUTH, "the server reports success and has proved nothing")

# ldap3 hands results around as dictionaries: result, description, dn, message, referrals, saslCreds, type.
_Result = dict[str, Any]


class DigestBindError(LDAPBindError, DigestError):
    """The client broke the bind off. `reason` is the engine's, the text says it in words.

    It is an LDAPBindError, so `except LDAPExceptionError` catches it, and a DigestError.
    """

    # ldap3's RESTARTABLE strategies rebuild an exception from its text alone, so `reason` is optional.
    def __init__(self, message: str, reason: Reason | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class RspauthError(DigestBindError, PeerError):
    """The server reported success and did not prove that it knows the secret: it may be anybody."""


def bind(connection: ldap3.Connection, controls: Any) -> _Result:
    """Bind, and return the server's last result, which is what ldap3 judges by.

    Raises UsageError, DigestBindError, and what the strategy raises.
    """
    credentials = Credentials.of(connection.sasl_credentials)
    # Nothing else is sent between the messages of a bind (RFC 4511 section 4.2.1): every operation takes this lock.
    with connection.connection_lock:
        ours: Any = connection  # Any: a plain Connection has no such attributes until now
        _make_room(ours)
        ours.digest_outcome = ours.digest_note = None
        # Anonymous from the first BindRequest on (RFC 4513 section 4). ldap3 notes it at the end of bind(), which
        # an exception never reaches.
        connection.bound = False
        try:
            return _exchange(ours, credentials, controls)
        except (DigestBindError, LDAPOperationResult):
            raise
        except BaseException:
            # Half an exchange is of no use, and an answer still to come would be taken for the next request's.
            connection.strategy.close()
            raise


# From here on connections are Any: ldap3's stubs leave untyped all that is used of them.


def _exchange(connection: Any, credentials: Credentials, controls: Any) -> _Result:
    server, certificate = connection.server, _certificate(connection.socket)
    host, place = _host(server), (server.host, server.port, certificate)
    client = credentials.client(host, certificate, credentials.remembered(place))
    first = client.initial_response()
    if first is not None:
        result = _answer(connection, client, first.data, controls)
    else:
        result = _begin(connection, controls)
        if result["result"] == RESULT_SUCCESS:
            raise _disbelief(connection, UNPROVED)
    challenges = 0
    while result["result"] == RESULT_SASL_BIND_IN_PROGRESS:
        challenges += 1
        if challenges > 1:
            client = credentials.client(host, certificate)
        answer = client.step(_server_sasl_creds(result))
        if isinstance(answer, Success):  # to an initial response, by a server that does not say so
            answer = Failure(Reason.MALFORMED, "the server's proof came where a challenge was due")
        if isinstance(answer, Failure):
            raise _abort(connection, answer)
        # Only "the nonce was too old" is a reason to answer again (RFC 2831 section 2.1.1, stale): to answer
        # whatever comes would try a wrong password over and over.
        stale = client.challenge is not None and client.challenge.stale
        if challenges > MAX_CHALLENGES or (challenges > 1 and not stale):
            raise _abort(connection, Failure(Reason.MALFORMED, "a challenge came where the verdict was due"))
        connection.digest_note = answer.note
        result = _answer(connection, client, answer.data, controls)
    if connection.digest_outcome is not None:
        credentials.succeeded(place, connection.digest_outcome)
    return result


def _answer(connection: Any, client: DigestClient, response: bytes, controls: Any) -> _Result:
    """Send the digest-response; where the server accepts it, verify its proof and lay the layer agreed upon."""
    layered: LayeredSocket = connection.socket
    layer: SecurityLayer | None = None
    layered.watch()
    try:
        result = _go_on(connection, connection.sasl_mechanism, response, controls)
        if result["result"] == RESULT_SUCCESS:
            outcome = client.step(_server_sasl_creds(result))
            if isinstance(outcome, Response):  # to a challenge, which proves nothing
                outcome = UNPROVED
            if isinstance(outcome, Failure):
                raise _disbelief(connection, outcome)
            connection.digest_outcome, layer = outcome, outcome.layer
    finally:
        layered.settle(layer)
    return result


def _make_room(connection: Any) -> None:
    """See to it that a layer can be laid, and that no other is in the way."""
    if isinstance(connection.socket, socket.socket):  # opened before install()
        if connection._digest_md5_kic is not None or not connection.strategy.sync:
            raise UsageError("socket: was opened before install(), and is in use; the connection must be opened anew")
        connection.socket = connection.socket  # which wraps it, now that ours is in place
    # The keys of ldap3's own 'sign', left by a bind before install(), would make it sign what it sends on any socket.
    connection._digest_md5_kic = connection._digest_md5_kis = None


def _begin(connection: Any, controls: Any) -> _Result:
    """Ask for a challenge, with the strategy's own persistence."""
    request = bind_operation(connection.version, ldap3.SASL, "", None, connection.sasl_mechanism, None)
    sent = connection.post_send_single_response(connection.send("bindRequest", request, controls))
    return _received(connection, sent)


def _go_on(connection: Any, mechanism: str, credentials: bytes | None, controls: Any) -> _Result:
    """Send the next message of an exchange under way, once, on this socket.

    RESTARTABLE sends again, on a new connection if need be, whatever failed or was refused: right for a first
    message, wrong for an answer to a nonce. So the strategies' plain methods are called.
    """
    strategy = connection.strategy
    request = bind_operation(connection.version, ldap3.SASL, "", None, mechanism, credentials)
    sent = BaseStrategy.send(strategy, "bindRequest", request, controls)
    plainly: Any = SyncStrategy if strategy.sync else type(strategy)
    result = _received(connection, plainly.post_send_single_response(strategy, sent))
    if not strategy.sync:
        _forget_unasked(strategy, sent)
    return result


def _forget_unasked(strategy: Any, last_message_id: int) -> None:
    """Drop what an asynchronous strategy holds for messages that were not sent yet.

    Whoever sits in the middle can send it before a layer is laid, and it would be taken for what the server says
    inside. (A synchronous strategy ends the connection instead.)
    """
    for lock, held in ((strategy.async_lock, strategy._responses), (strategy.event_lock, strategy._events)):
        with lock:
            for message_id in [each for each in held if each > last_message_id]:
                del held[message_id]


def _received(connection: Any, sent: Any) -> _Result:
    """The result of what `post_send_single_response` returned: a message id when asynchronous."""
    result: _Result = connection.result if connection.strategy.sync else connection.get_response(sent)[1]
    return result


def _server_sasl_creds(result: _Result) -> bytes:
    creds: bytes | None = result.get("saslCreds")
    return creds or b""


def _host(server: ldap3.Server) -> str:
    """The server's name as the user typed it: that is what digest-uri says (RFC 2831 section 2.1.2)."""
    if server.ipc:
        return "localhost"
    return f"[{server.host}]" if ":" in server.host else str(server.host)


def _certificate(layered: LayeredSocket | None) -> bytes | None:
    """What the server has shown in TLS, in DER; None in the clear."""
    if layered is None or not hasattr(layered, "getpeercert"):
        return None
    shown: bytes | None = layered.getpeercert(binary_form=True)
    return shown


def _abort(connection: Any, failure: Failure) -> DigestBindError:
    """Tell the server that there will be no answer; the connection is anonymous then, and may bind again."""
    # "If the client sends a BindRequest with the sasl mechanism field as an empty string, the server MUST return a
    # BindResponse with the resultCode set to authMethodNotSupported. This will allow the client to abort".
    # RFC 4511 section 4.2.1
    try:
        result_code = _go_on(connection, "", None, None)["result"]
    except LDAPAuthMethodNotSupportedResult:
        result_code = RESULT_AUTH_METHOD_NOT_SUPPORTED
    except Exception:  # whatever it is, the news is `failure`
        result_code = None
    if result_code != RESULT_AUTH_METHOD_NOT_SUPPORTED:
        connection.strategy.close()
    return _error(connection, DigestBindError, failure)


def _disbelief(connection: Any, failure: Failure) -> DigestBindError:
    connection.strategy.close()
    return _error(connection, RspauthError, failure)


def _error(connection: Any, kind: type[DigestBindError], failure: Failure) -> DigestBindError:
    if isinstance(threading.current_thread(), ReusableStrategy.PooledConnectionThread):
        kind = _for_pools(kind)
    error = kind(f"DIGEST-MD5: {failure.detail}", failure.reason)
    error.__cause__ = failure.cause
    connection.last_error = str(error)
    return error


def _for_pools(kind: type[DigestBindError]) -> type[DigestBindError]:
    """`kind` as an LDAPOperationResult too.

    That is all that a thread of REUSABLE's pool hands on to the caller. Of anything else the thread dies, the caller
    waits for an answer until he times out, and `terminate()` for ever.
    """

    def remember(self: DigestBindError, message: str, reason: Reason | None = None) -> None:
        Exception.__init__(self, message)
        self.reason = reason

    # What LDAPOperationResult overrides goes back to what an exception does.
    members = {"__new__": Exception.__new__, "__init__": remember, "__str__": Exception.__str__}
    return type(kind.__name__, (kind, LDAPOperationResult), {**members, "__repr__": Exception.__repr__})
