"""DIGEST-MD5 for ldap3 2.9.1 that believes no server without proof (RFC 2831 section 2.1.3, RFC 4513 section 5.2.1).

    DigestConnection(server, sasl_credentials=Credentials("u1", "password", realm="CONTOSO"), auto_bind=True)

or `install()`, after which every `ldap3.Connection` whose `sasl_mechanism` is DIGEST-MD5 binds this way: REUSABLE's
pool and the connections that follow a referral are always plain ones, and only `install()` reaches them.

What ends a bind, in every strategy:

* The server says no: ldap3's own behaviour. `bind()` is False, or raises under `raise_exceptions`.
* The server says yes, and its rspauth is wrong or missing: the connection is closed and RspauthError raised.
* The client cannot or may not answer (a malformed challenge, no qop in common, `strict_realm`): the exchange is
  aborted, the connection stays open and anonymous, and DigestBindError is raised.
* The connection breaks or the answer does not come in time: it is closed, and ldap3's exception raised.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Self

import ldap3
from ldap3.core.exceptions import LDAPAuthMethodNotSupportedResult, LDAPBindError, LDAPOperationResult
from ldap3.core.results import RESULT_AUTH_METHOD_NOT_SUPPORTED, RESULT_SASL_BIND_IN_PROGRESS, RESULT_SUCCESS
from ldap3.operation.bind import bind_operation
from ldap3.strategy.base import BaseStrategy
from ldap3.strategy.reusable import ReusableStrategy
from ldap3.strategy.sync import SyncStrategy

from sasl_digest.client import DigestClient
from sasl_digest.credentials import HA1, Password
from sasl_digest.errors import DigestError, PeerError, UsageError
from sasl_digest.outcomes import Failure, Reason, Response, Success

__all__ = ["Credentials", "DigestBindError", "DigestConnection", "RspauthError", "install", "uninstall"]

MAX_CHALLENGES = 2  # the first, and one with stale=true: a nonce just issued cannot be too old again

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


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who binds: for ldap3's `sasl_credentials`, in place of its tuple `(realm or None, user, password, authzid)`.

    `ha1` is H(user:realm:password), 16 octets, in place of the password. `service_host` is the server's name for
    digest-uri when it is not the one that was connected to: Active Directory takes only names it is registered
    under. `strict_realm` refuses a `realm` that the server does not offer.
    """

    user: str
    password: str | None = field(default=None, repr=False)
    ha1: bytes | None = field(default=None, repr=False)
    realm: str | None = None
    authzid: str | None = None
    service_host: str | None = None
    strict_realm: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for what no server could be told."""
        if not self.user:
            raise UsageError("user: must not be empty")
        if (self.password is None) is (self.ha1 is None):
            raise UsageError("password, ha1: exactly one of them is due")
        if self.ha1 is not None:
            HA1(self.ha1)
            if self.realm is None:
                raise UsageError("realm: must be the one that ha1 was made of")
        if self.authzid == "":
            raise UsageError("authzid: must not be empty; None is for oneself")
        for name in ("user", "password", "realm", "authzid", "service_host"):
            try:
                (getattr(self, name) or "").encode()
            except UnicodeEncodeError:
                raise UsageError(f"{name}: cannot be written in UTF-8") from None

    @classmethod
    def of(cls, value: object) -> Self:
        """`value`, the `sasl_credentials` of a connection, in this form. Raises UsageError when it is neither."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, tuple | list) or len(value) not in (4, 5):
            raise UsageError("sasl_credentials: Credentials are due, or (realm or None, user, password, authzid)")
        realm, user, password, authzid, *layer = value
        if layer and layer[0]:
            qop = {"sign": "auth-int", "ENCRYPT": "auth-conf"}.get(str(layer[0]), layer[0])
            raise UsageError(f"sasl_credentials: qop {qop} is not implemented")
        if not isinstance(user, str) or not isinstance(password, str):
            raise UsageError("sasl_credentials: user and password must be str")
        if not isinstance(realm, str | None) or not isinstance(authzid, str | None):
            raise UsageError("sasl_credentials: realm and authzid must be str or None")
        return cls(user, password, realm=realm or None, authzid=authzid or None)

    def __getitem__(self, index: int) -> str | None:
        """ldap3's log line reads the tuple's places; that of the password holds a star."""
        return (self.realm, self.user, "*", self.authzid)[index]

    def client(self, host: str) -> DigestClient:
        """The engine for one challenge of the LDAP service at `host`."""
        return DigestClient(
            self.user,
            Password(self.password) if self.password is not None else HA1(self.ha1 or b""),
            service="ldap",  # RFC 4513 section 5.2.1.1
            host=self.service_host or host,
            realm=self.realm,
            strict_realm=self.strict_realm,
            authzid=self.authzid,
        )


