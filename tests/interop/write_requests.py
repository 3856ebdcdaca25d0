"""Writes and their controls, said briefly."""

from collections.abc import Sequence

from ldapserver.controls.known import ASSERTION, PERMISSIVE_MODIFY
from ldapserver.controls.responses import POST_READ, PRE_READ
from ldapserver.wire import ber
from ldapserver.wire.fields import write_texts
from ldapserver.wire.filter_codec import write_filter
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import (
    AddRequest,
    Change,
    Control,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    Operation,
    PartialAttribute,
)

ADD, DELETE, REPLACE, INCREMENT = (
    ModifyOperation.ADD,
    ModifyOperation.DELETE,
    ModifyOperation.REPLACE,
    ModifyOperation.INCREMENT,
)
Values = str | bytes | Sequence[str | bytes]  # one may stand for itself
PERMISSIVE = Control(PERMISSIVE_MODIFY, True)


def attribute(name: str, values: Values) -> PartialAttribute:
    """With these values."""
    some = [values] if isinstance(values, str | bytes) else values
    return PartialAttribute(name, tuple(each if isinstance(each, bytes) else each.encode() for each in some))


def add(dn: str, *attributes: tuple[str, Values]) -> AddRequest:
    """Names and values in order."""
    return AddRequest(dn, tuple(attribute(name, values) for name, values in attributes))


def change(operation: ModifyOperation, name: str, values: Values) -> Change:
    """One of a modify's."""
    return Change(operation, attribute(name, values))


def modify(dn: str, *changes: tuple[ModifyOperation, str, Values]) -> ModifyRequest:
    """Changes in order."""
    return ModifyRequest(dn, tuple(change(*each) for each in changes))


def rename(dn: str, newrdn: str, below: str | None = None, *, delete_old: bool = True) -> ModifyDNRequest:
    """`below` is the new superior."""
    return ModifyDNRequest(dn, newrdn, delete_old, below)


def asserting(filter: str) -> Control:
    """RFC 4528, critical."""
    return Control(ASSERTION, True, write_filter(parse_filter(filter)))


def read_before(*attributes: str) -> Control:
    """RFC 4527, critical."""
    return Control(PRE_READ, True, ber.encoded(ber.SEQUENCE, write_texts(attributes)))


def read_behind(*attributes: str) -> Control:
    """RFC 4527, critical."""
    return Control(POST_READ, True, ber.encoded(ber.SEQUENCE, write_texts(attributes)))


def detail(request: Operation) -> str:
    """A write with its values, which a PartialAttribute keeps to itself."""
    match request:
        case AddRequest(entry, attributes):
            return f"add {entry}: " + "; ".join(f"{each.type}: {list(each.values)}" for each in attributes)
        case ModifyRequest(entry, changes):
            steps = [(each.operation.name, each.modification) for each in changes]
            return f"modify {entry}: " + "; ".join(f"{name} {each.type}: {list(each.values)}" for name, each in steps)
        case _:
            return repr(request)
