"""What a domain controller does not store: names that are none, what may not be removed, members twice over."""

from pathlib import Path

import pytest

from ldapserver.directory.ad.completion import Kind
from ldapserver.directory.ad.constraints import check_account_name
from ldapserver.directory.ad.sid import domain_sid, parse_sid, rid_in, with_rid
from ldapserver.errors import OperationRefused
from ldapserver.wire.messages import ModifyOperation, ResultCode

from .domain import ADD, ALICE, BASE, BOB, DELETE, ENGINEERS, REPLACE, RESEARCH, U1, Domain, directory

NEW = f"cn=New,ou=staff,{BASE}"
DOMAIN_USERS = f"cn=Domain Users,cn=Users,{BASE}"
# [MS-SAMR] 3.1.1.6 in the words of Microsoft's protocol tests (SamrCreateUser2InDomain with an invalid name).
NO_NAMES = [
    "  ",
    "justtest.",
    *(f"just{each}test" for each in '"/\\[]:|<>+=;?,*\0\x1f\n'),
    "justtotest20characters",
    "x" * 21,
]
NAMES = ["x", "x" * 20, "a.b", ".", "x y", " x", "r@cameron", "!#$%^&~`'(){}_-", "Ünïcödé"]

INVALID = "00000523: SysErr: DSID-031A1256, problem 22 (Invalid argument), data 0\n\0"


def refusal(name: str, kind: Kind) -> OperationRefused | None:
    try:
        check_account_name(name, kind)
    except OperationRefused as refused:
        return refused
    return None


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_of_a_user(name: str) -> None:
    domain = Domain()
    # Code and text as ldapwiki has them of such characters, and NetIQ's support of names of more than 20.
    for answer in (
        domain.add(NEW, objectClass="user", sAMAccountName=name),
        domain.add(NEW, objectClass="inetOrgPerson", sn="New", sAMAccountName=name),
        domain.modify(BOB, (REPLACE, "samAccountName", [name])),
    ):
        assert (answer.result_code, answer.diagnostic_message) == (ResultCode.OTHER, INVALID)
    assert domain.read(BOB, "sAMAccountName") == {"sAMAccountName": ["bob"]}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "."])
def test_what_is_one(name: str) -> None:
    domain = Domain()
    assert domain.add(NEW, objectClass="user", sAMAccountName=name).result_code is ResultCode.SUCCESS
    assert domain.read(NEW, "sAMAccountName") == {"sAMAccountName": [name]}


@pytest.mark.parametrize("kind", [Kind.GROUP, Kind.COMPUTER])
def test_groups_and_computers_may_be_called_longer(kind: Kind) -> None:
    assert refusal("x" * 256, kind) is None
    refused = refusal("x" * 257, kind)
    assert refused is not None
    assert refused.result_code is ResultCode.CONSTRAINT_VIOLATION
    assert refused.diagnostic_message.startswith("00002082: AtrErr: DSID-")
    assert refused.diagnostic_message.endswith("data 0, Att 900dd (sAMAccountName)\n\0")
    # Characters outside the first plane are two units of UTF-16 each.
    assert refusal("😀" * 128, kind) is None
    assert refusal("😀" * 129, kind) is not None
    assert refusal("😀" * 10, Kind.USER) is None
    assert refusal("😀" * 11, Kind.USER) is not None
    assert refusal("a*", kind) is not None


def test_a_name_that_a_file_brought_stays() -> None:
    old = "a very long name, with commas"
    ldif = Path(__file__).parents[2].joinpath("examples", "contoso.ldif").read_text("utf-8")
    domain = Domain(directory(ldif.replace("sAMAccountName: bob\n", f"sAMAccountName: {old}\n")))
    changes = [(REPLACE, "title", ["Baker"]), (REPLACE, "sAMAccountName", [old])]
    for change in changes:
        assert domain.modify(BOB, change).result_code is ResultCode.SUCCESS
    assert domain.rename(BOB, "cn=Bob").result_code is ResultCode.SUCCESS
    assert domain.read(f"cn=Bob,ou=staff,{BASE}", "sAMAccountName") == {"sAMAccountName": [old]}
    answer = domain.modify(f"cn=Bob,ou=staff,{BASE}", (REPLACE, "sAMAccountName", [old + "!"]))
    assert answer.result_code is ResultCode.OTHER


def test_what_has_no_account_may_say_what_it_likes() -> None:
    domain = Domain()
    answer = domain.add(NEW, objectClass="contact", sAMAccountName="a*")
    assert answer.result_code is ResultCode.SUCCESS
    assert domain.modify(NEW, (DELETE, "sAMAccountName", [])).result_code is ResultCode.SUCCESS


