"""One connection's state and dispatch: octets in, messages out. Knows no transport and no event loop.

While a bind runs nothing behind it is looked at, for that is under another identity; searches run in slices beside
later messages, so that they can be abandoned. What is answered in one turn leaves in one piece.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ldapserver.access import ANONYMOUS, Identity
from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable
from ldapserver.bind import INTERNAL_ERROR, UNAVAILABLE, Binder, Decision
from ldapserver.channel import Channel
from ldapserver.controls import NO_CONTROLS, Controls, read_controls
from ldapserver.cursors import Cursors
from ldapserver.dispatch import acting, carry_out, understood
from ldapserver.errors import InvalidRequest, OperationRefused, ProtocolViolation
from ldapserver.extended import CANCEL, NOTICE_OF_DISCONNECTION, START_TLS, read_cancel
from ldapserver.logons import Logon
from ldapserver.operation import Context
from ldapserver.results import send_results
from ldapserver.sasl.mechanism import TLS, Connection
from ldapserver.search import search
from ldapserver.search_at_once import search_at_once
from ldapserver.service import Peer, Service
from ldapserver.stream import Stream
from ldapserver.suspension import Task
from ldapserver.wire import codec
from ldapserver.wire.messages import (
    RESULTS,
    AbandonRequest,
    AnsweredRequest,
    BindRequest,
    BindResponse,
    CompareRequest,
    Control,
    ExtendedRequest,
    ExtendedResponse,
    Operation,
    Response,
    ResultCode,
    SearchRequest,
    UnbindRequest,
)
from sasl_digest import BrokenLayer

if TYPE_CHECKING:
    from ldapserver.metrics import Histogram


@dataclass(frozen=True, slots=True)
class Outstanding:
    """An operation under way."""

    task: Task[None]
    request: AnsweredRequest


class Session:
    """The state of one connection."""

    # Of ten thousand idle connections each octet counts.
    __slots__ = (
        "_bind",
        "_bind_id",
        "_binder",
        "_channel",
        "_cursors",
        "_decision",
        "_faults",
        "_left_early",
        "_logon",
        "_metrics",
        "_most_outstanding",
        "_outstanding",
        "_peer",
        "_running",
        "_service",
        "_stream",
        "_timing",
        "_unsettled",
        "_watch",
        "closed",
        "identity",
        "messages",
    )

    def __init__(self, service: Service, peer: Peer, channel: Channel) -> None:
        self.identity: Identity = ANONYMOUS
        self.messages = 0  # whole messages taken so far: a connection whose count stands still is idle
        self._service = service
        self._channel = channel
        self._peer = peer
        config = service.config
        self._most_outstanding = config.max_outstanding
        self._metrics = metrics = service.metrics
        self._timing: tuple[Histogram, float] | None = None  # of the bind under way, where that is asked for
        self._watch = watch = None if service.watcher is None else service.watcher.watch(self, peer)
        self._faults = faults = None if service.faults is None else service.faults.connection(self, peer, channel)
        limit = config.max_message_before_bind
        if limit > config.max_message:
            limit = config.max_message
        self._stream = Stream(limit, channel, metrics, watch, faults)
        self._binder = Binder(service, peer, channel)
        self._bind: Task[Any] | None = None
        self._bind_id = 0  # the message of `_bind`, or of `_decision`
        self._decision: Decision | None = None  # whose records are on their way
        self._left_early = False  # whether the peer has gone while a password of its was being checked
        self._unsettled = 0  # that, and writes of records that take their time
        self._logon: Logon | None = None
        self._outstanding: dict[int, Outstanding] = {}
        self._cursors: Cursors | None = None  # made by the first operation
        self.closed = False  # what was sent may still be on its way; nothing more is taken
        self._running = False

    @property
    def waiting(self) -> bool:
        """Whether no message is taken: a bind is being decided, enough is under way, or answers are not read."""
        return (
            self._bind is not None
            or self._decision is not None
            or len(self._outstanding) >= self._most_outstanding
            or not self._channel.writable
        )

    @property
    def pausing(self) -> bool:
        """Whether no octets are to be read meanwhile: what waits may last, or octets that nobody takes have come."""
        return self.waiting and (self._decision is None or self._stream.pending > 0)

    @property
    def tls(self) -> TLS | None:
        """What the connection runs in, None as long as it is in the clear."""
        return self._binder.connection.tls

    @property
    def connection(self) -> Connection:
        """What the connection runs over, as it now is."""
        return self._binder.connection

    def secured(self, tls: TLS) -> None:
        """The handshake is done: every octet from here on is inside TLS. Who the connection is stays."""
        self._binder.connection = replace(self._binder.connection, tls=tls)

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self._bind is not None or self._decision is not None or bool(self._outstanding)

    @property
    def recording(self) -> bool:
        """Whether records are on their way; of a connection that is gone `Channel.settled` says when they are not."""
        return self._unsettled > 0

    def data_received(self, data: bytes) -> None:
        """Take octets as they arrive."""
        if not self.closed:
            self._stream.receive(data)
            self._run()

    def lost(self) -> None:
        """The connection is gone, or is to go: what was under way ends."""
        self.closed = True
        if self._watch is not None:
            self._watch.closed()
        self._stream.forget()
        if self._outstanding:
            self._end_outstanding()
        if self._cursors is not None:
            self._cursors.clear()
        if self._logon is not None:
            self._log_off()
        # Records on their way may get there, and then there was a logon, which is over: `_recorded` sees to it.
        if self._bind is not None:
            if self._binder.checking:
                # Who goes before the answer has guessed all the same: it is judged, counted and recorded. We are told
                # twice where it was we who ended the connection.
                if not self._left_early:
                    self._left_early = True
                    self._unsettled += 1
                return
            self._bind.cancel()
            self._bind = None
        self._binder.forget()
        if records := self._binder.abandon():
            self._record(records)

    def disconnect(self, result_code: ResultCode, text: str) -> None:
        """Send the Notice of Disconnection and close (RFC 4511 section 4.4.1)."""
        if self.closed:
            return
        notice = ExtendedResponse(result_code, diagnostic_message=text, response_name=NOTICE_OF_DISCONNECTION)
        self._send(0, notice)
        self._close()

    def _run(self) -> None:
        """Take messages while there are any and nothing is in the way; not again inside itself."""
        if self._running:
            return
        self._running = True
        stream = self._stream
        try:
            while (
                not stream.dry  # most often one message is all that has come
                and self._bind is None
                and self._decision is None
                and len(self._outstanding) < self._most_outstanding
                and self._channel.writable
                and not self.closed
            ):
                element = stream.next()
                if element is None:
                    break
                self.messages += 1
                try:
                    message_id, request, controls = codec.read(element)
                except InvalidRequest as refused:
                    self._refuse(refused)
                    continue
                if isinstance(request, BindRequest):
                    self._begin_bind(message_id, request, controls)
                else:
                    self._dispatch(message_id, request, controls)
        except ProtocolViolation as violation:
            self.disconnect(ResultCode.PROTOCOL_ERROR, str(violation))
        except BrokenLayer:
            # Who altered a buffer learns nothing from an answer, and the client could not trust one.
            self._close()
        finally:
            self._running = False
        if stream.unsent:
            stream.flush(more=bool(self._outstanding))

    def go_on(self) -> None:
        """Something that was waited for is over: take the messages that stood behind it, then new octets."""
        self._run()
        if not (self.closed or self.waiting):
            self._channel.resume_reading()

    def _dispatch(self, message_id: int, request: Operation, controls: tuple[Control, ...]) -> None:
        if isinstance(request, UnbindRequest):
            self._close()
        elif isinstance(request, AbandonRequest):
            # There is no response, whatever was found.  RFC 4511 section 4.11
            if outstanding := self._outstanding.pop(request.message_id, None):
                outstanding.task.cancel()
        elif isinstance(request, AnsweredRequest):
            self._begin(message_id, request, controls)
        else:
            raise ProtocolViolation(f"protocolOp: {type(request).__name__} is not for clients to send")

    def _begin(self, message_id: int, request: AnsweredRequest, sent: tuple[Control, ...]) -> None:
        try:
            controls = self._admitted(message_id, request, sent)
            if isinstance(request, ExtendedRequest) and request.request_name == CANCEL:
                self._cancel(message_id, read_cancel(request))
                return
            start_tls = isinstance(request, ExtendedRequest) and request.request_name == START_TLS
            if start_tls and self._faults is not None:
                self._faults.start_tls(message_id, request)
        except OperationRefused as refused:
            self._send_refusal(message_id, request, refused)
            return
        if isinstance(request, ExtendedRequest) and start_tls:
            self._start_tls(message_id, request)
        elif not self._answered(message_id, controls, request):
            if self._cursors is None:
                self._cursors = Cursors()
            context = Context(
                self._service,
                self.identity,
                self._channel,
                controls,
                self._cursors,
                self._binder.connection,
                self._peer,
                message_id,
            )
            coroutine = self._carry_out(message_id, context, request)
            if self._faults is not None:
                coroutine = self._faults.operation(message_id, request, coroutine)
            self._start(message_id, request, coroutine)

    def _answered(self, message_id: int, controls: Controls, request: AnsweredRequest) -> bool:
        """Answer a plain search that finds a few entries at once: for most, a task would be most of the work."""
        if not isinstance(request, SearchRequest) or controls is not NO_CONTROLS or self._faults is not None:
            return False
        try:
            answer = search_at_once(self._service, self.identity, message_id, request)
        except Exception as error:
            self._send_refusal(message_id, request, error)
            return True
        if answer is not None:
            self._stream.write(answer)
        return answer is not None

    def _cancel(self, message_id: int, cancel_id: int) -> None:
        """The Cancel operation, RFC 3909 section 2.2: what is cancelled is answered too, unlike what is abandoned."""
        outstanding = self._outstanding.get(cancel_id)
        if outstanding is None:
            code = ResultCode.CANNOT_CANCEL if cancel_id == message_id else ResultCode.NO_SUCH_OPERATION
        elif not isinstance(outstanding.request, SearchRequest | CompareRequest):
            code = ResultCode.CANNOT_CANCEL  # it may have changed something already
        else:
            del self._outstanding[cancel_id]
            outstanding.task.cancel()
            self._send(cancel_id, outstanding.request.response(ResultCode.CANCELED))
            code = ResultCode.SUCCESS
        self._send(message_id, ExtendedResponse(code))

    def _refuse(self, refused: InvalidRequest) -> None:
        """Answer a request that is good BER and nothing else."""
        code, text = refused.result_code, refused.diagnostic_message
        response = RESULTS[refused.response_tag](code, diagnostic_message=text)
        if isinstance(response, BindResponse):
            self._become_anonymous()
            self._conclude(refused.message_id, self._binder.refused(refused.message_id, response))
        else:
            self._send(refused.message_id, response)

    def _admitted(self, message_id: int, request: AnsweredRequest, sent: tuple[Control, ...]) -> Controls:
        """What the request's controls ask for. Raises OperationRefused when it cannot be taken now, or at all."""
        # Between the steps of a bind only bind, unbind and abandon are taken.  RFC 4511 section 4.2.1
        if self._binder.in_progress:
            raise OperationRefused(ResultCode.OPERATIONS_ERROR, "a SASL bind is in progress")
        controls = read_controls(request, sent) if sent else NO_CONTROLS
        if message_id in self._outstanding:
            text = f"messageID {message_id}: still in use (RFC 4511 section 4.1.1.1)"
            raise OperationRefused(ResultCode.PROTOCOL_ERROR, text)
        return controls

    # TLS

    def _start_tls(self, message_id: int, request: ExtendedRequest) -> None:
        refusal = self._start_tls_refusal(request)
        if refusal is not None:
            code, text = refusal
            self._send(message_id, ExtendedResponse(code, diagnostic_message=text, response_name=START_TLS))
        elif self._stream.pending:
            # Nothing in the clear may stand behind the request: whoever put it there would have it taken for what
            # the client says inside TLS.  RFC 4511 section 4.14.1, CVE-2011-0411
            self._close()
        else:
            self._send(message_id, ExtendedResponse(ResultCode.SUCCESS, response_name=START_TLS))
            self._stream.flush()
            if not self.closed:
                self._channel.start_tls()

    def _start_tls_refusal(self, request: ExtendedRequest) -> tuple[ResultCode, str] | None:
        # Without TLS, protocolError; there is no requestValue.  RFC 4511 sections 4.14.1 and 4.14.2
        if not self._service.start_tls:
            return ResultCode.PROTOCOL_ERROR, f"requestName: {START_TLS} is not supported"
        if request.request_value is not None:
            return ResultCode.PROTOCOL_ERROR, "requestValue: must be absent"
        # Not twice, not while anything is outstanding, and not within a bind, which `_refusal` sees to.
        # RFC 4511 section 4.14.1, RFC 4513 section 3.1.1
        if self.tls is not None:
            return ResultCode.OPERATIONS_ERROR, "TLS is established already"
        if self._outstanding:
            return ResultCode.OPERATIONS_ERROR, "operations are outstanding"
        # TLS belongs beneath a security layer.  RFC 4513 section 5.2.1.4, RFC 4422 section 3.7
        if self._stream.layer is not None:
            return ResultCode.OPERATIONS_ERROR, "a security layer is in place"
        return None

    # Binds

    def _become_anonymous(self) -> None:
        # What is outstanding completes or is abandoned before a bind is processed.  RFC 4511 section 4.2.1
        if self._outstanding:
            self._end_outstanding()
        if self._cursors is not None:
            self._cursors.clear()
        # The connection is anonymous from the BindRequest on, until the bind succeeds.  RFC 4513 section 4
        self.identity = ANONYMOUS
        if self._logon is not None:
            self._log_off()

    def _log_off(self) -> None:
        """End the logon of the bind that made the connection somebody."""
        logon, self._logon = self._logon, None
        if logon is not None:
            self._record((logon.ended(self._service.clock.ns()),))

    def _begin_bind(self, message_id: int, request: BindRequest, controls: tuple[Control, ...]) -> None:
        if self._metrics is not None:
            self._timing = self._metrics.duration_of(request), self._metrics.clock()
        self._become_anonymous()
        self._bind_id = message_id
        if controls:
            try:
                read_controls(request, controls)
            except OperationRefused as refused:
                response = request.response(refused.result_code, diagnostic_message=refused.diagnostic_message)
                self._conclude(message_id, self._binder.refused(message_id, response))
                return
        if self._faults is not None:
            bind = self._faults.bind(message_id, request, self._binder, self._bound(message_id, request))
            self._await_bind(bind)
            return
        # Most binds have nothing to wait for: only one that has becomes a task.
        try:
            decision = self._binder.bind(message_id, request)
        except Exception as error:
            decision = self._failed(message_id, error)
        if isinstance(decision, Decision):
            self._conclude(message_id, decision)
        else:
            self._await_bind(decision)

    async def _bound(self, message_id: int, request: BindRequest) -> Decision:
        """The bind, begun when this is awaited."""
        decision = self._binder.bind(message_id, request)
        return decision if isinstance(decision, Decision) else await decision

    def _await_bind(self, coroutine: Coroutine[Any, Any, Decision]) -> None:
        self._bind = task = Task(coroutine, self._decided)
        task.start()

    def _decided(self, task: Task[Decision]) -> None:
        self._bind = None
        if task.value is not None:
            self._conclude(self._bind_id, task.value)
        elif task.error is not None:
            self._conclude(self._bind_id, self._failed(self._bind_id, task.error))
        if self._left_early:
            self._left_early = False
            self._binder.forget()
            self._settle()

    def _failed(self, message_id: int, error: Exception) -> Decision:
        """The decision about a bind that a fault of ours has put an end to."""
        self._channel.failed(error)
        return self._binder.refused(message_id, INTERNAL_ERROR)

    def _conclude(self, message_id: int, decision: Decision) -> None:
        """Records first: until they are written the answer and everything behind it waits."""
        if not decision.records:
            self._commit(message_id, decision, recorded=True)
            if not self._running:
                self.go_on()
            return
        self._bind_id, self._decision = message_id, decision
        self._unsettled += 1
        self._service.audit.write(decision.records, self._recorded)

    def _recorded(self, error: Exception | None) -> None:
        decision, self._decision = self._decision, None
        assert decision is not None
        self._commit(self._bind_id, decision, recorded=error is None)
        if error is None:
            self._settle()
        else:
            self._settled(error)
        if not self._running:
            self.go_on()

    def _settled(self, error: Exception | None) -> None:
        """Records are written, or will not be."""
        if error is not None and not isinstance(error, AuditUnavailable):
            self._channel.failed(error)
        self._settle()

    def _settle(self) -> None:
        self._unsettled -= 1
        if self.closed and not self._unsettled:
            self._channel.settled()

    def _commit(self, message_id: int, decision: Decision, *, recorded: bool) -> None:
        """The identity, then the answer; for a bind that is not recorded, that there is none."""
        if self.closed:  # nobody is there to be answered
            self._logon = decision.logon if recorded else None
            self._log_off()
            self._binder.abandon()
            return
        response, layer = decision.response, decision.layer
        if not recorded:
            self._binder.abandon()
            response, layer = UNAVAILABLE, None
        elif not decision.identity.anonymous:
            self.identity = decision.identity
            self._logon = decision.logon
            self._stream.limit = self._service.config.max_message
        self._send(message_id, response)
        if self._timing is not None and self._metrics is not None:
            histogram, begun = self._timing
            histogram.observe(self._metrics.clock() - begun)
            self._timing = None
        # The layer starts behind the success, for both directions; what the client has already sent behind its
        # response is inside it.  RFC 4422 section 3.7, RFC 4513 section 5.2.1.4. A bind without one leaves the layer
        # of an earlier bind as it is.
        if layer is not None:
            self._stream.lay(layer)
            self._binder.connection = replace(self._binder.connection, layer=layer)

    def _record(self, records: Sequence[Record]) -> None:
        """Hand over what nobody is answered for."""
        self._unsettled += 1
        self._service.audit.write(records, self._settled)

    # Operations that take their time

    def _start(self, message_id: int, request: AnsweredRequest, coroutine: Coroutine[Any, Any, None]) -> None:
        def ended(task: Task[None]) -> None:
            del self._outstanding[message_id]
            if task.error is not None:
                self._send_refusal(message_id, request, task.error)
            self.go_on()

        task = Task(coroutine, ended)
        self._outstanding[message_id] = Outstanding(task, request)
        task.start()

    def _end_outstanding(self) -> None:
        for outstanding in self._outstanding.values():
            outstanding.task.cancel()
        self._outstanding.clear()

    def _send_refusal(self, message_id: int, request: AnsweredRequest, error: Exception) -> None:
        if isinstance(error, OperationRefused):
            code, text = error.result_code, error.diagnostic_message
            self._send(message_id, request.response(code, error.matched_dn, text, error.referral), error.controls)
            return
        self._channel.failed(error)
        self._send(message_id, request.response(ResultCode.OTHER, diagnostic_message="internal error"))

    async def _carry_out(self, message_id: int, context: Context, request: AnsweredRequest) -> None:
        if context.controls.authzid is not None:
            context = await acting(context)
        if (dialect := context.service.directory.dialect) is not None:
            context = understood(context, dialect)
        if isinstance(request, SearchRequest):
            parts = search(context, request)
            await send_results(message_id, parts, self._stream, self._channel, lambda: self._running)
            return
        assert not isinstance(request, BindRequest)
        reply = await carry_out(context, request)
        self._send(message_id, reply.response, reply.controls)

    def _send(self, message_id: int, response: Response, controls: tuple[Control, ...] = ()) -> None:
        self._stream.write(codec.written(message_id, response, controls))

    def _close(self) -> None:
        self._stream.flush()
        self.lost()
        self._channel.close()
