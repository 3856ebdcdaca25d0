"""LDIF against RFC 2849's grammar and examples, and against itself."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ldif import (
    FOLD_AT,
    AddRecord,
    DeleteRecord,
    EntryRecord,
    InvalidLDIF,
    ModifyDNRecord,
    ModifyRecord,
    Record,
    read_ldif,
    write_entry,
    write_record,
)
from ldapserver.wire.dn import AVA, DN
from ldapserver.wire.messages import Control

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "ldif.json").read_text(encoding="utf-8"))
ITEMS = [pytest.param(item, id=item["name"]) for item in VECTORS["items"]]

URL_VALUE = "URL value"  # valid by the letter, and refused by us on purpose
# How we read the items with `valid: null` whose reading the file leaves open; tests/vectors/SOURCES.md says why.
LEFT_OPEN = {"last '-' missing": [{"dn": "cn=a,dc=x", "changetype": "modify", "mods": [["replace", "cn", ["b"]]]}]}


def octets(value: Any) -> Any:
    """A value as the vectors spell it."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else None if value is None else value.encode()


def expected(record: dict[str, Any]) -> dict[str, Any]:
    """The vectors' record with its names parsed and its values as octets, its attributes in their order."""
    meant: dict[str, Any] = {"dn": DN.parse(record["dn"]).rdns, "changetype": record.get("changetype")}
    if "attrs" in record:
        meant["attrs"] = [(name, [octets(value) for value in values]) for name, values in record["attrs"].items()]
    if "mods" in record:
        meant["mods"] = [(kind, name, [octets(value) for value in values]) for kind, name, values in record["mods"]]
    if record.get("changetype") == "modrdn":
        superior = record["newsuperior"]
        meant["newrdn"] = DN.parse(record["newrdn"]).rdns
        meant["deleteoldrdn"] = record["deleteoldrdn"]
        meant["newsuperior"] = None if superior is None else DN.parse(superior).rdns
    meant["controls"] = [(oid, critical, octets(value)) for oid, critical, value in record.get("controls", [])]
    return meant


def plain(record: Record) -> dict[str, Any]:
    """The record in the same shape."""
    read: dict[str, Any] = {"dn": record.dn.rdns, "changetype": None, "controls": []}
    match record:
        case EntryRecord() | AddRecord():
            read["attrs"] = [(name, list(values)) for name, values in record.attributes]
            if isinstance(record, AddRecord):
                read["changetype"] = "add"
        case DeleteRecord():
            read["changetype"] = "delete"
        case ModifyRecord():
            read["changetype"] = "modify"
            read["mods"] = [
                (change.operation.name.lower(), change.modification.type, list(change.modification.values))
                for change in record.changes
            ]
        case ModifyDNRecord():
            read["changetype"] = "modrdn"
            read["newrdn"] = record.newrdn.rdns
            read["deleteoldrdn"] = record.deleteoldrdn
            read["newsuperior"] = None if record.newsuperior is None else record.newsuperior.rdns
    if not isinstance(record, EntryRecord):
        read["controls"] = [(c.control_type, c.criticality, c.control_value) for c in record.controls]
    return read


@pytest.mark.parametrize("item", ITEMS)
def test_reader_keeps_to_the_vectors(item: dict[str, Any]) -> None:
    if item["valid"] is False or item["name"] == URL_VALUE:
        with pytest.raises(InvalidLDIF, match=r"^x\.ldif:\d+: .*\S"):
            list(read_ldif(item["ldif"], "x.ldif"))
    else:
        records = item.get("records") or LEFT_OPEN[item["name"]]
        assert [plain(record) for record in read_ldif(item["ldif"], "x.ldif")] == [expected(r) for r in records]


