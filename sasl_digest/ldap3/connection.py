"""Where ldap3 is taken hold of: its SASL bind, and the sockets its connections put in place."""

import socket
import ssl
import threading
from collections.abc import Callable
from inspect import signature
from typing import Any

import ldap3

from sasl_digest.errors import UsageError
from sasl_digest.layered_socket import LayeredSocket
from sasl_digest.ldap3.exchange import bind
from sasl_digest.outcomes import Success


class _Socket:
    """`connection.socket`, where every socket that ldap3 opens gets room for a layer.

    Already when it is opened: the threads of ASYNC wait in the `recv()` of the socket they have found, and would take
    in the raw octets behind a bind. The value stands where it would stand without us, in the connection's `__dict__`.
    """

    def __get__(self, connection: Any, owner: Any) -> Any:
        if connection is None:
            return self
        try:
            return connection.__dict__["socket"]
        except KeyError:
            raise AttributeError("socket") from None

    def __set__(self, connection: Any, value: Any) -> None:
        if isinstance(value, socket.socket):
            # TLS goes below a layer, whichever came first (RFC 4511 section 5). Octets from before it are not
            # carried over: nobody has vouched for them.
            below = connection.__dict__.get("socket") if isinstance(value, ssl.SSLSocket) else None
            value = LayeredSocket(value, below.layer if isinstance(below, LayeredSocket) else None)
        connection.__dict__["socket"] = value


class DigestConnection(ldap3.Connection):
    """An `ldap3.Connection` that binds by DIGEST-MD5 when given `sasl_credentials`; all other binds are ldap3's.

    `digest_outcome` is the engine's Success of the last bind, set only when rspauth was verified; `digest_note` is
    what the user should know of it: that the realm named was not among those offered. (A plain connection has the
    two after a bind under `install()`.)
    """

    digest_outcome: Success | None = None
    digest_note: str | None = None
    socket = _Socket()

    # Any: ldap3's own parameters, handed on as they are.
    def __init__(self, server: Any, *args: Any, **kwargs: Any) -> None:
        """As for `ldap3.Connection`; `authentication` and `sasl_mechanism` may be left out.

        Raises UsageError for the strategy REUSABLE, unless `install()` was called.
        """
        arguments = _PARAMETERS.bind(self, server, *args, **kwargs).arguments
        del arguments["self"]
        if arguments.get("client_strategy") == ldap3.REUSABLE and not _installed:
            raise UsageError("client_strategy: REUSABLE's pool is of plain ldap3.Connections; install() is due first")
        if arguments.get("sasl_credentials") is not None:
            arguments.setdefault("authentication", ldap3.SASL)
            arguments.setdefault("sasl_mechanism", ldap3.DIGEST_MD5)
        super().__init__(**arguments)

    def __repr__(self) -> str:
        """Without the password of a simple bind, which ldap3's own has: a failed test prints what it finds."""
        return str(self.repr_with_sensitive_data_stripped())  # type: ignore[no-untyped-call]  # ldap3 has no types

    def do_sasl_bind(self, controls: Any) -> Any:
        """What `bind()` calls for SASL."""
        if _is_ours(self):
            return bind(self, controls)
        theirs: _DoSaslBind = ldap3.Connection.do_sasl_bind
        return theirs(self, controls)


_PARAMETERS = signature(ldap3.Connection.__init__)
_DoSaslBind = Callable[[ldap3.Connection, Any], Any]

_lock = threading.Lock()
_ABSENT = object()
_installed: dict[str, tuple[Any, Any]] = {}  # what ldap3.Connection had by this name, and ours in its place


def install() -> None:
    """Make every `ldap3.Connection` bind this way when its mechanism is DIGEST-MD5. Calling it again does nothing."""
    with _lock:
        if not _installed:
            theirs: _DoSaslBind = ldap3.Connection.do_sasl_bind

            def do_sasl_bind(self: ldap3.Connection, controls: Any) -> Any:
                return bind(self, controls) if _is_ours(self) else theirs(self, controls)

            for name, ours in (("do_sasl_bind", do_sasl_bind), ("socket", _Socket())):
                _installed[name] = vars(ldap3.Connection).get(name, _ABSENT), ours
                setattr(ldap3.Connection, name, ours)


def uninstall() -> None:
    """Give ldap3 its own back. Without `install()` before it does nothing. Layers in place stay in place.

    Raises UsageError when somebody else has replaced the same meanwhile: taking ours out would take out theirs.
    """
    with _lock:
        for name, (_, ours) in _installed.items():
            if vars(ldap3.Connection).get(name) is not ours:
                raise UsageError(f"uninstall(): ldap3.Connection.{name} was replaced again after install()")
        for name, (theirs, _) in _installed.items():
            if theirs is _ABSENT:
                delattr(ldap3.Connection, name)
            else:
                setattr(ldap3.Connection, name, theirs)
        _installed.clear()


def _is_ours(connection: ldap3.Connection) -> bool:
    # LDIF and the mocks have no server that could prove anything.
    return connection.sasl_mechanism == ldap3.DIGEST_MD5 and not connection.strategy.no_real_dsa
