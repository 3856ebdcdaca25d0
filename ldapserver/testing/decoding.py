"""Messages of clients as requests to be shown and kept: nothing secret gets further than this."""

from collections.abc import Iterable
from typing import Any

from ldapserver.controls.known import (
    ASSERTION,
    DOMAIN_SCOPE,
    MANAGE_DSA_IT,
    MATCHED_VALUES,
    PERMISSIVE_MODIFY,
    PROXIED_AUTHORIZATION,
    SORT_REQUEST,
    SUBENTRIES,
    TREE_DELETE,
    VIRTUAL_LIST_VIEW_REQUEST,
)
from ldapserver.controls.responses import (
    PAGED_RESULTS,
    POST_READ,
    PRE_READ,
    SORT_RESPONSE,
    VIRTUAL_LIST_VIEW_RESPONSE,
)
from ldapserver.errors import OperationRefused
from ldapserver.testing import requests as r
from ldapserver.testing.secrecy import REMOVED, Secrecy, Value, digest_username, directives, plain_names, shown
from ldapserver.wire import messages as m

# As their documents call them.
CONTROL_NAMES = {
    ASSERTION: "assertion",
    PRE_READ: "pre-read",
    POST_READ: "post-read",
    TREE_DELETE: "tree delete",
    PERMISSIVE_MODIFY: "permissive modify",
    MANAGE_DSA_IT: "manageDsaIT",
    DOMAIN_SCOPE: "domain scope",
    PROXIED_AUTHORIZATION: "proxied authorization",
    PAGED_RESULTS: "paged results",
    SORT_REQUEST: "server-side sort",
    SORT_RESPONSE: "sort response",
    VIRTUAL_LIST_VIEW_REQUEST: "virtual list view",
    VIRTUAL_LIST_VIEW_RESPONSE: "virtual list view response",
    MATCHED_VALUES: "matched values",
    SUBENTRIES: "subentries",
}
_SCOPES = {m.Scope.BASE_OBJECT: "base", m.Scope.SINGLE_LEVEL: "one", m.Scope.WHOLE_SUBTREE: "sub"}
_DEREF = {
    m.DerefAliases.NEVER_DEREF_ALIASES: "never",
    m.DerefAliases.DEREF_IN_SEARCHING: "in searching",
    m.DerefAliases.DEREF_FINDING_BASE_OBJ: "finding the base",
    m.DerefAliases.DEREF_ALWAYS: "always",
}
_PASSWORD_MODIFY, _CANCEL = "1.3.6.1.4.1.4203.1.11.1", "1.3.6.1.1.8"
_OPERATIONS: dict[type[Any], str] = {
    m.BindResponse: "bind",
    m.SearchResultDone: "search",
    m.ModifyResponse: "modify",
    m.AddResponse: "add",
    m.DelResponse: "delete",
    m.ModifyDNResponse: "modifyDN",
    m.CompareResponse: "compare",
    m.ExtendedResponse: "extended",
}


def operation_of(response: type[Any]) -> str:
    """The operation that this class of response answers."""
    return _OPERATIONS[response]


def control_names(controls: Iterable[m.Control]) -> tuple[str, ...]:
    """What controls are called, a critical one with a "!" behind it; by their OIDs where they are not known."""
    return tuple(
        [CONTROL_NAMES.get(each.control_type, each.control_type) + "!" * each.criticality for each in controls]
    )


