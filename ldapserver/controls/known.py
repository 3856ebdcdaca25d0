"""Which controls are known, with which operations, and how each is read (RFC 4511 section 4.1.11).

The table at the end is all there is to know of a control here; `supportedControl` in the root DSE is its keys.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ldapserver.controls.requested import (
    NO_CONTROLS,
    Controls,
    PagedResults,
    ServerSideSort,
    SortKey,
    VirtualListView,
)
from ldapserver.controls.responses import PAGED_RESULTS, POST_READ, PRE_READ
from ldapserver.errors import OperationRefused, ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire.fields import Refused
from ldapserver.wire.filter_codec import read_filter
from ldapserver.wire.filters import And, Extensible, Filter, Not, Or
from ldapserver.wire.messages import (
    AddRequest,
    AnsweredRequest,
    CompareRequest,
    Control,
    DelRequest,
    ExtendedRequest,
    ModifyDNRequest,
    ModifyRequest,
    ResultCode,
    SearchRequest,
)

ASSERTION = "1.3.6.1.1.12"
TREE_DELETE = "1.2.840.113556.1.4.805"
PERMISSIVE_MODIFY = "1.2.840.113556.1.4.1413"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"
DOMAIN_SCOPE = "1.2.840.113556.1.4.1339"
PROXIED_AUTHORIZATION = "2.16.840.1.113730.3.4.18"
SORT_REQUEST = "1.2.840.113556.1.4.473"
VIRTUAL_LIST_VIEW_REQUEST = "2.16.840.1.113730.3.4.9"
MATCHED_VALUES = "1.2.826.0.1.3344810.2.3"
SUBENTRIES = "1.3.6.1.4.1.4203.1.10.1"

_WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
_PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"

MAX_SORT_KEYS = 16  # more than any list on a screen has columns; each costs its share of every comparison
MAX_VALUE_FILTERS = 32  # each is put to each value of each entry that is shown


@dataclass(frozen=True, slots=True)
class KnownControl:
    """A control: the field of `Controls` that it is, with which operations it goes, and how it is read."""

    field: str
    read: Callable[[Control, str], object]
    operations: tuple[type[AnsweredRequest], ...]
    extended: tuple[str, ...] = ()  # and with which extended operations

    def goes_with(self, request: AnsweredRequest) -> bool:
        """Whether it means something on this request."""
        if isinstance(request, ExtendedRequest):
            return request.request_name in self.extended
        return isinstance(request, self.operations)


def read_controls(request: AnsweredRequest, controls: Iterable[Control]) -> Controls:
    """What the controls of a request ask for.

    Raises OperationRefused where one that may not be ignored is not known or does not go with the operation, where
    one stands twice, and where a value is not as its document has it.
    """
    fields: dict[str, object] = {}
    for control in controls:
        known = KNOWN_CONTROLS.get(control.control_type)
        if known is None or not known.goes_with(request):
            # What is not recognised, or is "not appropriate for the operation", may be ignored unless it is critical.
            # RFC 4511 section 4.1.11
            if control.criticality:
                why = "not supported" if known is None else "has no meaning with this operation"
                raise OperationRefused(
                    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION,
                    f"control {control.control_type}: {why}, and critical",
                )
            continue
        name = f"control {control.control_type} ({known.field.replace('_', ' ')})"
        # No document says what two of a kind mean together.  RFC 4511 section 4.1.11
        if known.field in fields:
            raise OperationRefused(ResultCode.PROTOCOL_ERROR, f"{name}: stands twice")
        fields[known.field] = known.read(control, name)
    return Controls(**fields) if fields else NO_CONTROLS  # type: ignore[arg-type]  # each `read` gives its field's type


def _refused(text: str) -> OperationRefused:
    return OperationRefused(ResultCode.PROTOCOL_ERROR, text)


def _flag(control: Control, name: str) -> bool:
    """A control that is its own message. An empty value is as good as none: some libraries cannot send none."""
    if control.control_value:
        raise _refused(f"{name}: its value must be absent")
    return True


def _assertion(control: Control, name: str) -> Filter:
    """The value is a Filter, RFC 4528 section 3."""
    if control.control_value is None:
        raise _refused(f"{name}: there is no value")
    (only,) = _filters(control.control_value, name, "Filter", most=1)
    return only


def _values_return_filter(control: Control, name: str) -> tuple[Filter, ...]:
    """ValuesReturnFilter, RFC 3876 section 2: items without and, or, not and dnAttributes; one must match."""
    value = control.control_value
    if value is None:
        raise _refused(f"{name}: there is no value")
    try:
        start, end = ber.expect(value, 0, len(value), ber.SEQUENCE, "ValuesReturnFilter")
    except ProtocolViolation as violation:
        raise _refused(f"{name}: {violation}") from None
    if end != len(value):
        raise _refused(f"{name}: {len(value) - end} octets behind its value")
    items = _filters(value[start:end], name, "SimpleFilterItem")
    if len(items) > MAX_VALUE_FILTERS:
        raise OperationRefused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"{name}: more than {MAX_VALUE_FILTERS} filters")
    for item in items:
        if isinstance(item, And | Or | Not):
            raise _refused(f"{name}: SimpleFilterItem: {type(item).__name__.lower()} is none")
        if isinstance(item, Extensible) and item.dn_attributes:
            raise _refused(f"{name}: SimpleMatchingAssertion: there is no dnAttributes in it")
    return items


def _filters(data: bytes, name: str, field: str, most: int | None = None) -> tuple[Filter, ...]:
    """The filters one behind another in `data`, at least one."""
    found: list[Filter] = []
    pos = 0
    try:
        while not found or pos < len(data):
            one, pos = read_filter(data, pos, len(data))
            found.append(one)
    except Refused as refused:
        raise OperationRefused(refused.result_code, f"{name}: {refused}") from None
    except ProtocolViolation as violation:
        raise _refused(f"{name}: {violation}") from None
    if most is not None and len(found) > most:
        raise _refused(f"{name}: {field}: more than one")
    return tuple(found)


def _authzid(control: Control, name: str) -> str:
    # It "MUST" be critical: a request carried out as the wrong one does harm.  RFC 4370 section 3
    if not control.criticality:
        raise _refused(f"{name}: must be critical")
    if control.control_value is None:
        raise _refused(f"{name}: there is no value")
    from ldapserver.controls import values

    return values.text(control.control_value, f"{name}: authzId")


def _subentries(control: Control, name: str) -> bool:
    """The value is a BOOLEAN, RFC 3672 section 3."""
    value = control.control_value
    if value is None:
        raise _refused(f"{name}: there is no value")
    try:
        visibility, end = ber.boolean(value, 0, len(value), "visibility")
    except ProtocolViolation as violation:
        raise _refused(f"{name}: {violation}") from None
    if end != len(value):
        raise _refused(f"{name}: {len(value) - end} octets behind its value")
    return visibility


def _attribute_selection(control: Control, name: str) -> tuple[str, ...]:
    from ldapserver.controls import values

    decoded = values.decode(values.AttributeSelection, control.control_value, name)
    return tuple([values.text(each, f"{name}: attributes") for each in decoded])


def _paged_results(control: Control, name: str) -> PagedResults:
    from ldapserver.controls import values

    decoded = values.decode(values.RealSearchControlValue, control.control_value, name)
    return PagedResults(int(decoded["size"]), bytes(decoded["cookie"]))


def _sort(control: Control, name: str) -> ServerSideSort:
    from ldapserver.controls import values

    decoded = values.decode(values.SortKeyList, control.control_value, name)
    keys = []
    for key in decoded:
        rule = key["orderingRule"]
        keys.append(
            SortKey(
                values.text(key["attributeType"], f"{name}: attributeType"),
                values.text(rule, f"{name}: orderingRule") if rule.isValue else None,
                bool(key["reverseOrder"]),
            )
        )
    if not keys:
        raise _refused(f"{name}: SortKeyList: empty, it has at least one key")
    if len(keys) > MAX_SORT_KEYS:
        raise OperationRefused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"{name}: more than {MAX_SORT_KEYS} keys")
    return ServerSideSort(tuple(keys), control.criticality)


def _virtual_list_view(control: Control, name: str) -> VirtualListView:
    from ldapserver.controls import values

    decoded = values.decode(values.VirtualListViewRequest, control.control_value, name)
    before, after = int(decoded["beforeCount"]), int(decoded["afterCount"])
    context_id = bytes(decoded["contextID"]) if decoded["contextID"].isValue else None
    target = decoded["target"]
    if target.getName() == "byOffset":
        offset, count = int(target["byOffset"]["offset"]), int(target["byOffset"]["contentCount"])
        return VirtualListView(before, after, offset, count, context_id=context_id)
    return VirtualListView(before, after, value=bytes(target["greaterThanOrEqual"]), context_id=context_id)


_UPDATES = (AddRequest, ModifyRequest, DelRequest, ModifyDNRequest)
_ALL = (SearchRequest, CompareRequest, *_UPDATES)

KNOWN_CONTROLS = {
    ASSERTION: KnownControl("assertion", _assertion, _ALL),
    PRE_READ: KnownControl("pre_read", _attribute_selection, (ModifyRequest, DelRequest, ModifyDNRequest)),
    POST_READ: KnownControl("post_read", _attribute_selection, (AddRequest, ModifyRequest, ModifyDNRequest)),
    TREE_DELETE: KnownControl("tree_delete", _flag, (DelRequest,)),
    PERMISSIVE_MODIFY: KnownControl("permissive_modify", _flag, (ModifyRequest,)),
    MANAGE_DSA_IT: KnownControl("manage_dsa_it", _flag, _ALL),
    DOMAIN_SCOPE: KnownControl("domain_scope", _flag, (SearchRequest,)),
    PROXIED_AUTHORIZATION: KnownControl("authzid", _authzid, _ALL, (_WHO_AM_I, _PASSWORD_MODIFY)),
    PAGED_RESULTS: KnownControl("paged", _paged_results, (SearchRequest,)),
    SORT_REQUEST: KnownControl("sort", _sort, (SearchRequest,)),
    VIRTUAL_LIST_VIEW_REQUEST: KnownControl("view", _virtual_list_view, (SearchRequest,)),
    MATCHED_VALUES: KnownControl("values", _values_return_filter, (SearchRequest,)),
    SUBENTRIES: KnownControl("subentries", _subentries, (SearchRequest,)),
}
SUPPORTED_CONTROLS = tuple(KNOWN_CONTROLS)
