"""The rules of one server, what they have come to, and whose turn it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from ldapserver.faults.actions import ANY, CONNECT, EXTENDED, REQUESTS, Action, Hold, RepeatedNonce
from ldapserver.faults.asked import DIGEST_MD5, Asked
from ldapserver.faults.nonces import RepeatingNonces
from ldapserver.faults.rule import Rule
from ldapserver.passwords import named_or_at
from ldapserver.suspension import Suspension
from ldapserver.wire.dn import DN, InvalidDN

if TYPE_CHECKING:
    from ldapserver.access import Identity
    from ldapserver.channel import Channel
    from ldapserver.directory.directory import Directory
    from ldapserver.faults.connection import ConnectionFaults, Wire
    from ldapserver.service import Peer
    from ldapserver.session import Session
    from sasl_digest.nonces import Nonces


@dataclass(frozen=True)
class Fired:
    """One time that a rule has struck: where, and whose request it was; the message is None where there was none."""

    rule: Rule
    connection: int
    message_id: int | None = None
    user: str | None = None
    dn: str | None = None


@dataclass
class Standing:
    """A rule that is in force, and how far it has come."""

    number: int
    rule: Rule
    occasions: int = 0
    struck: int = 0  # by as many requests, of which some may turn out to have nothing to strike on
    fired: int = 0
    held: list[Suspension[None]] = field(default_factory=list)
    released: bool = False


@dataclass(frozen=True, slots=True)
class Occasion:
    """A request, or another thing that a rule may be about, as it comes."""

    asked: Asked
    connection: int
    message_id: int | None = None
    identity: "Identity | None" = None
    tls: bool = False
    layered: bool = False

    @property
    def user(self) -> str | None:
        """Who binds, or is bound."""
        if self.asked.user is not None:
            return self.asked.user
        return None if self.identity is None or self.identity.anonymous else str(self.identity.dn)


@dataclass(frozen=True, slots=True)
class Strike:
    """A rule whose turn it is."""

    plan: "FaultPlan"
    standing: Standing
    occasion: Occasion

    @property
    def action(self) -> Action:
        """What is to go wrong."""
        return self.standing.rule.action

    def landed(self) -> None:
        """It has gone wrong."""
        self.plan.note(self)

    def missed(self) -> None:
        """There was nothing to strike on: the rule is as it was before."""
        self.standing.struck -= 1


class FaultPlan:
    """What is to go wrong in a server. Only its loop's thread may touch it."""

    def __init__(self) -> None:
        self._standing: dict[int, Standing] = {}
        self._number = 0
        self._ever: set[int] = set()  # those that have struck, whatever was gone back to since
        self.fired: list[Fired] = []
        self.on_fired: list[Callable[[], None]] = []  # called after each
        self._nonces: RepeatingNonces | None = None
        self._directory: Directory | None = None

    # What a service asks

    def serve(self, directory: "Directory", nonces: "Nonces") -> "Nonces":
        """Be that of a server of this directory; the nonces that it is to use."""
        self._directory = directory
        self._nonces = RepeatingNonces(nonces)
        return self._nonces

    def connection(self, session: "Session", peer: "Peer", channel: "Channel") -> "ConnectionFaults":
        """A new connection's; its channel has to be a `Wire` too."""
        from ldapserver.faults.connection import ConnectionFaults

        return ConnectionFaults(self, session, peer, cast("Wire", channel))

    def connected(self, protocol: Any) -> bool:
        """A connection was made: whether something is wrong with it, so that nothing more is to be done about it."""
        from ldapserver.faults.handshake import connected

        strike = self.strike(Occasion(Asked(CONNECT), protocol.peer.connection))
        if strike is None:
            return False
        strike.landed()
        connected(protocol, strike.action)
        return True

    def handshakes(self, protocol: Any, handshakes: Any) -> Any:
        """What is to begin this connection's handshake, or None when there is not to be one."""
        from ldapserver.faults.handshake import TLS, handshake

        strike = self.strike(Occasion(Asked(TLS), protocol.peer.connection))
        if strike is None:
            return handshakes
        strike.landed()
        return handshake(protocol, handshakes, strike.action)

    # What a test asks

    def add(self, rule: Rule) -> int:
        """A rule more, behind those there are: its number."""
        self._number += 1
        self._standing[self._number] = Standing(self._number, rule)
        return self._number

    def remove(self, number: int) -> None:
        """A rule less; what it holds goes on."""
        self.release(number)
        self._standing.pop(number, None)

    def clear(self) -> None:
        """No rules, and nothing that was."""
        for number in tuple(self._standing):
            self.remove(number)
        self.fired.clear()

    def release(self, number: int) -> None:
        """What the rule holds goes on, and nothing is held by it any more."""
        standing = self._standing.get(number)
        if standing is not None:
            standing.released = True
            for suspension in tuple(standing.held):  # each takes itself out
                suspension.resume(None)

    def count(self, number: int) -> int:
        """How often the rule has struck; none that is gone has."""
        standing = self._standing.get(number)
        return 0 if standing is None else standing.fired

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those in force, in the order of their making."""
        return tuple(standing.rule for standing in self._standing.values())

    @property
    def newest(self) -> int:
        """The number of the rule that was added last."""
        return self._number

    def unfired(self, after: int = 0) -> tuple[Rule, ...]:
        """The rules behind this number that have to strike and have not; those are gone then, each told of once."""
        found = []
        for standing in tuple(self._standing.values()):
            if standing.number > after and standing.number not in self._ever and not standing.rule.optional:
                found.append(standing.rule)
                self.remove(standing.number)
        return tuple(found)

    def kept(self) -> tuple[Standing, ...]:
        """The rules in force and how far they have come, to go back to."""
        return tuple([replace(standing, held=[]) for standing in self._standing.values()])

    def restore(self, kept: tuple[Standing, ...]) -> None:
        """Have these in force and no others, as they were; what is held goes on, and nothing has struck."""
        self.clear()
        self._standing = {standing.number: replace(standing, held=[]) for standing in kept}

    # Whose turn it is

    def strike(self, occasion: Occasion) -> Strike | None:
        """The first rule whose turn this is. All that it is an occasion for count it."""
        if not self._standing:
            return None
        found = None
        for standing in self._standing.values():
            if not self._is_for(standing, occasion):
                continue
            standing.occasions += 1
            if found is None and standing.rule.is_due(standing.occasions, standing.struck):
                standing.struck += 1
                found = Strike(self, standing, occasion)
        return found

    def note(self, strike: Strike) -> None:
        """A rule has struck."""
        occasion = strike.occasion
        strike.standing.fired += 1
        self._ever.add(strike.standing.number)
        self.fired.append(
            Fired(strike.standing.rule, occasion.connection, occasion.message_id, occasion.user, occasion.asked.dn)
        )
        for call in tuple(self.on_fired):
            call()

    @property
    def nonces(self) -> RepeatingNonces:
        """Of the server's challenges."""
        assert self._nonces is not None
        return self._nonces

    def _is_for(self, standing: Standing, occasion: Occasion) -> bool:
        rule, asked = standing.rule, occasion.asked
        action = rule.action
        return (
            _is_on(rule, asked)
            and rule.connection in (None, occasion.connection)
            and rule.tls in (None, occasion.tls)
            and (not action.in_layer or occasion.layered)
            and (not action.of_digest or asked.mechanism == DIGEST_MD5)
            and (not isinstance(action, RepeatedNonce) or self.nonces.can_repeat)
            and not (isinstance(action, Hold) and standing.released)
            and (rule.mechanism is None or rule.mechanism.lower() == (asked.mechanism or "").lower())
            and (rule.dn is None or _is_within(asked.dn, DN.parse(rule.dn)))
            and (rule.user is None or self._is_by(rule.user, occasion))
        )

    def _is_by(self, user: str, occasion: Occasion) -> bool:
        who = self._dn(user)
        if occasion.asked.operation == "bind":
            name = occasion.asked.user or ""
            tries = self._dn(name)
            # Nobody may be meant: then it is the name that counts.
            return name.lower() == user.lower() if who is None or tries is None else tries.key == who.key
        identity = occasion.identity
        return identity is not None and not identity.anonymous and who is not None and identity.dn.key == who.key

    def _dn(self, name: str) -> DN | None:
        """Whose name it is, in any form of it."""
        assert self._directory is not None
        looked_up = named_or_at(self._directory, name)
        try:
            # A directory in memory never lets anybody wait.
            looked_up.send(None)
        except StopIteration as found:
            account = found.value.account
            return None if account is None else account.dn
        looked_up.close()
        raise RuntimeError("faults: a directory that takes its time cannot be asked whose name it is")


def _is_on(rule: Rule, asked: Asked) -> bool:
    if rule.oid is not None:
        return rule.oid == asked.oid
    # Nothing can be put off or altered about what the session does itself.
    if asked.oid == EXTENDED["starttls"] and rule.action.objection("starttls") is not None:
        return False
    return rule.on == asked.operation or (rule.on == ANY and asked.operation in REQUESTS)


def _is_within(dn: str | None, base: DN) -> bool:
    if dn is None:
        return False
    try:
        return DN.parse(dn).within(base)
    except InvalidDN:
        return False
