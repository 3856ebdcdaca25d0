"""Whether a client under test asks what was asked when a recording was made.

Message ids never count. What a client of SASL sends is made anew each time: of DIGEST-MD5 who it says that it is
counts, of other mechanisms only that it is their turn. `strictly` everything else has to be as it was, octet for
octet in values, controls too; else names are compared without case, attribute lists without order, and controls not
at all.
"""

import re
from dataclasses import replace
from typing import Any

from ldapserver.capture.messages import Message
from ldapserver.capture.secrets import PASSWORD_MODIFY
from ldapserver.capture.summary import without_secrets
from ldapserver.directory.entry import is_password
from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire import messages as m

DIGEST_MD5 = "DIGEST-MD5"
_CANCEL = "1.3.6.1.1.8"  # RFC 3909: it names the message id of another request
_WHO = re.compile(rb'(?:^|,)[ \t]*(username|authzid)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^,]*)', re.IGNORECASE)


def is_same(recorded: Message, asked: Message, *, strictly: bool, redacted: bool) -> bool:
    """Whether `asked` is the request that was `recorded`; in a `redacted` recording any password is the one."""
    one, other = recorded.message, asked.message
    if one is None or other is None:
        return one is other and _behind_id(recorded.element) == _behind_id(asked.element)
    if strictly and one.controls != other.controls:
        return False
    first, second = one.operation, other.operation
    if redacted:
        first, second = _without_password(first), _without_password(second)
    if isinstance(first, m.BindRequest) and isinstance(second, m.BindRequest):
        return _is_same_bind(first, second, strictly)
    if isinstance(first, m.AbandonRequest) or _is_cancel(first):
        return type(first) is type(second) and _is_cancel(first) == _is_cancel(second)
    return first == second or (not strictly and _folded(first) == _folded(second))


def with_id(element: bytes, message_id: int) -> bytes:
    """A whole LDAPMessage with another messageID; all else stays as it was, octet for octet.

    One that has none stays as it is: what a server said that breaks RFC 4511 is recorded, and replayed, too.
    """
    behind = _behind_id(element)
    return element if behind is None else ber.encoded(ber.SEQUENCE, ber.encoded_integer(message_id) + behind)


def _behind_id(element: bytes) -> bytes | None:
    try:
        _, start, stop = ber.header(element, 0, len(element), "LDAPMessage")
        return element[ber.header(element, start, stop, "messageID")[2] : stop]
    except ProtocolViolation:
        return None


def _is_same_bind(one: m.BindRequest, other: m.BindRequest, strictly: bool) -> bool:
    if one.version != other.version or _name(one.name, strictly) != _name(other.name, strictly):
        return False
    first, second = one.authentication, other.authentication
    if isinstance(first, m.SaslAuthentication) and isinstance(second, m.SaslAuthentication):
        if first.mechanism.upper() != second.mechanism.upper():
            return False
        if first.mechanism.upper() == "PLAIN":
            return first.credentials == second.credentials
        # No credentials and empty ones both ask the server to begin.  RFC 4513 section 5.2.1.2
        if bool(first.credentials) != bool(second.credentials):
            return False
        return first.mechanism.upper() != DIGEST_MD5 or _who(first.credentials) == _who(second.credentials)
    return first == second


def _who(response: bytes | None) -> dict[bytes, bytes]:
    """Who a digest-response says that the client is; its strings are compared as they are written."""
    return {name.lower(): value.strip(b'" \t') for name, value in _WHO.findall(response or b"")}


def _is_cancel(operation: m.Operation) -> bool:
    return isinstance(operation, m.ExtendedRequest) and operation.request_name == _CANCEL


def _name(text: str, strictly: bool) -> str:
    """A name as it is compared: DNs are mostly written alike, but for case and blanks behind commas."""
    if strictly:
        return text
    # In two steps, each of which looks at a blank once: a client under test may send a million of them.
    return re.sub(r" ?([,=+]) ?", r"\1", " ".join(text.split())).casefold()


def _folded(operation: m.Operation) -> Any:
    """What is compared of an operation where names have no case and lists of attributes no order."""
    match operation:
        case m.SearchRequest():
            return replace(
                operation,
                base_object=_name(operation.base_object, False),
                attributes=tuple(sorted(map(str.casefold, operation.attributes))),
            )
        case m.AddRequest():
            attributes = [(each.type.casefold(), sorted(each.values)) for each in operation.attributes]
            return "add", _name(operation.entry, False), sorted(attributes)
        case m.ModifyRequest():
            changes = [
                (each.operation, each.modification.type.casefold(), sorted(each.modification.values))
                for each in operation.changes
            ]
            return "modify", _name(operation.object, False), changes
        case m.DelRequest():
            return replace(operation, entry=_name(operation.entry, False))
        case m.ModifyDNRequest():
            superior = None if operation.new_superior is None else _name(operation.new_superior, False)
            entry, newrdn = _name(operation.entry, False), _name(operation.newrdn, False)
            return replace(operation, entry=entry, newrdn=newrdn, new_superior=superior)
        case m.CompareRequest():
            attribute = operation.attribute_desc.casefold()
            return replace(operation, entry=_name(operation.entry, False), attribute_desc=attribute)
    return operation


def _without_password(operation: m.Operation) -> m.Operation:
    """What is left to compare where passwords were written over."""
    match operation:
        case m.BindRequest(authentication=m.SimpleAuthentication() as simple) if simple.password:
            return replace(operation, authentication=m.SimpleAuthentication(b"any"))
        case m.BindRequest(authentication=m.SaslAuthentication(mechanism="PLAIN", credentials=bytes() as said)):
            names = said.rpartition(b"\0")[0]
            return replace(operation, authentication=m.SaslAuthentication("PLAIN", names))
        case m.SearchRequest():
            return replace(operation, filter=without_secrets(operation.filter))
        case m.AddRequest():
            return replace(operation, attributes=tuple(map(_without_values, operation.attributes)))
        case m.ModifyRequest():
            changes = [replace(each, modification=_without_values(each.modification)) for each in operation.changes]
            return replace(operation, changes=tuple(changes))
        case m.CompareRequest() if is_password(operation.attribute_desc):
            return replace(operation, assertion_value=b"")
        case m.ExtendedRequest() if operation.request_name.encode() == PASSWORD_MODIFY:
            return replace(operation, request_value=None)
    return operation


def _without_values(attribute: m.PartialAttribute) -> m.PartialAttribute:
    return replace(attribute, values=()) if is_password(attribute.type) else attribute