@pytest.mark.parametrize("item", ITEMS)
def test_lines_read_as_the_text_does(item: dict[str, Any]) -> None:
    def told(lines: Any) -> tuple[list[Record], str | None]:
        records = []
        try:
            for record in read_ldif(lines, "x.ldif"):
                records.append(record)  # one by one: kept when an error follows
        except InvalidLDIF as error:
            return records, str(error)
        return records, None

    assert told(item["ldif"].split("\n")) == told(item["ldif"])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version: 1\n\n\nversion: 1\ndn: cn=a\ncn: a\n", "f:4: a record begins with 'dn:'"),
        ("version: 11\n", "f:1: the version is not 1"),
        ("# c\n\ndn: cn=a\ncn: b\nc\n n\n\n", "f:5: no ':' after"),
        ("dn: cn=a\ncn: a\n\n folded\n", "f:4: a continuation with no line before it"),
        ("dn: cn=a\ncn: a\n\ndn: cn=a\nchangetype: delete\n", "f:4: entries and changes in one file"),
        ("dn: cn=a\nchangetype: delete\n\ndn: cn=a\ncn: a\n", "f:4: entries and changes in one file"),
        ("dn: cn=a\ncn: a\nchangetype: add\n", "f:3: 'changetype:' cannot come here"),
        ("dn: cn=a\ncontrol: 1.2 maybe\nchangetype: delete\n", "f:2: a control is"),
        ("dn: cn=a\ncontrol: 1.2 true:< file:///x\nchangetype: delete\n", "f:2: a value by URL"),
        ("dn:< file:///x\ncn: a\n", "f:1: a value by URL"),
        ("dn:: /w==\ncn: a\n", "f:1: the name is not UTF-8"),
        ("dn: cn=a\ncn: <none>\n", "f:2: a value that begins with"),
        ("dn: cn=a\ncn: :a\n", "f:2: a value that begins with"),
        ("dn: cn=a\ncn: a\0b\n", "f:2: a value that begins with"),
        ("dn: cn=a\ncn: a\rb\n", "f:2: a value that begins with"),
        ("dn: cn=a\ncn:: YWJj YWJj\n", "f:2: not base64"),
        ("dn: cn=a\ncn:: YWJj=\n", "f:2: not base64"),
        ("dn: cn=a\ncn:: YWJj====\n", "f:2: not base64"),
        ("dn: cn=a\ncn:: YW==YWJj\n", "f:2: not base64"),
        ("dn: cn=a\ncn:: ====\n", "f:2: not base64"),
        ("dn: cn=a\ncn:: é\n", "f:2: not base64"),
        ("dn: cn=a\ncn: \udcff\n", "f:2: not UTF-8"),
        ("dn: cn=a\nchangetype: modify\nadd:: Y24=\n-\n", "f:3: ': Y24=' is no attribute description"),
        ("dn: cn=a\nchangetype: modrdn\nnewrdn: cn=a,cn=b\ndeleteoldrdn: 1\n", "f:3: newrdn is not one RDN"),
        ("dn: cn=a\nchangetype: modrdn\nnewrdn:\ndeleteoldrdn: 1\n", "f:3: newrdn is not one RDN"),
        ("dn: cn=a\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: 1\nx: y\n", "f:1: newrdn:, deleteoldrdn:"),
    ],
)
def test_error_names_file_line_and_rule(text: str, error: str) -> None:
    with pytest.raises(InvalidLDIF, match=f"^{error}"):
        list(read_ldif(text, "f"))


def test_error_comes_after_the_records_before_it() -> None:
    records = read_ldif("dn: cn=a\ncn: a\n\ndn: cn=b\ncn b\n", "f")
    assert next(records).dn == DN.parse("cn=a")
    with pytest.raises(InvalidLDIF, match=r"^f:5: "):
        next(records)


def test_with_a_report_reading_goes_on_behind_what_is_wrong() -> None:
    text = (
        "version: 2\ndn: cn=a\ncn: a\n\n lost\n\ndn: cn=b\ncn b\n\ndn: cn=c\nchangetype: delete\n\n"
        "dn: cn=d\ncn: \udcff\n\ndn: cn=e\ncn: e\n"
    )
    told: list[InvalidLDIF] = []
    records = list(read_ldif(text, "f", told.append))
    assert [str(record.dn) for record in records] == ["cn=a", "cn=e"]
    assert [str(error).split(" (")[0] for error in told] == [
        "f:1: the version is not 1, the only one there is",
        "f:5: a continuation with no line before it",
        "f:8: no ':' after the attribute",
        "f:10: entries and changes in one file",
        "f:14: not UTF-8",
    ]


