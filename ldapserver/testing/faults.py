"""What goes wrong in a server under test: rules, what they have come to, and the certificates that are wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ldapserver.faults.actions import Action, Hold, ShowCertificate
from ldapserver.faults.plan import Fired
from ldapserver.faults.rule import Rule
from ldapserver.testing.served import Served

if TYPE_CHECKING:
    from ldapserver.testing.authority import CA
    from ldapserver.testing.server import Ask

PATIENCE = 10.0  # seconds that are waited for a rule to strike, unless it is said otherwise
Defect = Literal["expired", "not-yet-valid", "wrong-name", "unknown-ca", "self-signed"]


@dataclass(frozen=True)
class Fault:
    """A rule that was given to a server."""

    rule: Rule
    number: int
    _ask: "Ask"

    @property
    def count(self) -> int:
        """How often it has struck."""
        return self._ask(_count, self.number)

    def wait(self, count: int = 1, timeout: float = PATIENCE) -> None:
        """Come back when it has struck so often. Raises AssertionError when it has not within `timeout` seconds."""
        if not self._ask(_wait, self.number, count, timeout):
            raise AssertionError(f"in {timeout:g} s a fault did not strike: {self.rule}")

    def release(self) -> None:
        """Let go on what it holds, and hold nothing from here on. Raises ValueError when it is none that holds."""
        if not isinstance(self.rule.action, Hold):
            raise ValueError(f"release(): nothing is held by {self.rule.action}")
        self._ask(_release, self.number)

    def remove(self) -> None:
        """Have it strike no more; what it holds goes on."""
        self._ask(_remove, self.number)


class Faults:
    """The faults of one server."""

    def __init__(self, ask: "Ask") -> None:
        self._ask = ask
        self._newest = 0  # of the rules that were added
        self._settled = 0  # those up to here are not of the test that runs

    def add(
        self,
        action: Action,
        *,
        on: str | None = None,
        user: str | None = None,
        dn: str | None = None,
        mechanism: str | None = None,
        connection: int | None = None,
        tls: bool | None = None,
        nth: int | None = None,
        every: int | None = None,
        times: int | None = None,
        always: bool = False,
        optional: bool = False,
    ) -> Fault:
        """Have this go wrong, once unless it is said otherwise. Raises ValueError for what does not go together.

        `on` names the operation; it may be left out where an action knows one place only. See `Rule` for the
        conditions. `nth` is the first occasion it strikes on, `every` each so-manieth, `times` how often in all, and
        `always` without end. One that is not `optional` fails the test if it never strikes.
        """
        _check(action)
        on = on or action.default_on
        if on is None:
            raise ValueError(f"on: is due for {type(action).__name__}: 'bind', 'search', 'any', ...")
        if always and times is not None:
            raise ValueError("always: not together with times")
        rule = Rule(
            action=action,
            on=on,
            user=user,
            dn=dn,
            mechanism=mechanism,
            connection=connection,
            tls=tls,
            nth=nth if nth is not None else 1 if every is None else every,
            every=1 if every is None else every,
            times=times if times is not None else None if always or every is not None else 1,
            optional=optional,
        )
        self._newest = self._ask(_add, rule)
        return Fault(rule, self._newest, self._ask)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those in force."""
        return self._ask(_rules)

    @property
    def fired(self) -> tuple[Fired, ...]:
        """Each time that one has struck, in order."""
        return self._ask(_fired)

    def clear(self) -> None:
        """No rules any more, nothing held, and nothing fired."""
        self._ask(_clear)

    def verify(self) -> None:
        """Raises AssertionError when a rule has not struck that is not optional; of each that is said once."""
        check_fired(self._ask(_unfired, 0))

    def settle(self) -> None:
        """Let what was added so far be nobody's test's: it is judged when the server stops, and not before."""
        self._settled = self._newest

    def left(self) -> tuple[Rule, ...]:
        """The rules added since the last `settle` that never struck: they are gone then, and told of once."""
        if self._newest == self._settled:
            return ()
        after, self._settled = self._settled, self._newest
        return self._ask(_unfired, after)


def check_fired(unfired: Sequence[Rule]) -> None:
    """Raises AssertionError where there are rules that never struck."""
    if unfired:
        raise AssertionError(told(unfired))


def told(unfired: Sequence[Rule]) -> str:
    """What is said of rules that never struck."""
    return "".join(["faults that never fired (optional=True allows it):", *(f"\n  {rule}" for rule in unfired)])


def _check(action: object) -> None:
    if not isinstance(action, Action):
        made = f"{action.__name__}()" if isinstance(action, type) and issubclass(action, Action) else "Busy()"
        raise ValueError(f"action: must be an action of ldapserver.faults, like {made}, and not {action!r}")


def bad_certificate(defect: Defect, ca: "CA | None" = None) -> ShowCertificate:
    """A certificate for localhost that is right but for one thing, of `ca`, or of the CA of this process's servers.

    It is for the server to show: `server.faults.add(bad_certificate("expired"))`.
    """
    from ldapserver.testing import authority

    issued = authority.defective(defect, ca or authority.local_ca())
    return ShowCertificate(issued.chain, issued.key)


def _add(served: Served, rule: Rule) -> int:
    return served.faults.add(rule)


def _remove(served: Served, number: int) -> None:
    served.faults.remove(number)


def _release(served: Served, number: int) -> None:
    served.faults.release(number)


def _count(served: Served, number: int) -> int:
    return served.faults.count(number)


def _rules(served: Served) -> tuple[Rule, ...]:
    return served.faults.rules


def _fired(served: Served) -> tuple[Fired, ...]:
    return tuple(served.faults.fired)


def _clear(served: Served) -> None:
    served.faults.clear()


def _unfired(served: Served, after: int) -> tuple[Rule, ...]:
    return served.faults.unfired(after)


def _wait(served: Served, number: int, count: int, timeout: float) -> Any:
    """Whether the rule has struck so often: a Deferred, where it has not yet."""
    from twisted.internet.defer import Deferred

    plan = served.faults
    if plan.count(number) >= count:
        return True
    waited: Deferred[bool] = Deferred()

    def look() -> None:
        if plan.count(number) >= count:
            end(True)

    def end(struck: bool) -> None:
        plan.on_fired.remove(look)
        if late.active():
            late.cancel()
        waited.callback(struck)

    plan.on_fired.append(look)
    late = served.reactor.callLater(timeout, end, False)
    return waited
