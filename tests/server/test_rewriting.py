"""One record of an LDIF text changed: the rest of it stays to the octet, and all of it reads as it should."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ldif import Attributes, EntryRecord, read_ldif, write_attribute
from ldapserver.directory.rewriting import rewritten

NEW = (b"{SSHA}" + b"x" * 90,)


def records(text: str) -> list[EntryRecord]:
    return [each for each in read_ldif(text, "f") if isinstance(each, EntryRecord)]


def with_password(attributes: Attributes, values: tuple[bytes, ...]) -> Attributes:
    """The attributes with this as their userPassword."""
    others = tuple(each for each in attributes if each[0].lower() != "userpassword")
    return (*others, ("userPassword", values))


def change(text: str, at: int = 0, values: tuple[bytes, ...] = (b"new",)) -> str:
    record = records(text)[at]
    return rewritten(text, record, with_password(record.attributes, values))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dn: cn=a\ncn: a\nuserPassword: old\nsn: b\n", "dn: cn=a\ncn: a\nuserPassword: new\nsn: b\n"),
        ("dn: cn=a\ncn: a\n", "dn: cn=a\ncn: a\nuserPassword: new\n"),
        ("dn: cn=a\ncn: a", "dn: cn=a\ncn: a\nuserPassword: new"),
        ("dn: cn=a\nuserPassword: old", "dn: cn=a\nuserPassword: new"),
        ("dn: cn=a\r\nuserPassword: old\r\ncn: a\r\n", "dn: cn=a\r\nuserPassword: new\r\ncn: a\r\n"),
        (
            "# of\n old\nversion: 1\ndn: cn=a\n# x\n  y\nUSERPASSWORD: o\n ld\n# and\nuserPassword:: b2xk\n# it\n",
            "# of\n old\nversion: 1\ndn: cn=a\n# x\n  y\nuserPassword: new\n# and\n# it\n",
        ),
        (
            "dn: cn\n =a\nuserPass\n word:o\n ld\ncn:   a\n\n\n# end\n",
            "dn: cn\n =a\nuserPassword: new\ncn:   a\n\n\n# end\n",
        ),
    ],
    ids=["in place", "added", "cut short", "last and cut short", "CRLF", "twice", "folded name"],
)
def test_the_lines_of_the_attribute_and_no_others(before: str, after: str) -> None:
    assert change(before) == after


def test_an_attribute_without_values_goes_and_one_that_is_the_same_stays() -> None:
    text = "dn: cn=a\ncn: a\nuserPassword:: b2xk\nsn: b\n"
    (record,) = records(text)
    assert rewritten(text, record, record.attributes) == text
    assert rewritten(text, record, record.attributes[:1]) == "dn: cn=a\ncn: a\n"


def test_only_the_record_that_is_meant() -> None:
    text = "dn: cn=a\nuserPassword: old\n\ndn: cn=b\nuserPassword: old\n\ndn: cn=c\nuserPassword: old\n"
    assert change(text, 1) == text.replace("cn=b\nuserPassword: old", "cn=b\nuserPassword: new")


# Anything that the reader takes: its own lines, folded anywhere, with comments between them and blanks behind colons.

names = st.sampled_from(["cn", "SN", "userPassword", "USERPASSWORD", "userPassword;x-a", "control", "description"])
values = st.one_of(st.binary(max_size=30), st.text(max_size=30).map(str.encode), st.just(b"v" * 100))
comments = st.lists(st.text("# a:é", max_size=8).map(lambda text: f"#{text}"), max_size=2)


@st.composite
def attribute_lines(draw: st.DrawFn, newline: str) -> str:
    """One value, spelt in one of the ways there are, and maybe a comment behind it."""
    line = write_attribute(draw(names), [draw(values)]).replace("\n ", "").removesuffix("\n")
    for at in sorted(draw(st.sets(st.integers(1, len(line)), max_size=3)), reverse=True):
        line = f"{line[:at]}{newline} {line[at:]}"
    return "".join(each + newline for each in (line, *draw(comments)))


@st.composite
def texts(draw: st.DrawFn) -> str:
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    count = draw(st.integers(1, 4))
    blocks = []
    for number in range(count):
        attributes = draw(st.lists(attribute_lines(newline), min_size=1, max_size=4))
        blocks.append(f"dn: cn={number}{newline}{''.join(attributes)}")
    text = draw(st.sampled_from(["", f"version: 1{newline}", f"# é{newline}{newline}"]))
    text += (newline * draw(st.integers(1, 3))).join(blocks)
    return text if draw(st.booleans()) else text.removesuffix("\n").removesuffix("\r")


@given(texts(), st.data())
def test_any_ldif_differs_in_that_record_alone(text: str, data: Any) -> None:
    before = records(text)
    at = data.draw(st.integers(0, len(before) - 1))
    wanted = dict(with_password(before[at].attributes, data.draw(st.sampled_from([NEW, (b"a", b"\xff")]))))
    changed = rewritten(text, before[at], tuple(wanted.items()))
    after = records(changed)
    assert [each.dn for each in after] == [each.dn for each in before]
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new.attributes == old.attributes or number == at
    assert lowered(after[at].attributes) == lowered(tuple(wanted.items()))
    # To the octet: what stands before the record, and what stands behind it.
    head = f"dn: {before[at].dn}"
    assert changed.partition(head)[0] == text.partition(head)[0]
    if at + 1 < len(before):
        next_head = f"dn: {before[at + 1].dn}"
        assert changed.partition(next_head)[2] == text.partition(next_head)[2]
    assert changed.endswith("\n") == text.endswith("\n")
    assert [line for line in changed.splitlines() if line.startswith("#")] == [
        line for line in text.splitlines() if line.startswith("#")
    ]


def lowered(attributes: Attributes) -> dict[str, tuple[bytes, ...]]:
    return {description.lower(): held for description, held in attributes}