@pytest.mark.parametrize("item", ITEMS)
def test_with_a_report_the_first_error_is_the_one_without(item: dict[str, Any]) -> None:
    told: list[InvalidLDIF] = []
    list(read_ldif(item["ldif"], "x.ldif", told.append))
    if told:
        with pytest.raises(InvalidLDIF) as caught:
            list(read_ldif(item["ldif"], "x.ldif"))
        assert str(caught.value) == str(told[0])
    else:
        assert item["valid"] is not False


def test_records_are_read_one_at_a_time() -> None:
    taken = []

    def lines() -> Iterator[str]:
        for number in range(1000):
            taken.append(number)
            yield from (f"dn: cn={number}\n", "cn: a\n", "\n")

    next(read_ldif(lines(), "f"))
    assert taken == [0]


@pytest.mark.parametrize("value", [":hunter2", "hunter2\r.", "hunter2\0", ":: hunter2 ", "< hunter2"])
def test_error_never_shows_a_value(value: str) -> None:
    with pytest.raises(InvalidLDIF) as caught:
        list(read_ldif(f"dn: cn=a\nuserPassword: {value}\n", "f"))
    with pytest.raises(InvalidLDIF) as caught_base64:
        list(read_ldif(f"dn: cn=a\nuserPassword::{value}\n", "f"))
    assert "hunter2" not in f"{caught.value}{caught_base64.value}"


def test_repr_never_shows_a_value() -> None:
    text = "dn: cn=a\n{}\n"
    entry = "userPassword: hunter2\n"
    change = "changetype: modify\nreplace: userPassword\nuserPassword: hunter2\n-\n"
    for body in (entry, "changetype: add\n" + entry, change):
        assert "hunter2" not in repr(list(read_ldif(text.format(body), "f")))


def test_file_that_is_not_utf8_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "latin1.ldif"
    path.write_bytes(b"dn: cn=a\ncn: \xe9\n")
    with path.open(encoding="utf-8") as lines, pytest.raises(InvalidLDIF, match=r"^f:\d: not UTF-8"):
        list(read_ldif(lines, "f"))


def test_values_of_one_attribute_stand_together_as_first_written() -> None:
    [record] = read_ldif("dn: cn=a\nCN: a\nsn: b\ncn: c\nsn;lang-en: d\n", "f")
    assert isinstance(record, EntryRecord)
    assert record.attributes == (("CN", (b"a", b"c")), ("sn", (b"b",)), ("sn;lang-en", (b"d",)))


def test_record_knows_its_line() -> None:
    records = list(read_ldif("version: 1\n# c\n\n\ndn: cn=a\ncn: a\n\n# c\n c\ndn: cn=b\ncn: b\n", "f"))
    assert [record.line for record in records] == [5, 10]


def test_comment_between_a_line_and_its_fold_takes_the_fold() -> None:
    [record] = read_ldif("dn: cn=a\ncn: a\n b\n# c\n c\nsn: d\n", "f")
    assert isinstance(record, EntryRecord)
    assert record.attributes == (("cn", (b"ab",)), ("sn", (b"d",)))


def test_attribute_called_control_is_one_where_no_changetype_follows() -> None:
    [record] = read_ldif("dn: cn=a\ncontrol: knob\n", "f")
    assert isinstance(record, EntryRecord)
    assert record.attributes == (("control", (b"knob",)),)


