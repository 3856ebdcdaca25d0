"""Why the last bind of a connection failed, told to that connection: an extended operation of our own.

For whoever tests a client against a server started with `--explain`, which listens where only this machine can reach
it: the answer says what an attacker would like to know. It never holds a password, nor a hash that is as good as one.

    requestName    EXPLAIN
    requestValue   absent
    responseValue  a JSON object in UTF-8: mechanism, reason, resultCode, headline, lines
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from ldapserver import passwords
from ldapserver.audit.record import BindRecord
from ldapserver.audit.status import BindReason
from ldapserver.bind import Decision
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.account_state import FOR_EVER, SECOND, AccountState
from ldapserver.directory.filetime import filetime_at, moment
from ldapserver.directory.policy import Policy
from ldapserver.directory.schemes import Several
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.sasl.plain import MalformedPlain, PlainMessage
from ldapserver.service import Peer
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import BindRequest, ExtendedRequest, ExtendedResponse, ResultCode, SaslAuthentication
from sasl_digest import HA1, Credential, Password, Reason, WDigest
from sasl_digest.explaining import Exchange, Explanation, Hints, Verdict, explain
from sasl_digest.explaining.departures import shown
from sasl_digest.explaining.explanation import Known

EXPLAIN = "2.25.184171975280616318091036229593652699522"  # of a UUID of its own, ITU-T X.667
CONNECTIONS = 1024  # whose last bind is kept; the oldest give way


@dataclass(frozen=True, slots=True)
class FailedBind:
    """A bind that failed, as it came: `challenge` is what it answered, where it answered one."""

    request: BindRequest = field(repr=False)
    record: BindRecord
    result_code: int
    challenge: bytes | None = field(default=None, repr=False)


class Explainer:
    """The last failed bind of each connection, kept to be asked about."""

    def __init__(self, capacity: int = CONNECTIONS) -> None:
        self._capacity = capacity
        self._challenges: OrderedDict[int, bytes | None] = OrderedDict()
        self._failed: OrderedDict[int, FailedBind] = OrderedDict()

    def note(self, peer: Peer, message_id: int, request: BindRequest, decision: Decision) -> None:
        """A bind was decided."""
        response = decision.response
        challenge = self._challenges.pop(peer.connection, None)
        if response.result_code == ResultCode.SASL_BIND_IN_PROGRESS:
            self._challenges[peer.connection] = response.server_sasl_creds
        self._failed.pop(peer.connection, None)
        for record in decision.records:
            if not isinstance(record, BindRecord) or record.message_id != message_id:
                continue
            if record.reason not in (BindReason.SUCCESS, BindReason.ABANDONED):
                failed = FailedBind(request, record, int(response.result_code), challenge)
                self._failed[peer.connection] = failed
        for kept in (self._challenges, self._failed):
            while len(kept) > self._capacity:
                kept.popitem(last=False)

    def failed(self, peer: Peer) -> FailedBind | None:
        """The last bind of this connection, if it failed."""
        return self._failed.get(peer.connection)

    def forget(self, peer: Peer) -> None:
        """Nobody can ask about this connection any more, or its last bind was not one to tell of."""
        self._challenges.pop(peer.connection, None)
        self._failed.pop(peer.connection, None)


@dataclass(slots=True)
class Told:
    """What is answered, as it is put together."""

    headline: str = ""
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """One more line; the first is the headline."""
        if not self.headline:
            self.headline = line
        elif line != self.headline and line not in self.lines:
            self.lines.append(line)


async def explained(context: Context, request: ExtendedRequest) -> Reply:
    """Answer the operation. Raises OperationRefused."""
    explainer = context.service.explainer
    if request.request_value is not None or explainer is None:
        raise OperationRefused(ResultCode.PROTOCOL_ERROR, "requestValue: must be absent")
    failed = explainer.failed(context.peer)
    if failed is None:
        raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, "no bind has failed on this connection")
    told = Told()
    authentication = failed.request.authentication
    if isinstance(authentication, SaslAuthentication) and authentication.mechanism == "DIGEST-MD5":
        await _of_digest(context, failed, authentication.credentials or b"", told)
    else:
        await _of_password(context, failed, told)
    answer = {
        "mechanism": failed.record.mechanism,
        "reason": failed.record.reason.value,
        "resultCode": failed.result_code,
        "headline": told.headline,
        "lines": told.lines,
    }
    return Reply(ExtendedResponse(ResultCode.SUCCESS, response_value=json.dumps(answer, ensure_ascii=False).encode()))


# DIGEST-MD5


async def _of_digest(context: Context, failed: FailedBind, response: bytes, told: Told) -> None:
    config = context.service.config
    exchange = Exchange(response, failed.challenge)
    account = await _meant(context, (failed.record.account, exchange.text("username") or ""), told)
    hosts = tuple(each for each in config.hosts if each != "*")
    names = () if account is None else await _names(context, account)
    hints = Hints(names, (config.realm, config.netbios), hosts)
    explanation = await _explained(context, exchange, () if account is None else _of(account.credential), hints)
    reason = failed.record.reason
    if reason is Reason.WRONG_PASSWORD and account is not None:
        await _wrong_digest(context, exchange, explanation, account, hints, told)
    elif reason is Reason.REALM:
        accepted = ", ".join(shown(each) for each in dict.fromkeys((config.realm, config.netbios, "Digest", "")))
        told.say(f"The realm {shown(failed.record.realm or '')} is not served here; these are: {accepted}.")
    elif reason is Reason.DIGEST_URI:
        told.say(f"The digest-uri {shown(failed.record.digest_uri or '')} names another service or host than this.")
        told.say("It may be " + ", ".join(shown(f"ldap/{each}") for each in hosts) + ".")
    elif reason not in _OF_NOBODY:
        told.say(_said(context, failed, account))
    if account is not None and explanation.response.verdict is not Verdict.NOT_TRIED:
        told.say(_headline(explanation, account))
    for rule in explanation.broken:
        if rule.about != _ABOUT.get(reason):
            told.say(f"{rule}." if rule.grave else f"{rule} (no reason to refuse it).")
    _because(explanation, told)
    _of_account(context, account, told)


# Which broken rule the reason has said already.
_ABOUT: dict[Reason | BindReason, str] = {Reason.REALM: "realm", Reason.DIGEST_URI: "digest-uri"}


async def _wrong_digest(
    context: Context, exchange: Exchange, explanation: Explanation, account: Account, hints: Hints, told: Told
) -> None:
    """A password that is wrong as far as the server can see: it may be one that is known all the same."""
    former = _of(account.former_credential)
    if former and explanation.response.verdict is Verdict.NONE:
        before = await _explained(context, exchange, former, hints)
        if before.response.verdict is Verdict.MATCH:
            told.say(f"The password is one that {shown(account.name)} had before.")
    told.say(_headline(explanation, account))


def _headline(explanation: Explanation, account: Account) -> str:
    """The sentence about the response, for somebody who has not said what the password is."""
    if explanation.response.verdict is Verdict.NONE and not explanation.untried:
        return (
            f"Nothing that is known here makes this response of what {shown(account.name)} has: most likely the "
            "password is another."
        )
    if explanation.response.verdict is Verdict.MATCH:
        return f"For all that, the response is right: it is made of the password of {shown(account.name)}."
    return explanation.response.headline


def _because(explanation: Explanation, told: Told) -> None:
    for reading in explanation.response.readings:
        for each in reading.departures:
            if each.because:
                told.say(f"{each.aspect}: {', or '.join(each.because)}.")


async def _explained(context: Context, exchange: Exchange, known: Sequence[Known], hints: Hints) -> Explanation:
    """Beside the loop: the 29 hashes of a domain's account take a second."""
    work = context.host.offload(partial(explain, exchange, known, hints=hints))
    if work is None:
        raise OperationRefused(ResultCode.BUSY, "too much is being computed; try again")
    return await work


