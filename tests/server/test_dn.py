"""Distinguished names against RFC 4514's grammar and examples, and against themselves."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.schema import core
from ldapserver.wire import dn as names
from ldapserver.wire.dn import AVA, DN, MAX_TEXT, ROOT, InvalidDN, case_ignore

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "dns.json").read_text(encoding="utf-8"))
ITEMS = [pytest.param(item, id=f"{n}:{item['dn']}") for n, item in enumerate(VECTORS["items"])]
PAIRS = [pytest.param(pair, id=f"{n}:{pair['a']} ~ {pair['b']}") for n, pair in enumerate(VECTORS["equal"])]

# Invalid by the letter and without a `liberal` reading in the file, but of the kind that other items have one for.
READ_LIBERALLY = {"cn=a;dc=b": [[["cn", "a"]], [["dc", "b"]]]}


def listed(dn: DN) -> list[list[list[str]]]:
    """The name as the vectors spell it."""
    return [[[ava.type, ava.value.decode()] for ava in rdn] for rdn in dn.rdns]


@pytest.mark.parametrize("item", ITEMS)
def test_strict_reader_keeps_to_the_letter(item: dict[str, Any]) -> None:
    if item["valid"]:
        assert listed(DN.parse_strict(item["dn"])) == item["rdns"]
    else:
        with pytest.raises(InvalidDN):
            DN.parse_strict(item["dn"])


@pytest.mark.parametrize("item", ITEMS)
def test_liberal_reader_reads_what_clients_write(item: dict[str, Any]) -> None:
    text = item["dn"]
    expected = item["rdns"] if item["valid"] else item.get("liberal", READ_LIBERALLY.get(text))
    if expected is None:
        with pytest.raises(InvalidDN):
            DN.parse(text)
    else:
        assert listed(DN.parse(text)) == expected


@pytest.mark.parametrize("item", ITEMS)
def test_what_is_read_is_written_and_read_again(item: dict[str, Any]) -> None:
    try:
        dn = DN.parse(item["dn"])
    except InvalidDN:
        assert not item["valid"]
        return
    read = DN.parse_strict if item["valid"] else DN.parse
    assert read(str(dn)).rdns == dn.rdns


@pytest.mark.parametrize("pair", PAIRS)
def test_names_are_equal_when_they_name_the_same_entry(pair: dict[str, Any]) -> None:
    # The noted pairs differ for go-ldap, which compares octets; their note says that a server holds them equal.
    expected = pair["equal"] or "equal on a server" in pair.get("note", "")
    a, b = DN.parse(pair["a"]), DN.parse(pair["b"])
    assert (a == b, a.key == b.key, a.within(b), b.within(a)) == (expected,) * 4
    assert not expected or hash(a) == hash(b)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("memberUid=a", "memberUid=A", False),
        ("memberUid=a", "1.3.6.1.1.1.1.12= a ", True),
        ("automountKey=*", "AUTOMOUNTKEY=*", True),
        ("automountKey=Home,dc=x", "automountKey=home,dc=x", False),
        ("homeDirectory=/A\u00ad  b", "unixHomeDirectory=/A b", True),
        ("memberUid=\\ff", "memberUid=\\ff", True),
        ("telephoneNumber=\\+1 2-3", "2.5.4.20=\\+123", True),
        ("pager=1 2", "pagerTelephoneNumber=1-2", True),
        ("mobile=12", "pager=12", False),
        ("cn=1-2", "cn=12", False),
    ],
)
def test_values_in_names_are_compared_as_their_types_are(a: str, b: str, equal: bool) -> None:
    assert (DN.parse(a) == DN.parse(b)) is equal


def test_every_type_with_such_a_rule_has_it_in_names() -> None:
    of_names = {"telephonenumbermatch": "ab", "numericstringmatch": "ab", "caseexactmatch": "A B"}
    of_names["caseexactia5match"] = of_names["caseexactmatch"]
    known = [
        (name, of_names.get((each.equality or "").lower(), "a b"))
        for each in core().attribute_types
        for name in (*each.names, each.oid)
        if not each.operational and not (each.equality or "").lower().startswith("certificate")
    ]
    assert len(known) > 300
    assert {name for name, key in known if DN.parse(f"{name}=A  B").key[0][0][1] != key} == set()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", "cn="),
        (b" ", "cn=\\ "),
        (b"  a  ", "cn=\\  a \\ "),
        (b"#a#", "cn=\\#a#"),
        (b'",+<>;\\=', 'cn=\\"\\,\\+\\<\\>\\;\\\\='),
        (b"a\0b\rc\x7f", "cn=a\\00b\\0dc\\7f"),
        (b"a \n", "cn=a \\0a"),
        ("Lučić".encode(), "cn=Lučić"),
        (b"\xff", "cn=#0401ff"),
        (b"\xff" * 200, "cn=#0481c8" + "ff" * 200),
    ],
)
def test_values_are_escaped_as_section_2_4_says(value: bytes, text: str) -> None:
    assert str(DN(((AVA("cn", value),),))) == text
    assert DN.parse_strict(text).rdns == ((AVA("cn", value),),)


def test_types_are_written_as_they_were_read() -> None:
    assert str(DN.parse("CommonName=a + SN=b ; 2.5.4.10=c")) == "CommonName=a+SN=b,2.5.4.10=c"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cn=#0C02c3a9", "é".encode()),  # UTF8String
        ("cn=#13026869", b"hi"),  # PrintableString
        ("cn=#04820002c3a9", "é".encode()),  # a longer length than is needed
        ("cn=#0101ff", b"\x01\x01\xff"),  # a BOOLEAN is no string: its BER is kept
    ],
)
def test_hexstring_is_the_ber_of_one_value(text: str, value: bytes) -> None:
    assert DN.parse_strict(text).rdns == ((AVA("cn", value),),)


@pytest.mark.parametrize("text", ["cn=#0480", "cn=#04800000", "cn=#0482", "cn=#048200", "cn=#1f2a00", "cn=#0401"])
def test_hexstring_of_broken_ber_is_refused(text: str) -> None:
    with pytest.raises(InvalidDN, match="BER of one value"):
        DN.parse(text)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2.5.4.3=a", "commonName=A"),
        ("0.9.2342.19200300.100.1.25=org", "dc=ORG"),
        ("cn=a\tb", "cn=a b"),
        ("cn=\\20a  b\\20", "cn=A B"),
        ("cn=Straße", "cn=STRASSE"),
        ("cn=e\u0301", "cn=\u00c9"),
        ("cn=\uff21", "cn=a"),
        ("cn=so\u00adft", "cn=soft"),
        ("cn=a\u2003b", "cn=a b"),
    ],
)
def test_one_name_in_two_spellings(a: str, b: str) -> None:
    assert DN.parse(a) == DN.parse(b)


def test_octets_that_are_not_utf8_compare_as_octets() -> None:
    assert DN.parse("cn=#0402ff41") != DN.parse("cn=#0402ff61")
    assert DN.parse("cn=#0402ff41") == DN.parse("CN=\\ffA")


def test_root_is_empty_and_its_own_parent() -> None:
    assert (bool(ROOT), ROOT.is_empty, ROOT.parent, str(ROOT), ROOT.key) == (False, True, ROOT, "", ())


def test_parent_is_the_name_without_its_leaf() -> None:
    dn = DN.parse("cn=a,ou=B,dc=c")
    assert dn.parent == DN.parse("ou=b,dc=c")
    assert dn.key  # and now from the cache
    assert dn.parent.key == DN.parse("ou=b,dc=c").key == dn.key[1:]


@pytest.mark.parametrize(
    ("dn", "base", "within"),
    [
        ("cn=a,dc=b", "cn=a,dc=b", True),
        ("cn=a,DC=B", "dc=b", True),
        ("cn=a,dc=b", "", True),
        ("dc=b", "cn=a,dc=b", False),
        ("cn=a,dc=b", "cn=a", False),
        ("cn=a,dc=xb", "dc=b", False),
        ("", "dc=b", False),
        ("", "", True),
    ],
)
def test_within_is_self_or_below(dn: str, base: str, within: bool) -> None:
    assert DN.parse(dn).within(DN.parse(base)) is within


def test_a_name_equals_no_other_kind_of_thing() -> None:
    assert DN.parse("cn=a") != "cn=a"


@pytest.mark.parametrize("unit", ["a", "é", " ", "\\2c", "\\\\", "+cn=b", ",cn=b"])
def test_text_is_read_up_to_the_limit_in_octets(unit: str) -> None:
    times, over = divmod(MAX_TEXT - len("cn="), len(unit.encode()))
    longest = "cn=" + "a" * over + unit * times
    assert DN.parse(longest).key
    with pytest.raises(InvalidDN, match=f"{MAX_TEXT + 1} octets long: at most {MAX_TEXT} are read"):
        DN.parse(longest + "a")


def test_error_shows_the_part_at_fault_cut_short() -> None:
    with pytest.raises(InvalidDN) as caught:
        DN.parse("cn=ok,cn=" + "<" * 1000)
    assert "RFC 4514" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidDN, match="surrogate"):
        DN.parse("cn=\ud800")


types = st.one_of(
    st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True),
    st.from_regex(r"(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){1,5}", fullmatch=True),
)
texts = st.text(st.one_of(st.sampled_from(' "#+,;<=>\\\0\r\n\x7f'), st.characters(exclude_categories=["Cs"])))
avas = st.builds(AVA, types, st.one_of(texts.map(str.encode), st.binary()))
dns = st.lists(st.lists(avas, min_size=1, max_size=3).map(tuple), max_size=5).map(lambda rdns: DN(tuple(rdns)))


@given(dns)
def test_any_name_survives_its_text(dn: DN) -> None:
    assert DN.parse_strict(str(dn)).rdns == dn.rdns
    assert DN.parse(str(dn)).rdns == dn.rdns


@given(dns)
def test_text_of_any_name_is_one_line(dn: DN) -> None:
    assert not any(character < " " for character in str(dn))


@given(st.text(st.sampled_from('cn=1.#4a0 "+,;<>\\\0é\ud800')))
def test_any_text_is_a_name_or_invalid(text: str) -> None:
    try:
        strict = DN.parse_strict(text)
    except InvalidDN:
        strict = None
    try:
        liberal = DN.parse(text)
    except InvalidDN:
        liberal = None
    if strict is not None:  # what the letter allows the liberal reader reads the same
        assert liberal is not None
        assert liberal.rdns == strict.rdns
    if liberal is not None:
        assert DN.parse(str(liberal)).rdns == liberal.rdns


@given(texts)
def test_preparing_a_prepared_value_changes_nothing(text: str) -> None:
    prepared = case_ignore(text.encode())
    assert case_ignore(prepared.encode()) == prepared


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32)))
def test_case_and_blanks_do_not_matter(text: str) -> None:
    variant = text.upper().replace(" ", "  ")
    assert case_ignore(f" {variant} ".encode()) == case_ignore(text.encode())


@given(st.lists(avas, min_size=1, max_size=4), st.randoms())
def test_order_within_an_rdn_does_not_matter(rdn: list[AVA], random: Any) -> None:
    shuffled = rdn.copy()
    random.shuffle(shuffled)
    assert DN((tuple(rdn),)) == DN((tuple(shuffled),))


def test_a_blank_in_a_type_is_escaped_whatever_the_value() -> None:
    assert str(DN(((AVA("a b", b"c"),),))) == "a\\ b=c"
    assert str(DN(((AVA("a b", b"c d"),),))) == "a\\ b=c d"


# Names that were read before


@given(
    st.lists(st.text(st.sampled_from('cn=1.#4a0 "+,,,;\\\0é\ufdfa\ud800'), max_size=20) | dns.map(str), max_size=3)
)
def test_a_name_read_part_by_part_or_again_is_that_read_whole(parts: list[str]) -> None:
    text = ",".join(parts)
    whole: DN | None = None
    said = ""
    try:
        whole = DN(names._read(text, names._LIBERAL))
    except InvalidDN as invalid:
        said = str(invalid)
    for _ in range(2):
        if whole is None:
            with pytest.raises(InvalidDN) as caught:
                DN.parse(text)
            assert str(caught.value) == said
        else:
            read = DN.parse(text)
            assert (read.rdns, read.key, str(read)) == (whole.rdns, whole.key, str(whole))


# Names of a few octets, all different; of as many parts as fit, which share none; one character that becomes many.
@pytest.mark.parametrize(
    "name", ["cn={}", "a=b," * 28 + "x={:05}", "cn={:05}," + "a=b," * 25 + "o=x", "cn={}" + "\ufdfa" * 120]
)
def test_what_is_remembered_of_names_is_bounded(name: str) -> None:
    names._KNOWN.clear()
    tracemalloc.start()
    try:
        most = 0
        for number in range(300):
            DN.parse(name.format(number))
            most = max(most, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert most < 1 << 20
    assert len(names._KNOWN) <= names._MAX_KNOWN


def test_a_long_name_is_not_remembered() -> None:
    text = "cn=" + "a" * names._LONGEST_KNOWN
    assert DN.parse(text) == DN.parse(text)
    assert text not in names._KNOWN
    assert DN.parse("cn=a,o=x") is DN.parse("cn=a,o=x")