def read_request(message: m.LDAPMessage, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    """The message of a client as a request; `common` is what every request has beside."""
    request = message.operation
    common = {**common, "message_id": message.message_id, "controls": control_names(message.controls)}
    read = _READ.get(type(request))
    if read is None:
        return r.InvalidRequest(**common, error=f"{type(request).__name__} is not for clients to send")
    found: r.Request = read(request, secrecy, common)
    return found


def _bind(request: m.BindRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    how = request.authentication
    name = secrecy.name(request.name)
    if isinstance(how, m.SimpleAuthentication):
        mechanism = "simple" if how.password or name else "anonymous"
        credentials = f"password {REMOVED}" if how.password else None
        password = bool(how.password)
    else:
        mechanism, data = how.mechanism, how.credentials
        credentials = None if data is None else REMOVED if data else "empty credentials"
        password = mechanism.upper() == "PLAIN" and bool(data)
        if password and data is not None and (names := plain_names(data)) is not None:
            name = names[1]
            credentials = f"authzid {names[0]!r}, authcid {names[1]!r}, password {REMOVED}"
        elif data and mechanism.upper() == "DIGEST-MD5" and (said := directives(data)) is not None:
            name, credentials = digest_username(data) or name, said
    return r.BindRequest(
        **{**common, "password": password},
        mechanism=mechanism,
        name=name,
        version=request.version,
        credentials=credentials,
    )


def _search(request: m.SearchRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    return r.SearchRequest(
        **{**common, "password": secrecy.compares(request.filter)},
        base=secrecy.name(request.base_object),
        scope=_SCOPES[request.scope],
        filter=secrecy.filter(request.filter),
        attributes=request.attributes,
        size_limit=request.size_limit,
        time_limit=request.time_limit,
        types_only=request.types_only,
        deref_aliases=_DEREF[request.deref_aliases],
    )


def _add(request: m.AddRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    attributes: dict[str, tuple[Value, ...]] = {}
    for each in request.attributes:
        attributes[each.type] = (*attributes.get(each.type, ()), *secrecy.values(each.type, each.values))
    password = any(map(secrecy.hides, attributes)) or secrecy.mentions(request.entry)
    return r.AddRequest(**{**common, "password": password}, entry=secrecy.name(request.entry), attributes=attributes)


def _modify(request: m.ModifyRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    modifications = [(each.operation, each.modification) for each in request.changes]
    return r.ModifyRequest(
        **{**common, "password": any(secrecy.hides(each.type) and each.values for _, each in modifications)},
        entry=secrecy.name(request.object),
        changes=tuple(
            [(how.name.lower(), each.type, secrecy.values(each.type, each.values)) for how, each in modifications]
        ),
    )


def _delete(request: m.DelRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    return r.DeleteRequest(**common, entry=secrecy.name(request.entry))


def _modify_dn(request: m.ModifyDNRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    superior = request.new_superior
    return r.ModifyDNRequest(
        **common,
        entry=secrecy.name(request.entry),
        new_rdn=secrecy.name(request.newrdn),
        delete_old_rdn=request.deleteoldrdn,
        new_superior=None if superior is None else secrecy.name(superior),
    )


def _compare(request: m.CompareRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    (value,) = secrecy.values(request.attribute_desc, (request.assertion_value,))
    return r.CompareRequest(
        **{**common, "password": secrecy.hides(request.attribute_desc)},
        entry=secrecy.name(request.entry),
        attribute=request.attribute_desc,
        value=value,
    )


def _extended(request: m.ExtendedRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    oid, octets = request.request_name, request.request_value
    entry, value, password = "", None if octets is None else f"a value {REMOVED}", False
    if octets is not None and oid in (_PASSWORD_MODIFY, _CANCEL):
        from ldapserver.controls import values

        try:
            if oid == _CANCEL:
                value = f"of [{int(values.decode(values.CancelRequestValue, octets, 'value')['cancelID'])}]"
            else:
                password = True
                given = values.decode(values.PasswdModifyRequestValue, octets, "value")
                entry, value = _passwords(given, secrecy)
        except OperationRefused:
            value = f"a value that can't be read, {REMOVED}"
    return r.ExtendedRequest(
        **{**common, "password": password}, oid=oid, name=r.EXTENDED.get(oid, oid), entry=entry, value=value
    )


def _passwords(given: Any, secrecy: Secrecy) -> tuple[str, str]:
    """Whose password a Password Modify is about, and which there are."""
    entry = ""
    if given["userIdentity"].hasValue():
        entry = secrecy.name(bytes(given["userIdentity"]).decode("utf-8", "backslashreplace"))
    said = [f"of {entry}"] if entry else []
    said += [f"{words} {REMOVED}" for field, words in _PASSWORDS.items() if given[field].hasValue()]
    return entry, ", ".join(said) or "nothing given"


_PASSWORDS = {"oldPasswd": "old password", "newPasswd": "new password"}


def _abandon(request: m.AbandonRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    return r.AbandonRequest(**common, abandoned=request.message_id)


def _unbind(request: m.UnbindRequest, secrecy: Secrecy, common: dict[str, Any]) -> r.Request:
    return r.UnbindRequest(**common)


_READ: dict[type[Any], Any] = {
    m.BindRequest: _bind,
    m.SearchRequest: _search,
    m.AddRequest: _add,
    m.ModifyRequest: _modify,
    m.DelRequest: _delete,
    m.ModifyDNRequest: _modify_dn,
    m.CompareRequest: _compare,
    m.ExtendedRequest: _extended,
    m.AbandonRequest: _abandon,
    m.UnbindRequest: _unbind,
}

# What the server says, in a line and what is below it.

MAX_ATTRIBUTES = 20  # of an entry that is shown


def read_response(
    message: m.LDAPMessage, secrecy: Secrecy, request: r.Request | None, *, sensitive: bool
) -> tuple[str, tuple[str, ...]]:
    """A response in a line, and its details.

    `request` is what it answers, None where that is not known; `sensitive` whether that has put a secret where names
    and filters are, from which the server may quote.
    """
    response = message.operation
    also = control_names(message.controls)
    with_controls = (f"with {', '.join(also)}",) if also else ()
    if isinstance(response, m.SearchResultEntry):
        name = secrecy.name(response.object_name) or "(the root)"
        return f"entry {name}", (*_attributes(response, secrecy), *with_controls)
    if isinstance(response, m.SearchResultReference):
        return f"reference to {' '.join(map(secrecy.name, response.uris))}", with_controls
    if not isinstance(response, m.LDAPResult):
        return f"{type(response).__name__}", with_controls
    text = secrecy.about(response.diagnostic_message, sensitive=sensitive)
    operation = _OPERATIONS[type(response)]
    details = [f"matched {secrecy.name(response.matched_dn)}"] if response.matched_dn else []
    details += [f"referral to {' '.join(map(secrecy.name, response.referral))}"] if response.referral else []
    if isinstance(response, m.BindResponse) and response.server_sasl_creds:
        details.append(directives(response.server_sasl_creds) or f"credentials {REMOVED}")
    if isinstance(response, m.ExtendedResponse):
        operation = _extended_name(response, request)
        if response.response_value is not None:
            details.append(_extended_value(response.response_value, operation, secrecy))
    words = f"{r.result_name(response.result_code)}{f' ({text})' if text else ''}"
    return f"{operation}: {words}", (*details, *with_controls)


def _attributes(entry: m.SearchResultEntry, secrecy: Secrecy) -> list[str]:
    # Clients read the whole schema unasked, and a report is to be about what was asked.
    if any(each.type.lower() == "objectclass" and b"subschema" in each.values for each in entry.attributes):
        return [f"a schema: {sum(len(each.values) for each in entry.attributes):,} values"]
    some = entry.attributes[:MAX_ATTRIBUTES]
    lines = [f"{each.type}: {r.listed(secrecy.values(each.type, each.values))}" for each in some]
    if len(entry.attributes) > MAX_ATTRIBUTES:
        lines.append(f"... and {len(entry.attributes) - MAX_ATTRIBUTES} more attributes")
    return lines


def _extended_name(response: m.ExtendedResponse, request: r.Request | None) -> str:
    if response.response_name is not None:
        return r.EXTENDED.get(response.response_name, response.response_name)
    return request.name if isinstance(request, r.ExtendedRequest) else "extended"


def _extended_value(value: bytes, name: str, secrecy: Secrecy) -> str:
    # An authzId (RFC 4532 section 2.2) is the only one that is known to hold no secret.
    text = shown(value)
    if name == "Who am I?" and isinstance(text, str):
        return f"value {secrecy.name(text)!r}"
    return f"a value {REMOVED}"