def _of(credential: Credential | None) -> tuple[Known, ...]:
    """The secrets that a credential stands for."""
    if isinstance(credential, Several):
        return tuple(known for each in credential.credentials for known in _of(each))
    return (credential,) if isinstance(credential, Password | HA1 | WDigest) else ()


async def _names(context: Context, account: Account) -> tuple[str, ...]:
    """What the account may be called by, its DN too."""
    entry = await context.service.directory.read(account.dn)
    found = [account.name, str(account.dn)]
    for attribute in ("uid", "sAMAccountName", "userPrincipalName", "cn", "mail", "displayName"):
        values = () if entry is None else entry.get(attribute)
        found += [value.decode("utf-8", "replace") for value in values]
    return tuple(dict.fromkeys(found))


# A password that was sent as it is


async def _of_password(context: Context, failed: FailedBind, told: Told) -> None:
    name, password = _sent(failed.request)
    account = None
    if name:
        account = await _meant(context, (name,), told, by_dn=True)
    reason = failed.record.reason
    if reason not in _OF_NOBODY:
        if reason is Reason.WRONG_PASSWORD and account is not None:
            for form, words in _forms(password):
                if form != password and await passwords.proves(context.host, account, form):
                    told.say(f"The password that was sent is {words}.")
            if await passwords.was_one(context.service.directory, context.host, account, password):
                told.say(f"The password is one that {shown(account.name)} had before.")
        told.say(_said(context, failed, account))
    _of_account(context, account, told)


