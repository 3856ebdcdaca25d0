"""What many records say together: how binds ended and whose, and who still uses DIGEST-MD5, and how.

Records of one manner (`Event.manner`) are counted by their names first, and put into the tables together. Memory is
bounded: MOST names are counted by themselves in a table, and those that come later together.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ldapserver.viewer.event import FAILURE, SUCCESS, Event, words
from ldapserver.viewer.name_form import name_form

MOST = 100_000  # names in one table
_ALIKE = 200_000  # names, in all manners together, before they are put into the tables

_NEVER = "~"  # behind any time

WDIGEST = "wdigest"  # the package, in whatever case a log of Windows has it
DIGEST_MD5 = "DIGEST-MD5"
BEYOND = "(further names)"  # no account, for it is not what any client is told to be


@dataclass(slots=True)
class Tally:
    """How many, how many of them failed, and the last time of all and of a success."""

    count: int = 0
    failed: int = 0
    succeeded: int = 0
    last: str = ""
    last_success: str = ""

    def add(self, outcome: str, count: int, last: str) -> None:
        """So many more with this outcome, the last one then."""
        self.count += count
        self.last = max(self.last, last)
        if outcome == FAILURE:
            self.failed += count
        elif outcome == SUCCESS:
            self.succeeded += count
            self.last_success = max(self.last_success, last)


class Tallies:
    """Tallies by name, whatever its case; a name is shown as it came first."""

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[str, Tally]] = {}
        self._beyond = Tally()

    def add(self, name: str, outcome: str, count: int, last: str) -> None:
        """So many more under this name."""
        folded = name.casefold()
        found = self._by_name.get(folded)
        if found is None:
            if len(self._by_name) >= MOST:
                self._beyond.add(outcome, count, last)
                return
            found = self._by_name[folded] = (name, Tally())
        found[1].add(outcome, count, last)

    def add_all(self, outcome: str, names: "_Names") -> None:
        """All of these; what has no name is not counted."""
        for name, each in names.items():
            if name:
                self.add(name, outcome, each.count, each.last)

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def beyond(self) -> Tally:
        """What came under names that were not counted by themselves any more."""
        return self._beyond

    def sorted(self, key: Callable[[Tally], int] = lambda tally: tally.count) -> list[tuple[str, Tally]]:
        """Those with any by `key`, the most first, and then by their names."""
        rows = [(name, tally) for name, tally in self._by_name.values() if key(tally)]
        rows.sort(key=lambda row: (-key(row[1]), row[0]))
        return rows + ([(BEYOND, self._beyond)] if key(self._beyond) else [])


@dataclass
class Digests:
    """The binds by DIGEST-MD5 that reached a verdict: whose, from where, and what they asked for."""

    total: Tally = field(default_factory=Tally)
    by_account: Tallies = field(default_factory=Tallies)
    by_address: Tallies = field(default_factory=Tallies)
    by_name_form: Tallies = field(default_factory=Tallies)
    by_realm: Tallies = field(default_factory=Tallies)
    by_protection: Tallies = field(default_factory=Tallies)
    by_channel: Tallies = field(default_factory=Tallies)
    by_digest_uri: Tallies = field(default_factory=Tallies)


@dataclass(slots=True)
class _Count:
    """How often, and when last."""

    count: int
    last: str


class _Names(dict[str, _Count]):
    """How often each name came."""

    def note(self, name: str, time: str) -> None:
        """Once more, then."""
        found = self.get(name)
        if found is None:
            self[name] = _Count(1, time)
        else:
            found.count += 1
            if time > found.last:
                found.last = time


class _Alike:
    """Records of one manner."""

    def __init__(self) -> None:
        self.accounts = _Names()
        self.addresses = _Names()
        self.workstations = _Names()


class Summary:
    """Records, counted. A bind is a 4776 or a sasl-exchange; what else there is, is counted by its id alone."""

    def __init__(self) -> None:
        self.records = 0
        self.first = ""
        self.last = ""
        self.by_id = Tallies()
        self.binds = Tally()
        self.by_status = Tallies()
        self.by_account = Tallies()
        self.by_address = Tallies()
        self.by_workstation = Tallies()
        self.by_mechanism = Tallies()
        self.digests = Digests()
        self._alike: dict[tuple[str | bool | None, ...], _Alike] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Count them."""
        alike = self._alike
        room = _ALIKE
        first = _NEVER
        for event in events:
            time = event.time
            if time < first:
                first = time
            manner = event.manner
            found = alike.get(manner)
            if found is None:
                found = alike[manner] = _Alike()
                room -= 1
            held = len(found.accounts) + len(found.addresses) + len(found.workstations)
            found.accounts.note(event.account, time)
            found.addresses.note(event.source_ip or "", time)
            found.workstations.note(event.workstation, time)
            room -= len(found.accounts) + len(found.addresses) + len(found.workstations) - held
            if room <= 0:
                self._take_apart()
                room = _ALIKE
        if first != _NEVER:
            self.first = min(self.first or first, first)
        self._take_apart()

    def _take_apart(self) -> None:
        for manner, alike in self._alike.items():
            self._count(Event._make(("", "", None, "", *manner, "", None)), alike)
        self._alike.clear()

    def _count(self, event: Event, alike: _Alike) -> None:
        """Count all records of this manner."""
        count = sum(each.count for each in alike.accounts.values())
        last = max(each.last for each in alike.accounts.values())
        counted = (event.outcome, count, last)
        self.records += count
        self.last = max(self.last, last)
        self.by_id.add(event.code, *counted)
        if not event.is_bind:
            return
        self.binds.add(*counted)
        self.by_status.add(ending(event), *counted)
        self.by_account.add_all(event.outcome, alike.accounts)
        self.by_address.add_all(event.outcome, alike.addresses)
        self.by_workstation.add_all(event.outcome, alike.workstations)
        self.by_mechanism.add(mechanism(event), *counted)
        if mechanism(event) == DIGEST_MD5 and event.status is not None:
            self._count_digests(event, alike, counted)

    def _count_digests(self, event: Event, alike: _Alike, counted: tuple[str, int, str]) -> None:
        digests = self.digests
        digests.total.add(*counted)
        digests.by_account.add_all(event.outcome, alike.accounts)
        digests.by_address.add_all(event.outcome, alike.addresses)
        for account, each in alike.accounts.items():
            digests.by_name_form.add(name_form(account), event.outcome, each.count, each.last)
        if event.mechanism is None:
            return  # a log in Windows' form does not say how
        digests.by_realm.add("(none)" if event.realm is None else event.realm or "(empty)", *counted)
        digests.by_protection.add(" ".join(filter(None, (event.qop or "(none)", event.cipher))), *counted)
        digests.by_channel.add("inside TLS" if event.tls else "without TLS", *counted)
        digests.by_digest_uri.add(event.digest_uri or "(none)", *counted)


def ending(event: Event) -> str:
    """How a bind ended: its status and what that says, or its reason where it reached no verdict."""
    if event.status is None:
        return f"- {event.reason or event.outcome}"
    text = f"{event.status} {words(event.status)}".rstrip()
    # The password was right, and the bind failed all the same.
    return f"{text} ({event.reason})" if event.reason and event.status == "0x0" else text


def mechanism(event: Event) -> str:
    """The mechanism of a bind; in a log of Windows' form what its package tells."""
    if event.mechanism is not None:
        return event.mechanism or "simple"
    return DIGEST_MD5 if event.package.casefold() == WDIGEST else event.package or "(unknown)"
