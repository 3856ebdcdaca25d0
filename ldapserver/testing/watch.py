"""One connection of a server under test, as its messages pass (`ldapserver.watching.Watch`)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ldapserver.access import ANONYMOUS, Identity
from ldapserver.capture.conversation import End, Piece
from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.extended import NOTICE_OF_DISCONNECTION
from ldapserver.testing.connections import Connection
from ldapserver.testing.decoding import operation_of, read_request, read_response
from ldapserver.testing.names import names_of
from ldapserver.testing.recorder import KeptRequest, Recorder
from ldapserver.testing.requests import AbandonRequest, BindRequest, SearchRequest, UnbindRequest
from ldapserver.testing.requests import InvalidRequest as Invalid
from ldapserver.wire import ber, codec
from ldapserver.wire import messages as m

if TYPE_CHECKING:
    from ldapserver.service import Peer
    from ldapserver.session import Session

SHOWN_ENTRIES = 10  # of one search, in the conversation


class ConnectionWatch:
    """What a recorder is told of one connection. `earlier` are reasons of the bind under way to go on."""

    def __init__(self, recorder: Recorder, session: "Session", peer: "Peer") -> None:
        self.earlier: list[str] = []
        self._recorder = recorder
        self._session = session
        self.number = peer.connection
        self._local = peer.local
        self._peer = "a Unix socket" if peer.local or peer.ip is None else _address(peer.ip, peer.port)
        self._opened = recorder.now()
        self._requests = 0
        self._outstanding: dict[int, list[KeptRequest]] = {}
        self._bind: KeptRequest | None = None  # the newest BindRequest
        self._invalid = False  # whether the newest message was none
        self._identity: Identity = ANONYMOUS
        self._names: frozenset[str] = frozenset()
        self._inside: tuple[bool, str | None] = (False, None)
        self._said = False
        self._ended = False
        self._unbound = False
        self._client = "client:0" if peer.local or peer.ip is None else self._peer
        self._taped = recorder.taping(self._client)
        recorder.say(self.number, "", f"opened by {self._peer}")

    # A Watch

    def received(self, element: bytes) -> None:
        """A message of the client's."""
        self._requests += 1
        common = self._common()
        self._tape(Piece(self._recorder.at(), True, element))
        secrecy = self._recorder.secrecy
        sensitive = secrecy.mentions(element.decode("latin-1"))
        self._invalid = False
        try:
            request = read_request(codec.decode(element), secrecy, common)
        except InvalidRequest as refused:
            error = secrecy.about(refused.diagnostic_message, sensitive=sensitive)
            meant = operation_of(m.RESULTS[refused.response_tag])
            request = Invalid(**common, message_id=refused.message_id, error=error, meant=meant)
        except ProtocolViolation as violation:
            self._invalid = True
            request = Invalid(**common, message_id=0, error=secrecy.about(str(violation), sensitive=sensitive))
        kept = KeptRequest(request, len(element), self._recorder.monotonic(), sensitive=sensitive)
        self._keep(kept)
        if isinstance(request, BindRequest):
            self._bind = kept
        self._unbound = isinstance(request, UnbindRequest)
        if isinstance(request, AbandonRequest):
            self._outstanding.pop(request.abandoned, None)
        elif not isinstance(request, UnbindRequest) and not self._invalid:
            self._outstanding.setdefault(request.message_id, []).append(kept)

    def sent(self, elements: bytes) -> None:
        """Messages of the server's."""
        self._tape(Piece(self._recorder.at(), False, elements))
        for element in _cut(elements):
            try:
                self._sent(element)
            except (ProtocolViolation, InvalidRequest) as error:
                said = self._recorder.secrecy.about(str(error), sensitive=True)
                self._recorder.say(self.number, "<-", f"{len(element)} octets that are no message: {said}")

    def closed(self) -> None:
        """The end."""
        if self._ended:
            return
        self._look()
        self._ended = True
        if self._unbound:  # else it is not known here who went first
            self._tape(Piece(self._recorder.at(), True, b"", 0, End.CLOSED))
        self._recorder.tape.over(self._taped)
        self._outstanding.clear()
        self._recorder.gone(replace(self.connection(), closed=self._recorder.now()))
        self._recorder.say(self.number, "", "closed")

    # What a recorder asks

    def connection(self) -> Connection:
        """As it now is."""
        tls, layer = self._inside if self._ended else self._looked_at()
        return Connection(
            number=self.number,
            peer=self._peer,
            opened=self._opened,
            tls=tls,
            layer=layer,
            identity=(self._identity if self._ended else self._session.identity).name,
            requests=self._requests,
        )

    def simple_name(self, message_id: int) -> str | None:
        """The name in the BindRequest with this id, if it is a simple bind."""
        request = None if self._bind is None else self._bind.request
        if not isinstance(request, BindRequest) or request.message_id != message_id or request.mechanism != "simple":
            return None
        return request.name

    def forget(self) -> None:
        """Count anew."""
        self._requests = 0

    def _common(self) -> dict[str, Any]:
        self._look()
        tls, layer = self._inside
        return {
            "connection": self.number,
            "time": self._recorder.now(),
            "identity": self._identity.name,
            "identity_dn": str(self._identity.dn),
            "identity_names": self._names,
            "tls": tls,
            "layer": layer,
            "protected": tls or self._local or layer == "auth-conf",
        }

    def _look(self) -> None:
        """Who the connection is, and what it runs in."""
        identity = self._session.identity
        if identity is not self._identity:
            self._identity = identity
            if identity.anonymous:
                self._names = frozenset()
            else:
                self._names = names_of(self._recorder.directory, identity.dn, identity.name)
        before, self._inside = self._inside, self._looked_at()
        if self._inside[0] and not before[0]:
            if self._said:
                # In the clear, as nothing is behind StartTLS: whoever reads the tape must not look for TLS in it.
                self._recorder.tape.over(self._taped)
                self._taped = self._recorder.taping(self._client)
            self._recorder.say(self.number, "", "inside TLS from here on")
        if self._inside[1] != before[1]:
            self._recorder.say(self.number, "", f"inside a security layer ({self._inside[1]}) from here on")

    def _looked_at(self) -> tuple[bool, str | None]:
        connection = self._session.connection
        layer = connection.layer
        return connection.tls is not None, None if layer is None else layer.qop.decode()

    def _tape(self, piece: Piece) -> None:
        self._said = True
        self._recorder.tape.add(self._taped, piece)

    def _keep(self, kept: KeptRequest) -> None:
        self._recorder.keep(kept)
        request = kept.request
        self._recorder.say(self.number, "->", f"[{request.message_id}] {request}", tuple(request.details()))

    def _sent(self, element: bytes) -> None:
        message_id, tag = _look_into(element)
        waiting = self._outstanding.get(message_id)
        kept = waiting[-1] if waiting else None
        request = None if kept is None else kept.request
        if kept is not None and isinstance(request, SearchRequest):
            if tag == m.SearchResultEntry.tag:
                kept.request = replace(request, entries=request.entries + 1)
                if kept.shown >= SHOWN_ENTRIES:
                    return
                kept.shown += 1
            elif tag == m.SearchResultReference.tag:
                kept.request = replace(request, references=request.references + 1)
        message = codec.decode(element)
        response = message.operation
        text, details = read_response(
            message, self._recorder.secrecy, request, sensitive=kept is not None and kept.sensitive
        )
        if isinstance(response, m.LDAPResult):
            if kept is not None and waiting is not None:
                waiting.pop()
                if not waiting:
                    del self._outstanding[message_id]
                text += self._answered(kept, response)
            elif isinstance(response, m.ExtendedResponse) and response.response_name == NOTICE_OF_DISCONNECTION:
                self._told(response)
        self._recorder.say(self.number, "<-", f"[{message_id}] {text}", details)

    def _answered(self, kept: KeptRequest, response: m.LDAPResult) -> str:
        """Note the answer; what is to be said of it besides."""
        secrecy = self._recorder.secrecy
        kept.request = replace(
            kept.request,
            seconds=self._recorder.monotonic() - kept.begun,
            result_code=response.result_code,
            message=secrecy.about(response.diagnostic_message, sensitive=kept.sensitive),
            matched_dn=secrecy.name(response.matched_dn),
            referrals=tuple(map(secrecy.name, response.referral)),
        )
        if not isinstance(kept.request, SearchRequest):
            return ""
        entries = kept.request.entries
        not_shown = f", {entries - kept.shown} of them not shown here" if entries > kept.shown else ""
        return f", {'1 entry' if entries == 1 else f'{entries} entries'}{not_shown}"

    def _told(self, notice: m.ExtendedResponse) -> None:
        """A connection that broke a rule outside of any message has said something that is no message."""
        if notice.result_code != m.ResultCode.PROTOCOL_ERROR or self._invalid:
            return
        self._invalid = True
        error = self._recorder.secrecy.about(notice.diagnostic_message, sensitive=True)
        invalid = Invalid(**self._common(), message_id=0, error=error)
        self._keep(KeptRequest(invalid, 0, self._recorder.monotonic(), sensitive=False))


def _address(ip: str, port: int | None) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _cut(elements: bytes) -> Iterator[bytes]:
    """The messages one behind another; what is left where one is broken is the last."""
    pos = 0
    while pos < len(elements):
        try:
            _, _, end = ber.header(elements, pos, len(elements), "LDAPMessage")
        except ProtocolViolation:
            end = len(elements)
        yield elements[pos:end]
        pos = end


def _look_into(element: bytes) -> tuple[int, int]:
    """The messageID and the tag of the operation. Raises ProtocolViolation."""
    pos, end = ber.expect(element, 0, len(element), ber.SEQUENCE, "LDAPMessage")
    message_id, pos = ber.integer(element, pos, end, "messageID")
    tag, _, _ = ber.header(element, pos, end, "protocolOp")
    return message_id, tag