def _sent(request: BindRequest) -> tuple[str, bytes]:
    authentication = request.authentication
    if not isinstance(authentication, SaslAuthentication):
        return request.name, authentication.password
    try:
        message = PlainMessage.parse(authentication.credentials or b"")
    except MalformedPlain:
        return "", b""
    return message.authcid, message.password


def _forms(password: bytes) -> Iterator[tuple[bytes, str]]:
    """What the right password may be, and what then was sent in its place."""
    yield password.rstrip(b"\r\n"), "the right one with a line end behind it"
    yield password.rstrip(b"\0"), "the right one with a NUL behind it"
    yield password.strip(b" "), "the right one with blanks around it"
    yield password.swapcase(), "the right one in the other case, as if Caps Lock had been on"
    if len(password) > 2 and password[:1] == password[-1:] and password[:1] in b"'\"":
        yield password[1:-1], "the right one with quotes around it"
    try:
        yield password.decode().encode("iso-8859-1"), "the right one in UTF-8, where ISO 8859-1 is stored"
    except UnicodeError:
        yield password.decode("iso-8859-1").encode(), "the right one in ISO 8859-1, where LDAP has UTF-8"


# Who it is about

_OF_NOBODY = (Reason.UNKNOWN_USER, BindReason.AMBIGUOUS_NAME)


async def _meant(context: Context, names: Sequence[str], told: Told, *, by_dn: bool = False) -> Account | None:
    """The account of one of these names; why there is none is told. `by_dn` is whether a DN will do."""
    directory = context.service.directory
    for name in names:
        try:
            account = await directory.find_account(name)
            who = await passwords.named_or_at(directory, name) if account is None else None
        except AmbiguousName as ambiguous:
            entries = ", ".join(shown(str(each)) for each in ambiguous.dns)
            told.say(f"{shown(name)} is the name of more than one account, and so of none: {entries}.")
            return None
        if account is not None:
            return account
        if who is not None and who.account is not None:
            if not by_dn:
                told.say(f"{shown(name)} is a DN, and DIGEST-MD5 has names: this one is {shown(who.account.name)}.")
            return who.account
    told.say(f"Nobody is called {shown(names[0])} here.")
    for likely in _likely(names[0]):
        who = await passwords.named_or_at(directory, likely)
        if who.account is not None:
            told.say(f"Somebody is called {shown(likely)}: {who.account.dn}.")
            break
    return None


def _likely(name: str) -> Iterator[str]:
    """What may have been meant: a part of the name, which is told only where somebody is called so."""
    try:
        dn = DN.parse(name)
    except InvalidDN:
        dn = None
    if dn is not None and dn.rdns:
        yield dn.rdns[0][0].value.decode("utf-8", "replace")
    yield name.strip()
    yield name.rpartition("\\")[2].partition("@")[0]


