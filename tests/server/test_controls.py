"""What becomes of controls: known or not, apt or not, well-formed or not (RFC 4511 section 4.1.11)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ldapserver.controls import (
    NO_CONTROLS,
    SUPPORTED_CONTROLS,
    Controls,
    PagedResults,
    ServerSideSort,
    SortKey,
    VirtualListView,
    post_read_response,
    pre_read_response,
    read_controls,
)
from ldapserver.errors import OperationRefused
from ldapserver.wire import ber
from ldapserver.wire.filters import Equality, parse_filter
from ldapserver.wire.messages import (
    AddRequest,
    AnsweredRequest,
    BindRequest,
    CompareRequest,
    Control,
    DelRequest,
    ExtendedRequest,
    ModifyDNRequest,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
    SearchResultEntry,
)
from tests.server.searching import (
    acting_as,
    assertion,
    by_offset,
    from_value,
    matched,
    octets,
    paged,
    sequence,
    sort,
)
from tests.server.stage import U1, WHO_AM_I, search, simple, stage

REQUESTS: dict[str, AnsweredRequest] = {
    "bind": simple("u1", "password"),
    "search": search(),
    "compare": CompareRequest(U1, "cn", b"x"),
    "add": AddRequest("cn=x", (PartialAttribute("cn", (b"x",)),)),
    "modify": ModifyRequest(U1, ()),
    "delete": DelRequest(U1),
    "modifyDN": ModifyDNRequest(U1, "cn=x", False),
    "who": ExtendedRequest(WHO_AM_I),
    "startTLS": ExtendedRequest("1.3.6.1.4.1.1466.20037"),
    "cancel": ExtendedRequest("1.3.6.1.1.8"),
}
UPDATES = {"add", "modify", "delete", "modifyDN"}
SELECTION = sequence(octets(b"cn"), octets(b"+"))

# A control with a good value, the field it is, what it says, and which operations it goes with.
TABLE: dict[str, tuple[Control, dict[str, object], set[str]]] = {
    "assertion": (
        assertion("(cn=x)"),
        {"assertion": parse_filter("(cn=x)")},
        {"search", "compare", *UPDATES},
    ),
    "pre-read": (Control("1.3.6.1.1.13.1", True, SELECTION), {"pre_read": ("cn", "+")}, UPDATES - {"add"}),
    "post-read": (Control("1.3.6.1.1.13.2", True, SELECTION), {"post_read": ("cn", "+")}, UPDATES - {"delete"}),
    "tree delete": (Control("1.2.840.113556.1.4.805", True), {"tree_delete": True}, {"delete"}),
    "permissive modify": (Control("1.2.840.113556.1.4.1413", True), {"permissive_modify": True}, {"modify"}),
    "manageDsaIT": (
        Control("2.16.840.1.113730.3.4.2", True),
        {"manage_dsa_it": True},
        {"search", "compare", *UPDATES},
    ),
    "domain scope": (Control("1.2.840.113556.1.4.1339", True, b""), {"domain_scope": True}, {"search"}),
    "proxied authorization": (acting_as("u:x"), {"authzid": "u:x"}, {"search", "compare", "who", *UPDATES}),
    "paged": (paged(5, b"c"), {"paged": PagedResults(5, b"c")}, {"search"}),
    "sort": (
        sort("cn", "-sn:2.5.13.3"),
        {"sort": ServerSideSort((SortKey("cn"), SortKey("sn", "2.5.13.3", True)), True)},
        {"search"},
    ),
    "view by offset": (
        by_offset(1, 2, 3, 4, b"id"),
        {"view": VirtualListView(1, 2, 3, 4, context_id=b"id")},
        {"search"},
    ),
    "view by value": (from_value(0, 9, b"m"), {"view": VirtualListView(0, 9, value=b"m")}, {"search"}),
    "matched values": (matched("(cn=x)"), {"values": (Equality("cn", b"x"),)}, {"search"}),
    "subentries": (Control("1.3.6.1.4.1.4203.1.10.1", True, b"\x01\x01\xff"), {"subentries": True}, {"search"}),
}
everyone = pytest.mark.parametrize("name", TABLE)


@everyone
@pytest.mark.parametrize("operation", REQUESTS)
def test_a_control_is_read_where_it_belongs_and_refused_elsewhere_if_critical(name: str, operation: str) -> None:
    control, fields, operations = TABLE[name]
    request = REQUESTS[operation]
    if operation in operations:
        assert read_controls(request, (control,)) == Controls(**fields)  # type: ignore[arg-type]  # as the table says
        return
    with pytest.raises(OperationRefused, match=f"^control {control.control_type}: has no meaning with") as refused:
        read_controls(request, (control,))
    assert refused.value.result_code is ResultCode.UNAVAILABLE_CRITICAL_EXTENSION
    # What may be ignored is not looked at either, even twice.
    passed_over = Control(control.control_type, False, b"\xff")
    assert read_controls(request, (passed_over, passed_over)) == NO_CONTROLS


def test_the_root_dse_lists_what_the_table_has() -> None:
    assert set(SUPPORTED_CONTROLS) == {control.control_type for control, _, _ in TABLE.values()}
    found, _ = stage().search(search("", scope=search().scope.BASE_OBJECT, attributes=("supportedControl",)))
    assert {value.decode() for value in found[""]["supportedControl"]} == set(SUPPORTED_CONTROLS)


@everyone
def test_a_control_that_stands_twice_is_refused(name: str) -> None:
    control, _, operations = TABLE[name]
    with pytest.raises(OperationRefused, match="stands twice") as refused:
        read_controls(REQUESTS[min(operations)], (control, control))
    assert refused.value.result_code is ResultCode.PROTOCOL_ERROR


def integers(*numbers: int) -> bytes:
    return b"".join(map(ber.encoded_integer, numbers))


MALFORMED: dict[str, list[tuple[bytes | None, str]]] = {
    "paged": [
        (None, "there is no value"),
        (b"", "its value is not what"),
        (b"\x30\x80\x00\x00", "no BER of RFC 4511"),
        (sequence(octets(b"x"), octets(b"")), "size is not what"),
        (sequence(integers(-1), octets(b"")), "size is not what"),
        (sequence(integers(2**31), octets(b"")), "size is not what"),
        (sequence(integers(1)), "cookie is not what"),
        (sequence(integers(1), octets(b""), integers(1)), "behind its last field is not what"),
        (sequence(integers(1), octets(b"")) + b"\x05\x00", "2 octets behind"),
        (octets(b"x"), "its value is not what"),
    ],
    "sort": [
        (None, "there is no value"),
        (sequence(), "SortKeyList: empty"),
        (sequence(octets(b"cn")), "its value is not what"),
        (sequence(sequence(octets(b"\xff"))), "attributeType: not UTF-8"),
        (sequence(sequence(octets(b"cn"), octets(b"\xff", 0x80))), "orderingRule: not UTF-8"),
    ],
    "view by offset": [
        (sequence(integers(-1, 1), ber.encoded(0xA0, integers(1, 1))), "beforeCount is not what"),
        (sequence(integers(1, 1)), "target is not what"),
        (sequence(integers(1, 1), ber.encoded(0xA0, integers(-1, 1))), "target is not what"),
        (sequence(integers(1, 1), octets(b"", 0x82)), "target is not what"),
    ],
    "pre-read": [(sequence(integers(1)), "its value is not what"), (sequence(octets(b"\xff")), "not UTF-8")],
    "assertion": [
        (None, "there is no value"),
        (b"", "filter: absent or cut short"),
        (b"\x87\x02cn\x87\x02cn", "more than one"),
        (b"\x87\x05cn", "longer than"),
        (b"\xa9\x03\x83\x01x", "neither matchingRule nor type"),
    ],
    "matched values": [
        (None, "there is no value"),
        (sequence(), "absent"),
        (b"\x31\x00", "tag 0x31"),
        (sequence(b"\x87\x02cn") + b"\x05\x00", "behind its value"),
        (sequence(b"\xa0\x00"), "and is none"),
        (sequence(b"\xa2\x04\x87\x02cn"), "not is none"),
        (sequence(ber.encoded(0xA9, b"\x82\x02cn\x83\x01x\x84\x01\xff")), "no dnAttributes"),
    ],
    "subentries": [(None, "no value"), (b"", "absent"), (b"\x01\x01\xff\x00", "behind"), (b"\x02\x01\x01", "0x02")],
    "proxied authorization": [(None, "no value"), (b"u:\xff", "authzId: not UTF-8")],
    "manageDsaIT": [(b"x", "must be absent")],
    "tree delete": [(b"x", "must be absent")],
}


@pytest.mark.parametrize(
    ("name", "value", "text"), [(name, *case) for name, cases in MALFORMED.items() for case in cases]
)
def test_a_malformed_value_is_a_protocol_error_that_names_control_and_field(
    name: str, value: bytes | None, text: str
) -> None:
    control, _, operations = TABLE[name]
    with pytest.raises(OperationRefused, match=text) as refused:
        read_controls(REQUESTS[min(operations)], (Control(control.control_type, True, value),))
    assert refused.value.result_code is ResultCode.PROTOCOL_ERROR
    assert refused.value.diagnostic_message.startswith(f"control {control.control_type} (")


def test_a_value_nested_without_end_costs_no_stack() -> None:
    deep = b""
    for _ in range(5000):
        deep = sequence(deep)
    for name in ("paged", "sort", "pre-read"):
        control, _, operations = TABLE[name]
        with pytest.raises(OperationRefused):
            read_controls(REQUESTS[min(operations)], (Control(control.control_type, True, deep),))


def test_proxied_authorization_must_be_critical() -> None:
    with pytest.raises(OperationRefused, match="must be critical") as refused:
        read_controls(search(), (Control(acting_as("").control_type, False, b""),))
    assert refused.value.result_code is ResultCode.PROTOCOL_ERROR


def test_a_bind_takes_no_control_it_may_not_ignore() -> None:
    on = stage()
    request = REQUESTS["bind"]
    assert isinstance(request, BindRequest)
    refused = on.ask(request, (paged(5),))
    assert refused.result_code is ResultCode.UNAVAILABLE_CRITICAL_EXTENSION
    assert on.ask(request, (paged(5, critical=False),)).result_code is ResultCode.SUCCESS


@pytest.mark.parametrize("response", [pre_read_response, post_read_response])
def test_an_entry_read_before_or_behind_is_a_whole_search_result_entry(
    response: Callable[[SearchResultEntry], Control],
) -> None:
    entry = SearchResultEntry("cn=x", (PartialAttribute("cn", (b"x",)),))
    made = response(entry)
    attribute = sequence(octets(b"cn"), ber.encoded(ber.SET, octets(b"x")))
    assert made.control_value == ber.encoded(0x64, octets(b"cn=x") + sequence(attribute))
    assert made.control_type == ("1.3.6.1.1.13.1" if response is pre_read_response else "1.3.6.1.1.13.2")


def test_pyasn1_is_loaded_by_the_first_value_it_reads() -> None:
    program = (
        "import sys\n"
        "from tests.server.searching import find, matched, paged\n"
        "from tests.server.stage import search, stage\n"
        "on = stage(anonymous_search=True)\n"
        "find(on, search(), matched('(cn=*)'))\n"
        "assert 'pyasn1' not in sys.modules\n"
        "assert find(on, search(), paged(2)).page[1]\n"
        "assert 'pyasn1' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
