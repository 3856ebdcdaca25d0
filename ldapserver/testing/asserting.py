"""Assertions about what a server under test has seen; each says what was expected, what was seen, what was said."""

from collections.abc import Iterable, Sized
from dataclasses import replace
from typing import TYPE_CHECKING

from ldapserver.printable import printable
from ldapserver.testing.binds import Binds
from ldapserver.testing.events import Events
from ldapserver.testing.names import same_dn
from ldapserver.testing.requests import Requests, SearchRequest
from ldapserver.wire.filters import And, Extensible, Filter, InvalidFilter, Not, Or, parse_filter

if TYPE_CHECKING:
    from ldapserver.testing.server import Server


def bound(
    server: "Server", who: str, *, times: int | None, mechanism: str | None, qop: str | None, tls: bool | None
) -> Binds:
    """The successful binds as `who` in this manner. Raises AssertionError where there are not so many, or none."""
    __tracebackhide__ = True
    found = server.binds(who)
    wanted = found.where(
        lambda bind: (
            bind.succeeded
            and (mechanism is None or bind.mechanism.lower() == mechanism.lower())
            and (qop is None or bind.qop == qop)
            and (tls is None or bind.tls is tls)
        )
    )
    if _enough(wanted, times):
        return wanted
    manner = "".join(
        [
            f" by {mechanism}" if mechanism else "",
            f" with qop {qop}" if qop else "",
            "" if tls is None else " inside TLS" if tls else " outside TLS",
        ]
    )
    expected = f"{_number('successful bind', times)} as {who}{manner}"
    everybody = f"; as others there were {len(server.binds())}" if not found else ""
    raise _failure(server, expected, f"{len(wanted)} such{everybody}", found)


def not_bound(server: "Server", who: str | None) -> None:
    """Raises AssertionError where `who`, or anybody, has bound."""
    __tracebackhide__ = True
    found = server.binds(who).where(lambda bind: bind.succeeded)
    if found:
        raise _failure(server, f"no successful bind{f' as {who}' if who else ''}", f"{len(found)}", found)


def no_failed_binds(server: "Server", who: str | None) -> None:
    """Raises AssertionError where a bind has failed."""
    __tracebackhide__ = True
    found = server.binds(who).where(lambda bind: not bind.succeeded)
    if found:
        raise _failure(server, f"no failed bind{f' as {who}' if who else ''}", f"{len(found)}", found)


def event(server: "Server", event_id: int, *, status: int | None, user: str | None, times: int | None) -> Events:
    """The events of this kind. Raises AssertionError where there are not so many, or none."""
    __tracebackhide__ = True
    events = server.events
    wanted = (events if user is None else events.by(user)).where(
        lambda each: (
            each.event_id == event_id and (status is None or status in (each.status, each.sub_status or each.status))
        )
    )
    if _enough(wanted, times):
        return wanted
    about = f" about {user}" if user is not None else ""
    said = "" if status is None else f" with status {status:#x}"
    raise _failure(server, f"{_number(f'event {event_id}', times)}{about}{said}", f"{len(wanted)} such", events)


def searched(
    server: "Server",
    *,
    base: str | None,
    filter: str | None,
    scope: str | None,
    attributes: Iterable[str] | None,
    by: str | None,
    times: int | None,
) -> Requests[SearchRequest]:
    """The searches like this. Raises AssertionError where there are not so many, or none; InvalidFilter."""
    __tracebackhide__ = True
    meant = None if filter is None else _meaning(parse_filter(filter))
    names = None if attributes is None else {name.lower() for name in attributes}
    found = server.requests.searches
    wanted = (found if by is None else found.by(by)).where(
        lambda search: (
            (base is None or same_dn(search.base, base))
            and (meant is None or _is(search.filter, meant))
            and (scope is None or search.scope == scope)
            and (names is None or {name.lower() for name in search.attributes} == names)
        )
    )
    if _enough(wanted, times):
        return wanted
    like = "".join(
        [
            f" for {filter}" if filter is not None else "",
            f" at {base or '(the root)'}" if base is not None else "",
            f" with scope {scope}" if scope is not None else "",
            f" of attributes {' '.join(sorted(names))}" if names is not None else "",
            f" by {by or 'anonymous'}" if by is not None else "",
        ]
    )
    raise _failure(server, f"{_number('search', times)}{like}", f"{len(wanted)} such", found)


def all_protected(server: "Server") -> None:
    """Raises AssertionError where a password could be read on its way: outside TLS and any layer that encrypts."""
    __tracebackhide__ = True
    exposed = server.requests.where(lambda request: request.password and not request.protected)
    if exposed:
        raise _failure(server, "no password in the clear", f"{len(exposed)}", exposed)


def _enough(found: Sized, times: int | None) -> bool:
    return bool(found) if times is None else len(found) == times


def _number(noun: str, times: int | None) -> str:
    plural = f"{noun[:-6]}searches" if noun.endswith("search") else f"{noun}s"
    return f"at least 1 {noun}" if times is None else f"{times} {noun if times == 1 else plural}"


def _failure(server: "Server", expected: str, seen: str, found: Iterable[object]) -> AssertionError:
    lines = [f"expected {printable(expected)}, seen {printable(seen)}", *repr(found).split("\n")]
    return AssertionError("\n".join([*lines, "", server.conversation.excerpt()]))


def _is(text: str, meant: Filter) -> bool:
    try:
        return _meaning(parse_filter(text)) == meant
    except InvalidFilter:  # a filter that was sent in BER and that has no text
        return False


def _meaning(filter: Filter) -> Filter:
    """The same with attributes in lower case; values are compared octet by octet."""
    match filter:
        case And(filters) | Or(filters):
            return replace(filter, filters=tuple(map(_meaning, filters)))
        case Not(negated):
            return Not(_meaning(negated))
        case Extensible():
            attribute, rule = filter.attribute, filter.matching_rule
            return replace(
                filter,
                attribute=attribute and attribute.lower(),
                matching_rule=rule and rule.lower(),
            )
        case _:
            return replace(filter, attribute=filter.attribute.lower())