def _said(context: Context, failed: FailedBind, account: Account | None) -> str:
    """The reason in words."""
    record = failed.record
    whose = "the account" if account is None else shown(account.name)
    state = None if account is None else account.state
    match record.reason:
        case Reason.WRONG_PASSWORD:
            return f"The password is not that of {whose}."
        case Reason.NO_USABLE_SECRET:
            kept = _kept(account)
            return f"{whose} keeps nothing that {record.mechanism} could be verified with for this name: {kept}."
        case BindReason.ACCOUNT_LOCKED_OUT:
            return f"{whose} is locked{_until(context, state)}: no password gets in."
        case BindReason.WORKSTATION:
            return f"{whose} may not log on from {shown(record.workstation)}."
        case Reason.MALFORMED:
            return f"The message breaks RFC 2831: {record.detail}."
        case BindReason.MECHANISM:
            return f"{shown(record.mechanism)} is not a mechanism that is taken here."
        case reason if reason in _WORDS:
            return _WORDS[reason].format(whose)
        case reason:
            return f"The bind ended for this reason: {reason.value}."


_WORDS: dict[Reason | BindReason, str] = {
    Reason.NONCE_FOREIGN: "The nonce is none that this server has issued.",
    Reason.NONCE_REPLAYED: "The nonce is this server's, and was for another exchange: a response was sent again.",
    Reason.NONCE_FORGOTTEN: "The nonce is not remembered: a first response needs a challenge before it.",
    Reason.NONCE_EXPIRED: "The response was right, and its nonce too old: the next challenge is to be answered.",
    Reason.NONCE_COUNT: "The nonce-count is not the one that is due.",
    Reason.QOP: "The qop is not one that was offered.",
    Reason.CIPHER: "The cipher is not one that was offered, or maxbuf is too small for it.",
    Reason.CHANNEL_BINDING: "The response is bound to another channel or service, or to none where one is due.",
    BindReason.ACCOUNT_DISABLED: "The password was right; {} is disabled.",
    BindReason.ACCOUNT_EXPIRED: "The password was right; {} has expired.",
    BindReason.LOGON_HOURS: "The password was right; {} may not log on at this hour.",
    BindReason.PASSWORD_MUST_CHANGE: "The password was right; {} must change it first.",
    BindReason.PASSWORD_EXPIRED: "The password was right, and is too old; {} must change it.",
    BindReason.AUTHZID_REFUSED: "The password was right; {} may not act as the authzid.",
    BindReason.UNAUTHENTICATED: "A simple bind with a name needs a password (RFC 4513 section 5.1.2).",
    BindReason.SIGNING_REQUIRED: "A bind in the clear has to bring a security layer here: qop auth-int or auth-conf.",
    BindReason.CONFIDENTIALITY_REQUIRED: "This mechanism is taken inside TLS only; the password was not looked at.",
}


def _of_account(context: Context, account: Account | None, told: Told) -> None:
    """Who it is, what is kept of the password, and what stands against the account."""
    if account is None:
        return
    told.say(f"The account is {account.dn}; it keeps {_kept(account)}.")
    state, policy = account.state, context.service.directory.policy
    if state is None:
        return
    now = filetime_at(context.service.clock.ns())
    if state.locked(policy, now):
        told.say(f"It is locked{_until(context, state)}.")
    elif (status := state.restriction(policy, now, context.workstation, by_password=True)) is not None:
        told.say(f"With the right password this stands against it: {status.value}.")
    if policy.lockout_threshold and state.bad_pwd_count:
        told.say(f"Wrong passwords: {state.bad_pwd_count} of {policy.lockout_threshold}.")


def _kept(account: Account | None) -> str:
    """The forms of its passwords, and no more of them."""
    kinds = dict.fromkeys(each.scheme for each in account.passwords) if account is not None else ()
    return ", ".join(kinds) if kinds else "no password"


def _until(context: Context, state: AccountState | None) -> str:
    policy: Policy = context.service.directory.policy
    if state is None or not state.lockout_time:
        return ""
    if state.lockout_time == FOR_EVER or not policy.lockout_duration:
        return " until an administrator unlocks it"
    return f" until {moment(state.lockout_time + int(policy.lockout_duration * SECOND)):%Y-%m-%d %H:%M:%S} UTC"