@pytest.mark.parametrize(
    ("dn", "attribute"),
    [
        *((BOB, name) for name in ("sAMAccountName", "sAMAccountType", "userAccountControl", "primaryGroupID")),
        *((RESEARCH, name) for name in ("sAMAccountName", "sAMAccountType", "groupType")),
    ],
)
def test_some_attributes_are_never_removed(dn: str, attribute: str) -> None:
    # Samba's test_sam_attributes, of a domain controller of Windows
    domain = Domain()
    before = domain.octets(dn, attribute)
    assert before
    changes: list[tuple[ModifyOperation, str, tuple[bytes, ...]]] = [
        (DELETE, attribute, ()),
        (REPLACE, attribute.upper(), ()),
        (DELETE, attribute, before),
    ]
    for change in changes:
        answer = domain.modify(dn, change)
        assert answer.result_code is ResultCode.UNWILLING_TO_PERFORM
        assert answer.diagnostic_message == f"{attribute}: may be replaced, and not removed"
    assert domain.octets(dn, attribute) == before


def test_a_user_is_no_member_of_its_primary_group_too() -> None:
    # Samba's test_users_groups, of a domain controller of Windows; the text: of members that are there
    domain = Domain()
    (token,) = domain.read(ENGINEERS, "primaryGroupToken")["primaryGroupToken"]
    assert domain.modify(U1, (REPLACE, "primaryGroupID", [token])).result_code is ResultCode.SUCCESS
    members = domain.read(ENGINEERS, "member")["member"]
    for change in (
        (ADD, "member", [U1]),
        (ADD, "MEMBER", [U1.upper()]),
        (ADD, "member", ["<SID=" + domain.octets(U1, "objectSid")[0].hex() + ">"]),
        (REPLACE, "member", [*members, U1]),
    ):
        answer = domain.modify(ENGINEERS, change)
        assert answer.result_code is ResultCode.ENTRY_ALREADY_EXISTS
        assert answer.diagnostic_message == "00000562: UpdErr: DSID-031A11DA, problem 6005 (ENTRY_EXISTS), data 0\n\0"
    assert domain.read(ENGINEERS, "member")["member"] == members
    # Of another group it is one, and of this one once it has another primary group.
    assert domain.modify(RESEARCH, (ADD, "member", [U1])).result_code is ResultCode.SUCCESS
    assert domain.modify(U1, (REPLACE, "primaryGroupID", ["513"])).result_code is ResultCode.SUCCESS
    assert U1 in domain.read(ENGINEERS, "member")["member"]


def test_members_that_a_file_brought_of_both_kinds_stay() -> None:
    ldif = Path(__file__).parents[2].joinpath("examples", "contoso.ldif").read_text("utf-8")
    domain = Domain(
        directory(ldif.replace("sAMAccountName: Domain Users\n", f"sAMAccountName: Domain Users\nmember: {BOB}\n"))
    )
    assert BOB in domain.read(DOMAIN_USERS, "member")["member"]
    assert domain.modify(DOMAIN_USERS, (REPLACE, "description", ["All"])).result_code is ResultCode.SUCCESS
    assert domain.modify(DOMAIN_USERS, (ADD, "member", [RESEARCH])).result_code is ResultCode.SUCCESS
    assert domain.modify(DOMAIN_USERS, (DELETE, "member", [BOB])).result_code is ResultCode.SUCCESS


@pytest.mark.parametrize("number", ["-1", "4294967296", "99999999999999999999"])
def test_a_primary_group_that_no_group_can_be(number: str) -> None:
    domain = Domain()
    assert domain.modify(BOB, (REPLACE, "primaryGroupID", [number])).result_code is ResultCode.UNWILLING_TO_PERFORM
    ldif = Path(__file__).parents[2].joinpath("examples", "contoso.ldif").read_text("utf-8")
    brought = directory(ldif.replace("sAMAccountName: bob\n", f"sAMAccountName: bob\nprimaryGroupID: {number}\n"))
    assert Domain(brought).octets(BOB, "tokenGroups")
    assert Domain(brought).octets(ALICE, "tokenGroups")


def test_rid_of_a_sid_in_a_domain() -> None:
    domain = domain_sid("contoso.com")
    assert rid_in(domain, with_rid(domain, 4294967295)) == 4294967295
    for sid in (domain, domain_sid("other"), with_rid(domain_sid("other"), 5), parse_sid("S-1-5-32-544"), b""):
        assert rid_in(domain, sid) is None
