"""SIDs and GUIDs: values from Microsoft's documents and from dumps of real domains, and round trips."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad.guid import InvalidGUID, derived_guid, guid_of_uuid, guid_text, parse_guid
from ldapserver.directory.ad.sid import (
    BUILTIN,
    DOMAIN_ADMINS,
    DOMAIN_USERS,
    InvalidSID,
    RelativeIds,
    check_sid,
    domain_sid,
    parse_sid,
    sid_text,
    split_sid,
    well_known,
    with_rid,
)

SIDS = {
    # [MS-DTYP] 2.4.2.4: Everyone, Local System, the built-in administrators
    "S-1-1-0": "010100000000000100000000",
    "S-1-5-18": "010100000000000512000000",
    "S-1-5-32-544": "01020000000000052000000020020000",
    # "How do I convert a SID between binary and string forms?", The Old New Thing, 15 March 2004
    "S-1-5-21-2127521184-1604012920-1887927527-72713": "010500000000000515000000A065CF7E784B9B5FE77C877009"
    + "1C0100",
    # a domain controller's Administrator: the domain's SID by RPC, the account's objectSid by LDAP
    "S-1-5-21-1487982659-1829050783-2281216199-500": b64decode("AQUAAAAAAAUVAAAAQ9CwWJ8ZBW3HmPiH9AEAAA==").hex(),
    # [MS-DTYP] 2.4.2.1: an authority of more than 32 bits is in hex
    "S-1-0x123456789ABC-1": "0101123456789ABC01000000",
}


@pytest.mark.parametrize(("text", "octets"), SIDS.items())
def test_sid_in_both_forms(text: str, octets: str) -> None:
    assert parse_sid(text) == bytes.fromhex(octets)
    assert sid_text(bytes.fromhex(octets)) == text


def test_sid_is_read_in_lower_case() -> None:
    assert parse_sid("s-1-0X123456789abc-1") == parse_sid("S-1-0x123456789ABC-1")


@pytest.mark.parametrize(
    "text",
    [
        *("", "S-1", "S-1-5", "S-2-5-18", "S-1-5-", "S-1-5-18-", "S-1-5-x", "S-1-5--18", " S-1-5-18", "S-1-5-18\n"),
        *("S-1-5-4294967296", "S-1-4294967296-1", "S-1-0x5-1", "S-1-5" + "-1" * 16, "S-1-5-٣"),
    ],
)
def test_text_that_is_no_sid(text: str) -> None:
    with pytest.raises(InvalidSID):
        parse_sid(text)


@pytest.mark.parametrize(
    "octets", ["", "01", "0101000000000005", "0201000000000005" + "12000000", "01" + "10" + "00" * 70]
)
def test_octets_that_are_no_sid(octets: str) -> None:
    with pytest.raises(InvalidSID):
        check_sid(bytes.fromhex(octets))


@given(st.integers(0, 2**48 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15))
def test_sid_comes_back_from_text(authority: int, words: list[int]) -> None:
    octets = bytes((1, len(words))) + authority.to_bytes(6) + b"".join(word.to_bytes(4, "little") for word in words)
    assert parse_sid(sid_text(octets)) == octets
    domain, rid = split_sid(octets)
    assert (with_rid(domain, rid), rid) == (octets, words[-1])


def test_domain_has_the_same_sid_everywhere() -> None:
    assert sid_text(domain_sid("contoso.com")) == sid_text(domain_sid("Contoso.COM"))
    assert sid_text(domain_sid("contoso.com")) == "S-1-5-21-2101775156-2933056243-2086286184"
    assert domain_sid("contoso.com") != domain_sid("fabrikam.com")


def test_well_known_names_have_their_rids() -> None:
    domain = parse_sid("S-1-5-21-1-2-3")
    assert well_known(domain, "Domain Admins", builtin=False) == with_rid(domain, DOMAIN_ADMINS)
    assert well_known(domain, "DOMAIN USERS", builtin=False) == with_rid(domain, DOMAIN_USERS)
    assert well_known(domain, "Administrators", builtin=True) == parse_sid("S-1-5-32-544")
    assert well_known(domain, "Administrators", builtin=False) is None
    assert well_known(domain, "Domain Admins", builtin=True) is None
    assert sid_text(BUILTIN) == "S-1-5-32"


def test_rids_count_up_and_are_not_given_twice() -> None:
    domain = parse_sid("S-1-5-21-1-2-3")
    rids = RelativeIds(domain)
    assert [sid_text(rids.allocate()) for _ in range(2)] == ["S-1-5-21-1-2-3-1100", "S-1-5-21-1-2-3-1101"]
    rids.seen(with_rid(domain, 5000))
    rids.seen(with_rid(domain, 1000))
    rids.seen(parse_sid("S-1-5-21-9-9-9-70000"))  # another domain's
    assert split_sid(rids.allocate())[1] == 5001


GUIDS = {
    # [MS-ADSC], class user: its schemaIDGUID as text and as every LDIF export of a schema shows it
    "bf967aba-0de6-11d0-a285-00aa003049e2": b64decode("unqWv+YN0BGihQCqADBJ4g==").hex(),
    # "Using objectGUID to Bind to an Object": the octets in hex, and read by [MS-DTYP] 2.3.4.2
    "10015663-e1f7-11d1-a6bf-aaaf842b9cfa": "63560110f7e1d111a6bfaaaf842b9cfa",
}


@pytest.mark.parametrize(("text", "octets"), GUIDS.items())
def test_guid_in_all_forms(text: str, octets: str) -> None:
    guid = bytes.fromhex(octets)
    assert {parse_guid(form) for form in (text, text.upper(), f"{{{text}}}", octets, octets.upper())} == {guid}
    assert guid_text(guid) == text


@pytest.mark.parametrize(
    "text", ["", "{}", "{" + "0" * 32 + "}", "0" * 31, "0" * 36, "{bf967aba-0de6-11d0-a285-00aa003049e2"]
)
def test_text_that_is_no_guid(text: str) -> None:
    with pytest.raises(InvalidGUID):
        parse_guid(text)


@given(st.binary(min_size=16, max_size=16))
def test_guid_comes_back_from_text(octets: bytes) -> None:
    assert parse_guid(guid_text(octets)) == octets == parse_guid(octets.hex())


def test_guid_has_sixteen_octets() -> None:
    with pytest.raises(InvalidGUID):
        guid_text(b"0123456789")


def test_entry_without_guid_gets_the_same_each_time() -> None:
    assert derived_guid("cn=a,dc=contoso,dc=com") == derived_guid("CN=A,DC=contoso,DC=com")
    assert derived_guid("cn=a,dc=contoso,dc=com") != derived_guid("cn=b,dc=contoso,dc=com")
    assert guid_text(guid_of_uuid("597ae2f6-16a6-1027-98f4-d28b5365dc14")) == "597ae2f6-16a6-1027-98f4-d28b5365dc14"
    with pytest.raises(InvalidGUID):
        guid_of_uuid("not one")
