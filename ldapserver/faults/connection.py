"""The faults of one connection: requests that are put off or not carried out, and answers that leave as others."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, cast

from ldapserver.errors import OperationRefused
from ldapserver.faults import octets
from ldapserver.faults.actions import (
    Action,
    BrokenBER,
    Close,
    Delay,
    Directives,
    DuplicateAnswer,
    Garbage,
    HalfAnswer,
    Hold,
    NoAnswer,
    Notice,
    OtherMessageID,
    RepeatedNonce,
    Reset,
    Result,
    StaleNonce,
    Then,
    WrongRspauth,
)
from ldapserver.faults.asked import asked
from ldapserver.faults.layer import FaultyLayer
from ldapserver.faults.plan import FaultPlan, Occasion, Strike
from ldapserver.suspension import Suspension
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    AnsweredRequest,
    BindRequest,
    BindResponse,
    ExtendedResponse,
    LDAPMessage,
    ResultCode,
    SaslAuthentication,
)

if TYPE_CHECKING:
    from ldapserver.bind import Binder, Decision
    from ldapserver.service import Peer
    from ldapserver.session import Session
    from ldapserver.stream import Stream

_STALE = Directives(("stale",), (("stale", "true"),))
# What a request is refused with that is not carried out, where the refusal itself never leaves.
_UNSEEN = Result(ResultCode.UNAVAILABLE)


class Wire(Protocol):
    """What is asked of a transport beyond what a session asks."""

    def close(self) -> None:
        """Send what was written, then end the connection."""
        ...

    def abort(self) -> None:
        """End it at once."""
        ...

    def call_later(self, seconds: float, call: Callable[[], object]) -> Any:
        """Call it then; what is returned can be cancelled."""
        ...


class ConnectionFaults:
    """Looks at each request of a connection, and at all that leaves."""

    def __init__(self, plan: FaultPlan, session: "Session", peer: "Peer", wire: Wire) -> None:
        self._plan = plan
        self._session = session
        self._peer = peer
        self._wire = wire
        self._struck: dict[int, Strike] = {}  # by the message whose answer is to be another
        self._layered = False
        self._in_layer: Action | None = None  # what the next buffers are to have
        self._mute = False  # nothing more leaves

    # On the way in

    def _strike(self, message_id: int, request: AnsweredRequest) -> Strike | None:
        self._struck.pop(message_id, None)
        session = self._session
        occasion = Occasion(
            asked(request),
            self._peer.connection,
            message_id,
            session.identity,
            session.tls is not None,
            self._layered,
        )
        strike = self._plan.strike(occasion)
        if strike is None or isinstance(strike.action, Delay | Hold | RepeatedNonce):
            return strike
        if not _of_answer(strike.action):
            strike.landed()
        self._struck[message_id] = strike
        return strike

    def bind(
        self, message_id: int, request: BindRequest, binder: "Binder", coroutine: "Coroutine[Any, Any, Decision]"
    ) -> "Coroutine[Any, Any, Decision]":
        """A bind as it is to be: what the session is to do in place of `coroutine`."""
        return self._bind(self._strike(message_id, request), message_id, request, binder, coroutine)

    async def _bind(
        self,
        strike: Strike | None,
        message_id: int,
        request: BindRequest,
        binder: "Binder",
        coroutine: "Coroutine[Any, Any, Decision]",
    ) -> "Decision":
        try:
            if strike is not None:
                # Nobody's password is being checked: a client that goes meanwhile has not guessed.
                binder.checking = False
                await self._wait(strike)
                if strike.action.instead:
                    return await self._unjudged(strike, message_id, request, binder)
            if strike is not None and isinstance(strike.action, RepeatedNonce):
                decision = await self._repeating(strike, coroutine)
            else:
                decision = await coroutine
        finally:
            _close(coroutine)
        if decision.layer is None:
            return decision
        self._layered = True
        return replace(decision, layer=FaultyLayer(decision.layer, self._due))

    async def _unjudged(self, strike: Strike, message_id: int, request: BindRequest, binder: "Binder") -> "Decision":
        asked = strike.occasion.asked
        action = strike.action
        result = action if isinstance(action, Result) else _UNSEEN
        answered = isinstance(action, Result)
        response = BindResponse(result.result_code, result.matched_dn, result.text, result.referral)
        authentication = request.authentication
        if not (isinstance(action, StaleNonce) and isinstance(authentication, SaslAuthentication)):
            code = result.result_code if answered else None
            return binder.unjudged(message_id, asked.mechanism or "", asked.user or "", response, code)
        code = ResultCode.SASL_BIND_IN_PROGRESS
        dropped = binder.unjudged(message_id, asked.mechanism or "", asked.user or "", response, code)
        again = replace(request, authentication=replace(authentication, credentials=None))
        bound = binder.bind(message_id, again)
        challenge = await bound if isinstance(bound, Coroutine) else bound
        return replace(challenge, records=(*dropped.records, *challenge.records))

    async def _repeating(self, strike: Strike, coroutine: "Coroutine[Any, Any, Decision]") -> "Decision":
        nonces = self._plan.nonces
        nonces.repeats = True
        try:
            return await coroutine
        finally:
            nonces.repeats = False
            strike.landed()

    def operation(
        self, message_id: int, request: AnsweredRequest, coroutine: Coroutine[Any, Any, None]
    ) -> Coroutine[Any, Any, None]:
        """Another operation as it is to be."""
        strike = self._strike(message_id, request)
        return coroutine if strike is None else self._operation(strike, coroutine)

    async def _operation(self, strike: Strike, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await self._wait(strike)
            if strike.action.instead:
                raise _refusal(strike.action)
            await coroutine
        finally:
            _close(coroutine)

    def start_tls(self, message_id: int, request: AnsweredRequest) -> None:
        """A request to begin TLS, which the session carries out itself. Raises OperationRefused when it is not to."""
        strike = self._strike(message_id, request)
        if strike is not None and strike.action.instead:
            raise _refusal(strike.action)

    async def _wait(self, strike: Strike) -> None:
        action = strike.action
        suspension: Suspension[None] = Suspension()
        if isinstance(action, Delay):
            strike.landed()
            call = self._wire.call_later(action.seconds, lambda: suspension.resume(None))
            try:
                await suspension
            finally:
                if call.active():
                    call.cancel()
        elif isinstance(action, Hold):
            held = strike.standing.held
            held.append(suspension)
            strike.landed()
            try:
                await suspension
            finally:
                if suspension in held:
                    held.remove(suspension)

    # On the way out

    def leaving(self, stream: "Stream", data: bytes) -> None:
        """One or more whole messages leave, as they are or otherwise."""
        if not (self._struck or self._mute):
            stream.gather(data)
            return
        for message_id, final, element in octets.messages(data):
            if self._mute:
                return
            strike = self._struck.get(message_id)
            if strike is None:
                stream.gather(element)
                continue
            if final:
                del self._struck[message_id]
            self._leaves(stream, strike, element, final=final)

    def _leaves(self, stream: "Stream", strike: Strike, element: bytes, *, final: bool) -> None:
        action = strike.action
        if isinstance(action, HalfAnswer):
            self._wrong(stream, octets.half(element, action), action.then, final=final)
        elif isinstance(action, BrokenBER):
            self._struck.pop(strike.occasion.message_id or 0, None)  # what follows is right
            self._wrong(stream, octets.broken(element, action), action.then, final=final)
        elif isinstance(action, Garbage):
            if final:
                self._wrong(stream, action.data, action.then, final=final)
        elif isinstance(action, Close):
            self._end(stream, action, element, final=final)
        elif isinstance(action, NoAnswer):
            pass
        elif isinstance(action, OtherMessageID):
            stream.gather(octets.readdressed(element, action.by))
        elif isinstance(action, DuplicateAnswer):
            stream.gather(element)
            if final:
                stream.gather(element)
        elif isinstance(action, Result):
            stream.gather(octets.resulting(element, action) if final and action.carried_out else element)
        elif action.in_layer:
            self._struck.pop(strike.occasion.message_id or 0, None)
            strike.landed()
            self._in_layer = action
            stream.gather(element)
        else:
            self._of_digest(stream, strike, element)

    def _of_digest(self, stream: "Stream", strike: Strike, element: bytes) -> None:
        action = strike.action
        other = None
        if isinstance(action, StaleNonce):
            other = octets.challenged(element, _STALE)
        elif isinstance(action, Directives):
            other = octets.challenged(element, action)
        elif isinstance(action, WrongRspauth):
            other = octets.unproved(element, action)
        if other is None:
            strike.missed()
        elif _of_answer(action):
            strike.landed()
        stream.gather(element if other is None else other)

    def _wrong(self, stream: "Stream", data: bytes, then: Then, *, final: bool) -> None:
        """Octets that are no message, and what is done behind them."""
        stream.gather(data, whole=False)
        stream.flush()
        if then != "go on":
            self._mute = True
        if then == "close":
            self._session.lost()
            self._wire.close()
        elif then == "reset":
            self._wire.abort()

    def _end(self, stream: "Stream", action: Close, element: bytes, *, final: bool) -> None:
        if action.when == "answered":
            stream.gather(element)
        if not final:
            return
        if isinstance(action, Notice):
            notice = ExtendedResponse(
                action.result_code, diagnostic_message=action.text, response_name="1.3.6.1.4.1.1466.20036"
            )
            stream.gather(codec.encode(LDAPMessage(0, notice)))
        stream.flush()
        self._mute = True
        if isinstance(action, Reset):
            self._wire.abort()
        else:
            self._session.lost()
            self._wire.close()

    def _due(self) -> Action | None:
        """What is wrong with the buffers about to be made."""
        due, self._in_layer = self._in_layer, None
        return due


def _close(coroutine: Coroutine[Any, Any, object]) -> None:
    # One that is never begun has to be closed, or Python warns of it. Nobody warns of a compiled one, which is of
    # another type, and it cannot be closed before it is begun.
    if isinstance(coroutine, CoroutineType):
        coroutine.close()


def _of_answer(action: Action) -> bool:
    """Whether it strikes when the answer is there, if that has what it strikes on."""
    if isinstance(action, WrongRspauth):
        return not isinstance(action, StaleNonce)
    return action.in_layer or isinstance(action, Directives)


def _refusal(action: Action) -> OperationRefused:
    result = action if isinstance(action, Result) else _UNSEEN
    code = result.result_code
    return OperationRefused(cast(ResultCode, code), result.text, result.matched_dn, referral=result.referral)
