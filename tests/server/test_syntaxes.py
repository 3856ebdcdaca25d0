"""Which values a syntax allows: what slapd took and refused, and where we mean to differ."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.schema import core, load_schema
from ldapserver.directory.syntaxes import SYNTAXES, allows

VECTORS: list[dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "syntaxes.json").read_text("utf-8")
)
PREFIX = "1.3.6.1.4.1.1466.115.121.1."
# Where slapd 2.5.13 answers otherwise, and why we don't.
OTHERWISE = {
    (f"{PREFIX}12", "foo=bar"): True,  # of a type nobody has defined, which is kept here
    (f"{PREFIX}24", "00000101000000Z"): False,  # the proleptic calendar begins with the year 1
    (f"{PREFIX}38", "cn"): True,  # RFC 4517 section 3.3.26: a descr is an OID too
    (f"{PREFIX}38", "nosuch"): True,
    (f"{PREFIX}38", "cn-x"): True,
    (f"{PREFIX}38", "1"): False,  # numericoid has a dot, RFC 4512 section 1.4
}


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['syntax'].rpartition('.')[2]} {case['value']!a}")
def test_what_slapd_allows_is_allowed(case: dict[str, Any]) -> None:
    expected = OTHERWISE.get((case["syntax"], case["value"]), case["slapd"])
    assert allows(case["syntax"], case["value"].encode("latin-1")) is expected


def test_every_difference_is_one() -> None:
    differing = {
        (case["syntax"], case["value"])
        for case in VECTORS
        if allows(case["syntax"], case["value"].encode("latin-1")) is not case["slapd"]
    }
    assert differing == OTHERWISE.keys()


@pytest.mark.parametrize(
    ("syntax", "value", "expected"),
    [
        ("906", b"9223372036854775807", True),
        ("906", b"-9223372036854775808", True),
        ("906", b"9223372036854775808", False),
        ("906", b"01", False),
        ("903", b"B:4:a0B1:cn=x", True),
        ("903", b"B:0::cn=x", True),
        ("903", b"B:3:a0B1:cn=x", False),
        ("903", b"B:4:a0g1:cn=x", False),
        ("903", b"B:4:a0B1:x", False),
        ("905", b"x", True),
        ("905", b"", False),
        ("907", b"\xff", True),
    ],
)
def test_active_directorys_own(syntax: str, value: bytes, expected: bool) -> None:
    assert allows(f"1.2.840.113556.1.4.{syntax}", value) is expected


def test_a_syntax_that_is_not_known_allows_everything() -> None:
    assert allows("1.2.3", b"\xff")
    assert allows(f"{PREFIX}28", b"")  # JPEG


# Octets for whoever uses them, and what is told from its own definition.
UNCHECKED = {
    "3",
    "4",
    "5",
    "8",
    "9",
    "10",
    "16",
    "17",
    "21",
    "23",
    "25",
    "28",
    "30",
    "31",
    "35",
    "37",
    "40",
    "45",
    "49",
}


def test_every_syntax_of_a_type_is_checked_or_meant_not_to_be() -> None:
    types = (*core().attribute_types, *load_schema((), active_directory=True).schema.attribute_types)
    unchecked = {each.syntax for each in types} - SYNTAXES.keys()
    meant = {PREFIX + number for number in (*UNCHECKED, "51", "54")} | {"1.2.840.113556.1.4.907"}
    assert unchecked <= meant


@given(st.sampled_from(sorted(SYNTAXES)), st.binary(max_size=20))
def test_any_octets_are_allowed_or_not(syntax: str, value: bytes) -> None:
    assert allows(syntax, value) in (True, False)
