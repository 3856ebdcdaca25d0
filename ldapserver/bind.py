"""The Bind operation (RFC 4511 section 4.2, RFC 4513): simple and SASL, and the one place that makes audit records.

A bind ends in a `Decision`: nothing of it is true, and nothing is answered, before its records are handed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, overload

from ldapserver import passwords
from ldapserver.access import ANONYMOUS, Identity, acting_as
from ldapserver.audit.record import MAX_NAME, MSV1_0, BindRecord, Record
from ldapserver.audit.status import ENDINGS, BindReason
from ldapserver.directory.account import Account
from ldapserver.directory.account_state import FINE
from ldapserver.logons import Logon
from ldapserver.sasl.digest_md5 import DigestMD5
from ldapserver.sasl.mechanism import NO_FACTS, Accepted, Connection, Continue, Exchange, Facts, Outcome, Refused
from ldapserver.service import Peer, Service
from ldapserver.suspension import Host
from ldapserver.wire.messages import BindRequest, BindResponse, ResultCode, SaslAuthentication
from sasl_digest import Reason, SecurityLayer

SIMPLE: Final = "simple"  # what a record calls the mechanism of a simple bind

# What a BindRequest was refused for as a whole, where the result code alone says it.
_REFUSED_FOR: dict[int, BindReason] = {
    ResultCode.AUTH_METHOD_NOT_SUPPORTED: BindReason.MECHANISM,
    ResultCode.OTHER: BindReason.INTERNAL_ERROR,
}
# With these nobody's password was looked at, and as much is to be done as if one had been.
_NOBODY = (Reason.UNKNOWN_USER, Reason.REALM, BindReason.AMBIGUOUS_NAME)
_COUNTED = (Reason.WRONG_PASSWORD, *_NOBODY)
_OF_SOMEBODY = (Reason.WRONG_PASSWORD, Reason.NO_USABLE_SECRET)
# Behind a right response, where they are of somebody.
_NONCES = (Reason.NONCE_EXPIRED, Reason.NONCE_REPLAYED, Reason.NONCE_COUNT)
INTERNAL_ERROR = BindResponse(ResultCode.OTHER, diagnostic_message="internal error")
# What most binds come to: a member of an enum takes as long to look up as a small function to call.
_SUCCESS: Final = ResultCode.SUCCESS
_IN_PROGRESS: Final = ResultCode.SASL_BIND_IN_PROGRESS
_RIGHT: Final = BindReason.SUCCESS
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

    def _begin(self, message_id: int) -> None:
        # Not in `bind`, where None would be all that the type checker, and so compiled code, takes `_locked` for.
        self._message_id = message_id
        self._locked = None
        self.checking = False

    def challenge(self, message_id: int, request: BindRequest) -> Decision | None:
        """What a bind comes to that asks DIGEST-MD5 for a challenge, while no exchange is under way: half of all do.

        The same as `bind` has it, without a coroutine; None where there is more to be done.
        """
        authentication = request.authentication
        if (
            not isinstance(authentication, SaslAuthentication)
            or authentication.credentials
            or self._exchange is not None
            or request.version != 3
            or self._service.explainer is not None
        ):
            return None
        mechanism = self._service.mechanisms.get(authentication.mechanism)
        if not isinstance(mechanism, DigestMD5):
            return None
        self._begin(message_id)
        self._mechanism = authentication.mechanism
        self.checking = True
        exchange = mechanism.start(self.connection)
        response = BindResponse(_IN_PROGRESS, "", "", (), exchange.opening())
        self._exchange = exchange
        return Decision(response)

    async def bind(self, message_id: int, request: BindRequest) -> Decision:
        """Carry out one BindRequest. The connection is anonymous already (RFC 4513 section 4)."""
        authentication = request.authentication
        mechanism = authentication.mechanism if isinstance(authentication, SaslAuthentication) else SIMPLE
        exchange = self._exchange
        # A bind with another mechanism, an empty one or a simple bind aborts the exchange under way.
        # RFC 4511 section 4.2.1, RFC 4513 section 5.2.1.2
        if exchange is not None and (mechanism != self._mechanism or request.version != 3):
            self._left = self.abandon()
            exchange = None
        self._begin(message_id)
        # Another protocol version gets protocolError.  RFC 4511 section 4.2
        if request.version != 3:
            decision = self._end(message_id, mechanism, MSV1_0, BindReason.VERSION)
        elif isinstance(authentication, SaslAuthentication):
            decision = await self._sasl(message_id, exchange, authentication)
        else:
            decision = await self._simple(message_id, request.name, authentication.password)
        if decision.records:
            # The verdict, the lockout that it led to, then what came of the logon: all of it is written together.
            beside = await self._service.logons.beside(
                decision.records[0], decision.identity, self.connection, self._locked
            )
            if beside.records:
                decision = replace(decision, records=(*decision.records, *beside.records), logon=beside.logon)
        if self._service.explainer is not None:
            self._service.explainer.note(self._peer, message_id, request, decision)
        if self._left:
            left, self._left = self._left, ()
            return replace(decision, records=(*left, *decision.records))
        return decision

    async def _sasl(self, message_id: int, exchange: Exchange | None, authentication: SaslAuthentication) -> Decision:
        name = authentication.mechanism
        if exchange is None:
            mechanism = self._service.mechanisms.get(name)
            if mechanism is None:
                return self._end(message_id, name, "", BindReason.MECHANISM)
            exchange = mechanism.start(self.connection)
            self._mechanism = name
        self.checking = bool(exchange.package)
        package = exchange.package
        outcome = await exchange.step(authentication.credentials)
        if not isinstance(outcome, Continue) or outcome.reason is not None:
            outcome = await self._judged(outcome, package)
        if isinstance(outcome, Continue):
            self._exchange = exchange
            response = BindResponse(_IN_PROGRESS, "", "", (), outcome.data)
            if outcome.reason is None:
                return Decision(response)
            # Whatever the reason would end in, here the exchange goes on.
            record = self._record(message_id, name, package, outcome.reason, outcome.facts, outcome.detail)
            return Decision(response, records=(replace(record, result_code=response.result_code),))
        self._exchange = None
        if isinstance(outcome, Refused):
            return self._end(message_id, name, package, outcome.reason, outcome.facts, outcome.detail)
        authzid = outcome.facts.authzid
        # The policy is asked after the password and before any rspauth leaves.  RFC 4422 section 3.4.1, authzid
        if authzid is not None:
            account = await acting_as(self._service.directory, outcome.account, authzid, self.connection.workstation)
            if account is None:
                return self._end(message_id, name, package, BindReason.AUTHZID_REFUSED, outcome.facts, outcome.detail)
            outcome = replace(outcome, account=account)
        return self._accept(message_id, name, package, outcome)

    @overload
    async def _judged(self, outcome: Accepted | Refused, package: str) -> Accepted | Refused: ...

    @overload
    async def _judged(self, outcome: Outcome, package: str) -> Outcome: ...

    async def _judged(self, outcome: Outcome, package: str) -> Outcome:
        """The outcome with what stands against the account: after the password, and before any rspauth leaves."""
        account = outcome.account
        right = counted = isinstance(outcome, Accepted)
        if not isinstance(outcome, Accepted):
            reason = outcome.reason
            if reason is BindReason.BUSY:
                return await self._guessed_while_busy(outcome)
            right = reason in _NONCES and account is not None
            if reason in _NOBODY:
                account = None
            elif not right and reason not in _OF_SOMEBODY:
                return outcome
            # A response that is right but for its nonce may be a recorded one: it forgets no wrong passwords.
            counted = reason in _COUNTED and not outcome.spared
        judgement = await self._service.directory.judge(
            account,
            right=right,
            workstation=self.connection.workstation,
            by_password=bool(package),
            counted=counted,
        )
        if judgement is FINE:
            return outcome
        status, locked = judgement.status, judgement.locked
        if status is None and not (locked or judgement.gone or judgement.changed):
            return outcome
        if locked:
            self._locked = account
        why = Reason.WRONG_PASSWORD if status is None else BindReason(status.value)
        if judgement.gone:
            why, account = Reason.UNKNOWN_USER, None
        # A wrong initial response gets its challenge, whoever it is about.  RFC 2831 section 2.2.2
        if isinstance(outcome, Continue) and not right:
            return replace(outcome, reason=why, account=account)
        refused = Refused(why, outcome.facts, outcome.detail, account)
        # That the password was right is not told by another answer than a wrong one gets, nor by the time.
        if isinstance(outcome, Accepted | Continue) and outcome.barred is not None:
            return await outcome.barred(refused)
        return refused

    async def _guessed_while_busy(self, outcome: Continue | Refused) -> Continue | Refused:
        """The same outcome, for the answer must not tell; but what is known to be wrong is counted all the same."""
        judgement = await self._service.directory.judge(
            outcome.account, right=False, workstation=self.connection.workstation
        )
        if judgement.locked:
            self._locked = outcome.account
        return outcome

    def _accept(self, message_id: int, mechanism: str, package: str, accepted: Accepted) -> Decision:
        return Decision(
            BindResponse(_SUCCESS, "", "", (), accepted.data) if accepted.data else _ACCEPTED,
            self._service.identity(accepted.account),
            (self._record(message_id, mechanism, package, _RIGHT, accepted.facts, accepted.detail),),
            accepted.layer,
        )

    async def _simple(self, message_id: int, name: str, password: bytes) -> Decision:
        if not password:
            # Anonymous is a name and a password of no length.  RFC 4513 section 5.1.1
            if not name:
                return Decision(_ACCEPTED)
            return self._end(message_id, SIMPLE, MSV1_0, BindReason.UNAUTHENTICATED, Facts(name))
        # Before any credential is looked at: the answer must not tell whether the password was right.
        if self._service.config.require_signing and not self.connection.confidential:
            return self._end(message_id, SIMPLE, MSV1_0, BindReason.SIGNING_REQUIRED, Facts(name))
        self.checking = True
        directory = self._service.directory
        who = await passwords.named_or_at(directory, name)
        verified = await passwords.verify(directory, self._host, who, (password,), Facts(who.name))
        outcome = await self._judged(verified, MSV1_0)
        if isinstance(outcome, Refused):
            # A DN that nobody has was looked up as a name too: the time is not to tell which it was.
            if who.account is not None and "=" in name:
                await passwords.named(directory, name)
            return self._end(message_id, SIMPLE, MSV1_0, outcome.reason, outcome.facts)
        return self._accept(message_id, SIMPLE, MSV1_0, outcome)

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
        ending = ENDINGS[reason]
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