def test_controls_stand_before_the_changetype() -> None:
    [record] = read_ldif("dn: cn=a\ncontrol: 1.2\ncontrol: 1.3 TRUE: v\nchangetype: delete\n", "f")
    assert isinstance(record, DeleteRecord)
    assert record.controls == (Control("1.2"), Control("1.3", True, b"v"))


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "version: 1\n", "version: 1\n\n# nothing\n\n"])
def test_text_without_a_record_gives_none(text: str) -> None:
    assert list(read_ldif(text, "f")) == []


def test_entry_is_written_as_rfc_2849_says() -> None:
    attributes = [
        ("objectClass", [b"top", b"person"]),
        ("cn", [b"", b" a", b"a ", b":a", b"<a", b"a:<", b"a\nb", b"\xff", "é".encode(), b"a\tb"]),
        ("description", [b"x" * 63, b"x" * 64, b"y" * (63 + 75), b"z" * (63 + 75 + 1)]),
        ("sn", []),
    ]
    assert write_entry(DN.parse("cn=é,dc=x"), attributes) == (
        "dn:: Y249w6ksZGM9eA==\nobjectClass: top\nobjectClass: person\n"
        "cn:\ncn:: IGE=\ncn:: YSA=\ncn:: OmE=\ncn:: PGE=\ncn: a:<\ncn:: YQpi\ncn:: /w==\ncn:: w6k=\ncn:: YQli\n"
        f"description: {'x' * 63}\ndescription: {'x' * 63}\n x\n"
        f"description: {'y' * 63}\n {'y' * 75}\ndescription: {'z' * 63}\n {'z' * 75}\n z\n"
    )


def test_root_is_written_without_a_name() -> None:
    assert write_entry(DN.parse(""), [("cn", [b"a"])]) == "dn:\ncn: a\n"


@pytest.mark.parametrize("name", ["dn", "DN", "changeType"])
def test_attribute_that_would_be_read_as_something_else_is_not_written(name: str) -> None:
    with pytest.raises(InvalidLDIF, match=f"an attribute called '{name}' cannot be written"):
        write_entry(DN.parse("cn=a"), [("cn", [b"a"]), (name, [b"add"])])


def test_name_of_a_record_is_written_as_it_stands() -> None:
    assert write_record("CN = a ; dc=x", [("cn", [b"a"])]) == "dn: CN = a ; dc=x\ncn: a\n"


@pytest.mark.parametrize("name", ["", "c n", "cn:", "cn\nsn", "#cn"])
def test_attribute_without_a_name_is_not_written(name: str) -> None:
    with pytest.raises(InvalidLDIF, match="no attribute description"):
        write_entry(DN.parse("cn=a"), [(name, [b"a"])])


names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}(;[a-z0-9-]{1,4})?", fullmatch=True).filter(
    lambda name: name.lower() not in ("dn", "changetype", "control")
)
values = st.one_of(st.binary(), st.text().map(str.encode), st.integers(0, 200).map(lambda length: b"v" * length))
attributes = st.lists(
    st.tuples(names, st.lists(values, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=4,
    unique_by=lambda attribute: attribute[0].lower(),
).map(tuple)
dns = st.lists(st.builds(AVA, st.sampled_from(["cn", "dc"]), values), max_size=3).map(
    lambda avas: DN(tuple((ava,) for ava in avas))
)
entries = st.tuples(dns, attributes)


@given(st.lists(entries, max_size=3))
def test_any_entries_survive_their_text(written: list[tuple[DN, Any]]) -> None:
    text = "\n".join(write_entry(dn, attributes) for dn, attributes in written)
    records = list(read_ldif(text, "f"))
    assert [(record.dn.rdns, record.attributes) for record in records if isinstance(record, EntryRecord)] == [
        (dn.rdns, attributes) for dn, attributes in written
    ]
    assert text.isascii()
    assert all(len(line) <= FOLD_AT for line in text.split("\n"))


@given(st.text("dnchagetypmodify:<-# 01=\\\n\r\0é\udcff").map(lambda text: f"dn: cn=a\n{text}"))
def test_any_text_is_records_or_invalid(text: str) -> None:
    with suppress(InvalidLDIF):
        list(read_ldif(text, "f"))