class DigestConnection(ldap3.Connection):
    """An `ldap3.Connection` that binds by DIGEST-MD5 when given `sasl_credentials`; all other binds are ldap3's.

    `digest_outcome` is the engine's Success of the last bind, set only when rspauth was verified; `digest_note` is
    what the user should know of it: that the realm named was not among those offered. (A plain connection has the
    two after a bind under `install()`.)
    """

    digest_outcome: Success | None = None
    digest_note: str | None = None

    # Any: ldap3's own parameters, handed on as they are.
    def __init__(self, server: Any, *args: Any, **kwargs: Any) -> None:
        """As for `ldap3.Connection`; `authentication` and `sasl_mechanism` may be left out.

        Raises UsageError for the strategy REUSABLE, unless `install()` was called.
        """
        arguments = _PARAMETERS.bind(self, server, *args, **kwargs).arguments
        del arguments["self"]
        if arguments.get("client_strategy") == ldap3.REUSABLE and _installed is None:
            raise UsageError("client_strategy: REUSABLE's pool is of plain ldap3.Connections; install() is due first")
        if arguments.get("sasl_credentials") is not None:
            arguments.setdefault("authentication", ldap3.SASL)
            arguments.setdefault("sasl_mechanism", ldap3.DIGEST_MD5)
        super().__init__(**arguments)

    def do_sasl_bind(self, controls: Any) -> Any:
        """What `bind()` calls for SASL."""
        if _is_ours(self):
            return _bind(self, controls)
        theirs: _DoSaslBind = ldap3.Connection.do_sasl_bind
        return theirs(self, controls)


_PARAMETERS = signature(ldap3.Connection.__init__)
_DoSaslBind = Callable[[ldap3.Connection, Any], Any]

_lock = threading.Lock()
_installed: tuple[_DoSaslBind, _DoSaslBind] | None = None  # ldap3's method, and ours in its place


def install() -> None:
    """Make every `ldap3.Connection` bind this way when its mechanism is DIGEST-MD5. Calling it again does nothing."""
    global _installed
    with _lock:
        if _installed is None:
            theirs: _DoSaslBind = ldap3.Connection.do_sasl_bind

            def do_sasl_bind(self: ldap3.Connection, controls: Any) -> Any:
                return _bind(self, controls) if _is_ours(self) else theirs(self, controls)

            _replace(do_sasl_bind)
            _installed = (theirs, do_sasl_bind)


def uninstall() -> None:
    """Give ldap3 its own method back. Without `install()` before it does nothing.

    Raises UsageError when somebody else has replaced the method meanwhile: taking ours out would take out theirs.
    """
    global _installed
    with _lock:
        if _installed is not None:
            theirs, ours = _installed
            if ldap3.Connection.do_sasl_bind is not ours:
                raise UsageError("uninstall(): ldap3.Connection.do_sasl_bind was replaced again after install()")
            _replace(theirs)
            _installed = None


def _replace(method: _DoSaslBind) -> None:
    connection_class: Any = ldap3.Connection  # Any: a method is replaced, which types do not provide for
    connection_class.do_sasl_bind = method


def _is_ours(connection: ldap3.Connection) -> bool:
    # LDIF and the mocks have no server that could prove anything.
    return connection.sasl_mechanism == ldap3.DIGEST_MD5 and not connection.strategy.no_real_dsa


def _bind(connection: ldap3.Connection, controls: Any) -> _Result:
    """Bind, and return the server's last result, which is what ldap3 judges by."""
    credentials = Credentials.of(connection.sasl_credentials)
    # Nothing else is sent between the messages of a bind (RFC 4511 section 4.2.1): every operation takes this lock.
    with connection.connection_lock:
        ours: Any = connection  # Any: a plain Connection has no such attributes until now
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
    result = _begin(connection, controls)
    if result["result"] == RESULT_SUCCESS:
        raise _disbelief(connection, Failure(Reason.RSPAUTH, "the server reports success and has proved nothing"))
    challenges = 0
    while result["result"] == RESULT_SASL_BIND_IN_PROGRESS:
        challenges += 1
        client = credentials.client(_host(connection.server))
        answer = client.step(_server_sasl_creds(result))
        if isinstance(answer, Failure):
            raise _abort(connection, answer)
        # Only "the nonce was too old" is a reason to answer again (RFC 2831 section 2.1.1, stale): to answer
        # whatever comes would try a wrong password over and over.
        stale = client.challenge is not None and client.challenge.stale
        if challenges > MAX_CHALLENGES or (challenges > 1 and not stale):
            raise _abort(connection, Failure(Reason.MALFORMED, "a challenge came where the verdict was due"))
        if isinstance(answer, Response):
            connection.digest_note = answer.note
        result = _go_on(connection, connection.sasl_mechanism, answer.data, controls)
        if result["result"] == RESULT_SUCCESS:
            outcome = client.step(_server_sasl_creds(result))
            if isinstance(outcome, Failure):
                raise _disbelief(connection, outcome)
            connection.digest_outcome = outcome
            return result
    return result


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
    return _received(connection, plainly.post_send_single_response(strategy, sent))


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
