"""Connections that are wrong from the beginning, and handshakes that are not done, or that show something else."""

from typing import Any

from ldapserver.faults.actions import TLS, Action, BrokenHandshake, NoAnswer, Notice, Reset, ShowCertificate

__all__ = ["TLS", "connected", "handshake"]

_ALERT = b"\x15\x03\x03\x00\x02\x02"  # a record of TLS 1.2 with an alert of two octets, fatal.  RFC 5246 section 7.2


class Unheard:
    """In place of a connection's protocol: takes what comes, and says nothing."""

    def __init__(self, protocol: Any, broken: BrokenHandshake | None = None) -> None:
        self._protocol = protocol
        self._broken = broken
        transport = protocol.transport
        transport.protocol = self
        self._transport = transport

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's names
        """Octets of the client's."""
        broken, self._broken = self._broken, None
        if broken is None:
            return
        if broken.alert is not None:
            self._transport.write(_ALERT + bytes([broken.alert]))
        if broken.reset:
            self._protocol.abort()
        else:
            self._protocol.session.lost()
            self._protocol.close()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """One end has had enough."""
        self._protocol.connectionLost(reason)


def connected(protocol: Any, action: Action) -> None:
    """Something is wrong with a connection that was just made."""
    if isinstance(action, NoAnswer):
        Unheard(protocol)
    elif isinstance(action, Reset):
        protocol.abort()
    elif isinstance(action, Notice) and not protocol.handshaking:
        protocol.session.disconnect(action.result_code, action.text)
    else:
        protocol.session.lost()
        protocol.close()


def handshake(protocol: Any, handshakes: Any, action: Action) -> Any:
    """What is to begin the handshake in place of `handshakes`, or None when there is none."""
    if isinstance(action, ShowCertificate):
        from ldapserver.certificates import server_certificate

        return handshakes.showing(server_certificate(action.chain, action.key))
    Unheard(protocol, action if isinstance(action, BrokenHandshake) else None)
    return None
