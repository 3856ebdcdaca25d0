"""The Bind operation (RFC 4511 section 4.2, RFC 4513): simple and SASL, and the one place that makes audit records.

A bind ends in a `Decision`: nothing of it is true, and nothing is answered, before its records are handed over.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from ldapserver import passwords
from ldapserver.access import ANONYMOUS, Identity, acting_as
from ldapserver.audit.record import MAX_NAME, MSV1_0, BindRecord, Record
from ldapserver.audit.status import ENDINGS, BindReason
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import FINE, Judgement
from ldapserver.directory.answers import Answer
from ldapserver.logons import NOTHING, Beside, Logon
from ldapserver.sasl.mechanism import NO_FACTS, Accepted, Connection, Continue, Exchange, Facts, Outcome, Refused
from ldapserver.service import Peer, Service
from ldapserver.suspension import Host, then
from ldapserver.wire.messages import BindRequest, BindResponse, ResultCode, SaslAuthentication
from sasl_digest import Reason, SecurityLayer

SIMPLE: Final = "simple"  # what a record calls the mechanism of a simple bind

# What a BindRequest was refused for as a whole, where the result code alone says it.
_REFUSED_FOR: Final[dict[int, BindReason]] = {
    ResultCode.AUTH_METHOD_NOT_SUPPORTED: BindReason.MECHANISM,
    ResultCode.OTHER: BindReason.INTERNAL_ERROR,
}
# With these nobody's password was looked at, and as much is to be done as if one had been.
_NOBODY: Final = (Reason.UNKNOWN_USER, Reason.REALM, BindReason.AMBIGUOUS_NAME)
_COUNTED: Final = (Reason.WRONG_PASSWORD, *_NOBODY)
_OF_SOMEBODY: Final = (Reason.WRONG_PASSWORD, Reason.NO_USABLE_SECRET)
# Behind a right response, where they are of somebody.
_NONCES: Final = (Reason.NONCE_EXPIRED, Reason.NONCE_REPLAYED, Reason.NONCE_COUNT)
INTERNAL_ERROR = BindResponse(ResultCode.OTHER, diagnostic_message="internal error")
# What most binds come to: a member of an enum takes as long to look up as a small function to call.
_SUCCESS: Final = ResultCode.SUCCESS
_IN_PROGRESS: Final = ResultCode.SASL_BIND_IN_PROGRESS
_RIGHT: Final = BindReason.SUCCESS
_ENDED_RIGHT: Final = ENDINGS[_RIGHT]
_ACCEPTED: Final = BindResponse(_SUCCESS)
UNAVAILABLE = BindResponse(ResultCode.UNAVAILABLE, diagnostic_message="the bind could not be recorded")


@dataclass(init=False, slots=True)
class Decision:
    """What a bind came to: hand the records over, then take the identity, send the response, and lay the layer.

    `logon` is the one that the records tell of: it lasts until the connection is somebody else, or ends.
    """

    # Not frozen, and with an `__init__` of its own: as in `sasl.mechanism`, for every bind makes one.
    response: BindResponse
    identity: Identity = ANONYMOUS
    records: Sequence[Record] = ()
    layer: SecurityLayer | None = None
    logon: Logon | None = None

    def __init__(
        self,
        response: BindResponse,
        identity: Identity = ANONYMOUS,
        records: Sequence[Record] = (),
        layer: SecurityLayer | None = None,
        logon: Logon | None = None,
    ) -> None:
        self.response = response
        self.identity = identity
        self.records = records
        self.layer = layer
        self.logon = logon


class Binder:
    """The binds of one connection, and the SASL exchange they may be in the middle of.

    `connection` is what they run over, as it now is. `checking` is whether the bind under way looks at a password.
    """

    __slots__ = (
        "_clock",
        "_exchange",
        "_host",
        "_left",
        "_locked",
        "_mechanism",
        "_message_id",
        "_peer",
        "_service",
        "checking",
        "connection",
    )

    def __init__(self, service: Service, peer: Peer, host: Host) -> None:
        self._service = service
        self._clock = service.clock
        self._peer = peer
        self._host = host
        self.connection = Connection(host, None, peer.local, peer.process, None, service.workstation or peer.ip or "")
        self._exchange: Exchange | None = None
        self._mechanism = ""
        self._message_id = 0
        self._left: tuple[BindRecord, ...] = ()  # of an exchange that the bind under way has put an end to
        self._locked: Account | None = None  # by the bind under way
        self.checking = False

    @property
    def in_progress(self) -> bool:
        """Whether the client owes the next step of an exchange."""
        return self._exchange is not None

    def abandon(self) -> tuple[BindRecord, ...]:
        """Drop the exchange under way, if any; its record, that an attack may be seen."""
        exchange, self._exchange = self._exchange, None
        left, self._left = self._left, ()
        if exchange is None:
            return left
        return (
            *left,
            self._record(self._message_id, self._mechanism, exchange.package, BindReason.ABANDONED, NO_FACTS),
        )

    def refused(self, message_id: int, response: BindResponse) -> Decision:
        """The decision about a BindRequest that was refused as a whole, with `response`."""
        self.forget()  # of an earlier bind, which is not the last one any more
        reason = _REFUSED_FOR.get(response.result_code, BindReason.INVALID_REQUEST)
        record = self._record(message_id, "", "", reason, NO_FACTS, response.diagnostic_message)
        return Decision(response, records=(*self.abandon(), replace(record, result_code=response.result_code)))

    def unjudged(
        self, message_id: int, mechanism: str, name: str, response: BindResponse, result_code: int | None
    ) -> Decision:
        """The decision about a bind that a fault keeps from being judged, in the test that asked for one.

        Its exchange is over. `result_code` is what the client sees, None where it sees nothing.
        """
        self.forget()
        if mechanism == self._mechanism:
            self._exchange = None
        record = self._record(message_id, mechanism, "", BindReason.FAULT_INJECTED, Facts(name))
        return Decision(response, records=(*self.abandon(), replace(record, result_code=result_code)))

    def forget(self) -> None:
        """Keep nothing to be asked about: the password of a bind that failed least of all."""
        if self._service.explainer is not None:
            self._service.explainer.forget(self._peer)

    def bind(self, message_id: int, request: BindRequest) -> Decision | Coroutine[Any, Any, Decision]:
        """Carry out one BindRequest, and wait only where there is something to wait for.

        The connection is anonymous already (RFC 4513 section 4).
        """
        authentication = request.authentication
        if self._exchange is not None and not self._goes_on(request):
            self._left = self.abandon()
        self._message_id = message_id
        self._locked = None
        self.checking = False
        decision: Answer[Decision]
        # Another protocol version gets protocolError.  RFC 4511 section 4.2
        if request.version != 3:
            mechanism = authentication.mechanism if isinstance(authentication, SaslAuthentication) else SIMPLE
            decision = self._end(message_id, mechanism, MSV1_0, BindReason.VERSION)
        elif isinstance(authentication, SaslAuthentication):
            decision = self._sasl(message_id, authentication)
        else:
            decision = self._simple(message_id, request.name, authentication.password)
        # Here and below: what follows an answer is a function of it, which `then` calls when it had to be waited for.
        if isinstance(decision, Decision):
            return self._decided(request, decision)
        return then(decision, partial(self._decided, request))

    def _decided(self, request: BindRequest, decision: Decision) -> Answer[Decision]:
        if decision.records:
            beside = self._service.logons.beside(
                decision.records[0], decision.identity, self.connection, self._locked
            )
            if not isinstance(beside, Beside):
                return then(beside, partial(self._whole, request, decision))
            if beside is not NOTHING:
                return self._whole(request, decision, beside)
        if self._left or self._service.explainer is not None:
            return self._whole(request, decision, NOTHING)
        return decision

    def _whole(self, request: BindRequest, decision: Decision, beside: Beside) -> Decision:
        # The verdict, the lockout that it led to, then what came of the logon: all of it is written together.
        if beside.records:
            decision = replace(decision, records=(*decision.records, *beside.records), logon=beside.logon)
        if self._service.explainer is not None:
            self._service.explainer.note(self._peer, self._message_id, request, decision)
        if self._left:
            left, self._left = self._left, ()
            return replace(decision, records=(*left, *decision.records))
        return decision

    def _goes_on(self, request: BindRequest) -> bool:
        """Whether it is the next step of the exchange under way.

        A bind with another mechanism, an empty one or a simple bind aborts that.  RFC 4511 section 4.2.1, RFC 4513
        section 5.2.1.2
        """
        authentication = request.authentication
        if request.version != 3 or not isinstance(authentication, SaslAuthentication):
            return False
        return authentication.mechanism == self._mechanism

    def _sasl(self, message_id: int, authentication: SaslAuthentication) -> Answer[Decision]:
        name = authentication.mechanism
        exchange = self._exchange
        if exchange is None:
            mechanism = self._service.mechanisms.get(name)
            if mechanism is None:
                return self._end(message_id, name, "", BindReason.MECHANISM)
            exchange = mechanism.start(self.connection)
            self._mechanism = name
        package = exchange.package
        self.checking = package != ""
        outcome = exchange.step(authentication.credentials)
        if isinstance(outcome, (Continue, Accepted, Refused)):
            return self._stepped(message_id, exchange, package, outcome)
        return then(outcome, partial(self._stepped, message_id, exchange, package))

    def _stepped(self, message_id: int, exchange: Exchange, package: str, outcome: Outcome) -> Answer[Decision]:
        if isinstance(outcome, Continue) and outcome.reason is None:
            self._exchange = exchange
            return Decision(BindResponse(_IN_PROGRESS, "", "", (), outcome.data))
        judged = self._judged(outcome, package)
        if isinstance(judged, (Continue, Accepted, Refused)):
            return self._ended(message_id, exchange, package, judged)
        return then(judged, partial(self._ended, message_id, exchange, package))

    def _ended(self, message_id: int, exchange: Exchange, package: str, outcome: Outcome) -> Answer[Decision]:
        """What a step of an exchange comes to, once the account has been judged."""
        name = self._mechanism
        if isinstance(outcome, Continue):
            assert outcome.reason is not None
            self._exchange = exchange
            response = BindResponse(_IN_PROGRESS, "", "", (), outcome.data)
            # Whatever the reason would end in, here the exchange goes on.
            record = self._record(message_id, name, package, outcome.reason, outcome.facts, outcome.detail)
            return Decision(response, records=(replace(record, result_code=response.result_code),))
        self._exchange = None
        if isinstance(outcome, Refused):
            return self._end(message_id, name, package, outcome.reason, outcome.facts, outcome.detail)
        # The policy is asked after the password and before any rspauth leaves.  RFC 4422 section 3.4.1, authzid
        if outcome.facts.authzid is not None:
            return self._as_another(message_id, package, outcome, outcome.facts.authzid)
        return self._accept(message_id, name, package, outcome)

    async def _as_another(self, message_id: int, package: str, accepted: Accepted, authzid: str) -> Decision:
        name = self._mechanism
        account = await acting_as(self._service.directory, accepted.account, authzid, self.connection.workstation)
        if account is None:
            return self._end(message_id, name, package, BindReason.AUTHZID_REFUSED, accepted.facts, accepted.detail)
        return self._accept(message_id, name, package, replace(accepted, account=account))

    def _judged(self, outcome: Outcome, package: str) -> Answer[Outcome]:
        """The outcome with what stands against the account: after the password, and before any rspauth leaves."""
        account = outcome.account
        by_password = bool(package)
        right = counted = isinstance(outcome, Accepted)
        if not isinstance(outcome, Accepted):
            reason = outcome.reason
            if reason is BindReason.BUSY:
                # The answer must not tell; but what is known to be wrong is counted all the same.
                by_password = counted = True
            else:
                right = reason in _NONCES and account is not None
                if reason in _NOBODY:
                    account = None
                elif not right and reason not in _OF_SOMEBODY:
                    return outcome
                # A response that is right but for its nonce may be a recorded one: it forgets no wrong passwords.
                counted = reason in _COUNTED and not outcome.spared
        judgement = self._service.answers.judge(account, right, self.connection.workstation, by_password, counted)
        if judgement is FINE:
            return outcome
        if isinstance(judgement, Judgement):
            return self._standing(outcome, account, right, judgement)
        return then(judgement, partial(self._standing, outcome, account, right))

    def _standing(
        self, outcome: Outcome, account: Account | None, right: bool, judgement: Judgement
    ) -> Answer[Outcome]:
        status, locked = judgement.status, judgement.locked
        if status is None and not (locked or judgement.gone or judgement.changed):
            return outcome
        if locked:
            self._locked = account
        if not isinstance(outcome, Accepted) and outcome.reason is BindReason.BUSY:
            return outcome
        why = Reason.WRONG_PASSWORD if status is None else BindReason(status.value)
        if judgement.gone:
            why, account = Reason.UNKNOWN_USER, None
        # A wrong initial response gets its challenge, whoever it is about.  RFC 2831 section 2.2.2
        if isinstance(outcome, Continue) and not right:
            return replace(outcome, reason=why, account=account)
        refused = Refused(why, outcome.facts, outcome.detail, account)
        # That the password was right is not told by another answer than a wrong one gets, nor by the time.
        if isinstance(outcome, (Accepted, Continue)) and outcome.barred is not None:
            return outcome.barred.barred(refused)
        return refused

    def _accept(self, message_id: int, mechanism: str, package: str, accepted: Accepted) -> Decision:
        return Decision(
            BindResponse(_SUCCESS, "", "", (), accepted.data) if accepted.data else _ACCEPTED,
            self._service.identity(accepted.account),
            (self._record(message_id, mechanism, package, _RIGHT, accepted.facts, accepted.detail),),
            accepted.layer,
        )

    def _simple(self, message_id: int, name: str, password: bytes) -> Answer[Decision]:
        if not password:
            # Anonymous is a name and a password of no length.  RFC 4513 section 5.1.1
            if not name:
                return Decision(_ACCEPTED)
            return self._end(message_id, SIMPLE, MSV1_0, BindReason.UNAUTHENTICATED, Facts(name))
        # Before any credential is looked at: the answer must not tell whether the password was right.
        if self._service.config.require_signing and not self.connection.confidential:
            return self._end(message_id, SIMPLE, MSV1_0, BindReason.SIGNING_REQUIRED, Facts(name))
        self.checking = True
        who = passwords.binding(self._service.directory, self._service.answers, name)
        if isinstance(who, passwords.Named):
            return self._named(message_id, name, password, who)
        return then(who, partial(self._named, message_id, name, password))

    def _named(self, message_id: int, name: str, password: bytes, who: passwords.Named) -> Answer[Decision]:
        verified = passwords.verify(self._service.directory, self._host, who, (password,), Facts(who.name))
        if isinstance(verified, (Accepted, Refused)):
            return self._verified(message_id, name, who, verified)
        return then(verified, partial(self._verified, message_id, name, who))

    def _verified(self, message_id: int, name: str, who: passwords.Named, verified: Outcome) -> Answer[Decision]:
        judged = self._judged(verified, MSV1_0)
        if isinstance(judged, Accepted):
            return self._accept(message_id, SIMPLE, MSV1_0, judged)
        return self._refused(message_id, name, who, judged)

    async def _refused(self, message_id: int, name: str, who: passwords.Named, judged: Answer[Outcome]) -> Decision:
        outcome = judged if isinstance(judged, (Continue, Accepted, Refused)) else await judged
        if isinstance(outcome, Accepted):
            return self._accept(message_id, SIMPLE, MSV1_0, outcome)
        assert isinstance(outcome, Refused)  # a simple bind has no further step
        # A DN that nobody has was looked up as a name too: the time is not to tell which it was.
        if who.account is not None and "=" in name:
            await passwords.named(self._service.directory, name)
        return self._end(message_id, SIMPLE, MSV1_0, outcome.reason, outcome.facts)

    def _end(
        self,
        message_id: int,
        mechanism: str,
        package: str,
        reason: Reason | BindReason,
        facts: Facts = NO_FACTS,
        detail: str | None = None,
    ) -> Decision:
        response = self._service.refusals[package][reason]
        return Decision(response, records=(self._record(message_id, mechanism, package, reason, facts, detail),))

    def _record(
        self,
        message_id: int,
        mechanism: str,
        package: str,
        reason: Reason | BindReason,
        facts: Facts,
        detail: str | None = None,
    ) -> BindRecord:
        # A member of an enum takes a call of Python's own to look up.
        ending = _ENDED_RIGHT if reason is _RIGHT else ENDINGS[reason]
        peer = self._peer
        return BindRecord(
            self._clock.ns(),
            # Where no package has checked credentials (EXTERNAL) there is no verdict about any.
            ending.status if package else None,
            package,
            facts.username[:MAX_NAME],
            self.connection.workstation,
            peer.ip,
            peer.port,
            peer.connection,
            message_id,
            mechanism[:MAX_NAME],
            facts.realm,
            facts.authzid,
            facts.qop,
            facts.cipher,
            facts.digest_uri,
            ending.result_code,
            reason,
            detail,
            self.connection.tls is not None,
            facts.reading,
        )
