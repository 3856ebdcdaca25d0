"""A message in a few lines that a person reads, without the secrets in it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ldapserver.capture.messages import Message, Read, Unreadable
from ldapserver.directory.entry import is_password
from ldapserver.printable import printable
from ldapserver.wire import filters
from ldapserver.wire import messages as m

MAX_VALUE = 200  # characters of a value: the octets below have the rest
NOT_SHOWN = "(not shown)"
HIDDEN = b"..."  # the same in a filter, where parentheses have a meaning


def summary(read: Read) -> list[str]:
    """What `read` says; the first line names it, and no line has control characters."""
    lost = [f"{read.lost} octets before this are missing"] if read.lost else []
    if isinstance(read, Unreadable):
        return [*lost, f"{len(read.octets)} octets {read.reason}"]
    if read.message is None:
        return [*lost, printable(f"a message that cannot be read: {read.fault}")]
    operation = read.message.operation
    name = type(operation).__name__
    lines = [f"{name[0].lower()}{name[1:]} {read.message.message_id}", *_of(operation)]
    lines += [f"control {each.control_type}{' critical' * each.criticality}" for each in read.message.controls]
    return [*lost, *map(printable, lines)]


def one_line(read: Message) -> str:
    """The same in a line, for logs."""
    return " ".join(summary(read))


def _of(operation: m.Operation) -> Iterator[str]:
    match operation:
        case m.BindRequest():
            yield from _of_bind(operation)
        case m.SearchRequest():
            scope = ("base", "one", "sub")[operation.scope]
            yield f"{operation.base_object!r} {scope} {_filter(operation.filter)}"
            if operation.attributes:
                yield f"attributes {' '.join(operation.attributes)}"
        case m.SearchResultEntry():
            yield repr(operation.object_name)
            yield from _of_attributes(operation.attributes)
        case m.SearchResultReference():
            yield from operation.uris
        case m.AddRequest():
            yield repr(operation.entry)
            yield from _of_attributes(operation.attributes)
        case m.ModifyRequest():
            yield repr(operation.object)
            for change in operation.changes:
                for line in _of_attributes([change.modification]):
                    yield f"{change.operation.name.lower()} {line}"
        case m.DelRequest():
            yield repr(operation.entry)
        case m.ModifyDNRequest():
            to = "" if operation.new_superior is None else f" below {operation.new_superior!r}"
            yield f"{operation.entry!r} to {operation.newrdn!r}{to}"
        case m.CompareRequest():
            value = NOT_SHOWN if is_password(operation.attribute_desc) else _value(operation.assertion_value)
            yield f"{operation.entry!r} {operation.attribute_desc}: {value}"
        case m.AbandonRequest():
            yield f"of {operation.message_id}"
        case m.ExtendedRequest():
            yield operation.request_name
        case m.IntermediateResponse():
            yield operation.response_name or "without a name"
        case m.LDAPResult():
            yield from _of_result(operation)


def _of_bind(request: m.BindRequest) -> Iterator[str]:
    authentication = request.authentication
    if isinstance(authentication, m.SimpleAuthentication):
        anonymous = not authentication.password
        yield f"{request.name!r} simple" + (", without a password" if anonymous else f", password {NOT_SHOWN}")
        return
    yield f"{request.name!r} SASL {authentication.mechanism}"
    if authentication.mechanism.upper() == "DIGEST-MD5" and authentication.credentials is not None:
        yield f"response: {authentication.credentials.decode('latin-1')}"


def _of_result(result: m.LDAPResult) -> Iterator[str]:
    code = result.result_code
    name = code.name if isinstance(code, m.ResultCode) else "unknown"
    yield f"result {int(code)} {name}"
    if result.matched_dn:
        yield f"matchedDN {result.matched_dn!r}"
    if result.diagnostic_message:
        yield f"diagnosticMessage {result.diagnostic_message!r}"
    yield from result.referral
    if isinstance(result, m.ExtendedResponse) and result.response_name is not None:
        yield result.response_name
    if isinstance(result, m.BindResponse) and result.server_sasl_creds is not None:
        text = result.server_sasl_creds
        # What other mechanisms send is no text.
        if b"nonce=" in text or text.startswith(b"rspauth="):
            kind = "" if text.startswith(b"rspauth=") else "challenge: "
            yield kind + text.decode("latin-1")


def _of_attributes(attributes: Iterable[m.PartialAttribute]) -> Iterator[str]:
    for attribute in attributes:
        if is_password(attribute.type):
            yield f"{attribute.type}: {NOT_SHOWN}"
        else:
            for value in attribute.values or (b"",):
                yield f"{attribute.type}: {_value(value)}"


def _value(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} octets"
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(value)} octets)"


def _filter(filter: filters.Filter) -> str:
    """In the text of RFC 4515, without values of password attributes."""
    try:
        return filters.encode_filter(without_secrets(filter))
    except filters.InvalidFilter as invalid:  # BER can say more than the text has words for
        return f"a filter without a text: {invalid}"


def without_secrets(filter: filters.Filter) -> filters.Filter:
    """The same filter, but for values of password attributes."""
    match filter:
        case filters.And() | filters.Or():
            return replace(filter, filters=tuple(map(without_secrets, filter.filters)))
        case filters.Not():
            return replace(filter, filter=without_secrets(filter.filter))
        case filters.Present():
            return filter
        case filters.Substrings():
            return replace(filter, initial=HIDDEN, any=(), final=None) if is_password(filter.attribute) else filter
        case _:
            return replace(filter, value=HIDDEN) if is_password(filter.attribute or "") else filter
