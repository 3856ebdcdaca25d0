"""userAccountControl and its kin, and what an entry gets when it is created."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad import account_control
from ldapserver.directory.ad.account_control import stored, written
from ldapserver.directory.ad.completion import (
    Creation,
    Kind,
    changed,
    complete,
    generated_account_name,
    in_step,
    kind_of,
    password_set,
    pwd_last_set,
)
from ldapserver.directory.ad.refusals import name_taken
from ldapserver.directory.ad.sid import parse_sid
from ldapserver.directory.filetime import NEVER, filetime, generalized_time, moment
from ldapserver.directory.user_account_control import Control
from ldapserver.wire.dn import DN

SCHEMA = DN.parse("CN=Schema,CN=Configuration,DC=contoso,DC=com")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DAY = 24 * 60 * 60 * 10_000_000
SID = parse_sid("S-1-5-21-1-2-3-1100")


def creation(name: str, control: int = account_control.DEFAULT) -> Creation:
    dn = DN.parse(f"{name},DC=contoso,DC=com")
    return Creation(
        dn, SCHEMA, NOW, 4711, b"0123456789abcdef", SID, control=control, account_name=lambda: "$generated"
    )


def created(name: str, /, *, control: int = account_control.DEFAULT, **given: str) -> dict[str, list[str]]:
    attributes = [(kind, tuple(each.encode() for each in values.split("|"))) for kind, values in given.items()]
    completed = complete(attributes, creation(name, control))
    assert len({kind.lower() for kind, _ in completed}) == len(completed)
    return {kind: [value.decode("latin-1") for value in values] for kind, values in completed}


def test_flags_are_those_of_the_document() -> None:
    # "How to use the UserAccountControl flags", KB 305144: typical values
    assert account_control.DEFAULT == 546
    assert Control.SERVER_TRUST_ACCOUNT | Control.TRUSTED_FOR_DELEGATION == 532480
    assert Control.NORMAL_ACCOUNT | Control.DONT_EXPIRE_PASSWD == 66048
    assert account_control.GLOBAL_SECURITY_GROUP == -2147483646
    assert account_control.BUILTIN_GROUP == -2147483643


@pytest.mark.parametrize(
    ("control", "kept"),
    [
        (512, 512),
        (0, 512),
        (0x2, 0x202),
        (0x1000, 0x1000),
        (0x210, 0x200),
        (0x800200, 0x200),
        (0x240, 0x200),
        (546, 546),
    ],
)
def test_computed_bits_are_not_stored_and_a_kind_always_is(control: int, kept: int) -> None:
    assert stored(control) == kept


@pytest.mark.parametrize(
    ("control", "group", "account_type"),
    [
        (512, 513, 805306368),
        (0x1000, 515, 805306369),
        (532480, 516, 805306369),
        (0x4001000, 521, 805306369),
        (0x800, 513, 805306370),
    ],
)
def test_kind_of_account_says_primary_group_and_type(control: int, group: int, account_type: int) -> None:
    assert account_control.primary_group(control) == group
    assert account_control.account_type_of_user(control) == account_type


@pytest.mark.parametrize(
    ("group_type", "account_type"),
    [
        # all that Windows has, as in Samba's libds/common/flag_mapping.c and its tests
        (-2147483646, 268435456),
        (-2147483640, 268435456),
        (-2147483644, 536870912),
        (-2147483643, 536870912),
        (2, 268435457),
        (8, 268435457),
        (4, 536870913),
    ],
)
def test_group_type_says_account_type(group_type: int, account_type: int) -> None:
    assert account_control.account_type_of_group(group_type) == account_type


@given(st.integers(0, 2**32 - 1))
def test_flags_are_written_as_a_signed_integer(flags: int) -> None:
    assert written(flags) & 0xFFFFFFFF == flags
    assert -(2**31) <= written(flags) < 2**31


def test_group_type_that_is_no_number_is_no_security_group() -> None:
    assert not account_control.is_security_group([b"many"])
    assert not account_control.is_security_group([])


def test_user_gets_what_a_domain_controller_gives() -> None:
    """The attributes of a user that was added with its class alone, as in dumps of domains."""
    assert created("CN=Alice Apple,CN=Users", objectClass="user", cn="Alice Apple") == {
        "objectClass": ["top", "person", "organizationalPerson", "user"],
        "cn": ["Alice Apple"],
        "instanceType": ["4"],
        "whenCreated": ["20260102030405.0Z"],
        "whenChanged": ["20260102030405.0Z"],
        "uSNCreated": ["4711"],
        "uSNChanged": ["4711"],
        "objectGUID": ["0123456789abcdef"],
        "objectCategory": ["CN=Person,CN=Schema,CN=Configuration,DC=contoso,DC=com"],
        "objectSid": [SID.decode("latin-1")],
        "sAMAccountName": ["$generated"],
        "userAccountControl": ["546"],
        "sAMAccountType": ["805306368"],
        "primaryGroupID": ["513"],
        "accountExpires": ["9223372036854775807"],
        "pwdLastSet": ["0"],
        "badPwdCount": ["0"],
        "badPasswordTime": ["0"],
        "lastLogon": ["0"],
        "lastLogoff": ["0"],
        "logonCount": ["0"],
        "codePage": ["0"],
        "countryCode": ["0"],
    }


def test_group_gets_a_type_and_no_account() -> None:
    group = created("CN=Staff,OU=Groups", objectClass="group", sAMAccountName="staff")
    assert group["objectClass"] == ["top", "group"]
    assert (group["groupType"], group["sAMAccountType"], group["sAMAccountName"]) == (
        ["-2147483646"],
        ["268435456"],
        ["staff"],
    )
    assert group["objectSid"] == [SID.decode("latin-1")]
    assert "userAccountControl" not in group
    assert created("CN=x", objectClass="group", groupType="8")["sAMAccountType"] == ["268435457"]
    assert "sAMAccountType" not in created("CN=x", objectClass="group", groupType="many")


def test_computer_is_an_ordinary_account_until_it_is_trusted() -> None:
    # Samba's test_sam_attributes against Windows: primaryGroupID of a computer added by its class is Domain Users
    computer = created("CN=PC,CN=Computers", objectClass="computer")
    assert (computer["userAccountControl"], computer["primaryGroupID"]) == (["546"], ["513"])
    assert computer["objectCategory"] == ["CN=Computer,CN=Schema,CN=Configuration,DC=contoso,DC=com"]
    assert computer["objectClass"] == ["top", "person", "organizationalPerson", "user", "computer"]
    trusted = created("CN=PC,CN=Computers", objectClass="computer", userAccountControl="4096")
    assert (trusted["primaryGroupID"], trusted["sAMAccountType"]) == (["515"], ["805306369"])
    assert in_step(546, 4128) == {"sAMAccountType": (b"805306369",), "primaryGroupID": (b"515",)}
    assert in_step(546, 512) == {"sAMAccountType": (b"805306368",)}


@pytest.mark.parametrize(
    ("computer", "password", "control"),
    [(False, True, 512), (False, False, 546), (True, False, 4096), (True, True, 4096)],
)
def test_account_of_a_file_is_enabled_when_it_has_a_password(computer: bool, password: bool, control: int) -> None:
    assert account_control.of_loaded(computer=computer, password=password) == control
    assert created("CN=x", control=control, objectClass="user")["userAccountControl"] == [str(control)]


def test_what_is_given_stands() -> None:
    given = {"whencreated": "20000101000000.0Z", "objectSid": "mine", "primaryGroupID": "1234"}
    stamped = [(name, (value.encode(),)) for name, value in given.items()]
    plain = [("objectClass", (b"user",)), ("sAMAccountType", (b"1",)), ("userAccountControl", (b"66048",))]
    completed = complete([*plain, *stamped], creation("CN=x"))
    user = {name: [value.decode("latin-1") for value in values] for name, values in completed}
    assert {name: user[name] for name in given} == {name: [value] for name, value in given.items()}
    assert (user["sAMAccountType"], user["userAccountControl"]) == (["1"], ["66048"])


def test_written_control_is_stored_without_its_computed_bits() -> None:
    assert created("CN=x", objectClass="user", userAccountControl=str(0x800012))["userAccountControl"] == ["514"]
    assert created("CN=x", objectClass="user", userAccountControl="many")["userAccountControl"] == ["many"]


def test_classes_are_filled_in_and_others_kept() -> None:
    user = created("CN=x", objectClass="posixAccount|USER|top")
    assert user["objectClass"] == ["top", "person", "organizationalPerson", "user", "posixAccount"]
    assert created("CN=x", objectClass="printQueue")["objectClass"] == ["top", "printQueue"]
    assert created("CN=x", objectClass="printQueue")["objectCategory"][0].startswith("CN=Print-Queue,CN=Schema,")
    assert "objectCategory" not in created("CN=x", objectClass="ours")


def test_person_named_by_uid_gets_a_cn() -> None:
    user = created("uid=u1,OU=people", objectClass="inetOrgPerson", uid="u1")
    assert user["cn"] == ["u1"]
    assert user["objectClass"] == ["top", "person", "organizationalPerson", "user", "inetOrgPerson"]


def test_container_gets_no_identity_of_an_account() -> None:
    unit = created("OU=people", objectClass="organizationalUnit", ou="people")
    assert unit["objectCategory"] == ["CN=Organizational-Unit,CN=Schema,CN=Configuration,DC=contoso,DC=com"]
    assert not {"objectSid", "sAMAccountName", "cn", "userAccountControl"} & unit.keys()


def test_head_of_the_naming_context_says_so() -> None:
    root = Creation(DN.parse("DC=contoso,DC=com"), SCHEMA, NOW, 1, b"0123456789abcdef", naming_context_head=True)
    completed = dict(complete([("objectClass", (b"domainDNS",))], root))
    assert completed["instanceType"] == (b"5",)
    assert completed["objectClass"] == (b"top", b"domain", b"domainDNS")


def test_most_derived_class_decides() -> None:
    assert kind_of([b"computer", b"top", b"USER"]) is Kind.COMPUTER
    assert kind_of([b"top", b"person"]) is Kind.OTHER
    assert [kind for kind in Kind if kind.is_principal] == [
        Kind.USER,
        Kind.INET_ORG_PERSON,
        Kind.COMPUTER,
        Kind.GROUP,
    ]


def test_completing_twice_changes_nothing() -> None:
    once = complete([("objectClass", (b"user",))], creation("CN=x"))
    assert complete(once, creation("CN=x")) == once


def test_update_is_stamped() -> None:
    assert changed(NOW, 12) == {"whenChanged": (b"20260102030405.0Z",), "uSNChanged": (b"12",)}


def test_password_says_when_it_was_set() -> None:
    assert password_set(NOW) == {"pwdLastSet": (b"134117966456789010",)}
    assert [pwd_last_set(value, NOW) for value in (b"-1", b"0", b"x")] == [b"134117966456789010", b"0", b"x"]


def test_generated_account_name_has_its_form() -> None:
    # as in domains where accounts were added without one: $8R3000-K9ES0JAAOO1T
    assert generated_account_name(lambda count: bytes(range(14, 14 + count))) == "$EFGHIJ-KLMNOPQRSTUV"
    assert len({generated_account_name() for _ in range(50)}) == 50


def test_file_times() -> None:
    # of a dump: pwdLastSet 132982099209777070 is in the second of whenChanged 20220528111201.0Z, less one
    assert generalized_time(moment(132982099209777070)) == "20220528111200.0Z"
    assert filetime(datetime(1970, 1, 1, tzinfo=UTC)) == 116444736000000000
    assert filetime(NOW + timedelta(days=1)) - filetime(NOW) == DAY
    assert moment(filetime(NOW)) == NOW
    assert generalized_time(NOW.astimezone(timezone(timedelta(hours=5)))) == "20260102030405.0Z"
    with pytest.raises(OverflowError):
        moment(NEVER)


@pytest.mark.parametrize(
    ("attribute", "group", "code", "start", "end"),
    [
        ("sAMAccountName", False, 68, "00000524: UpdErr: ", "problem 6005 (ENTRY_EXISTS), data 0\n\0"),
        ("samaccountname", True, 68, "00000526: UpdErr: ", "problem 6005 (ENTRY_EXISTS), data 0\n\0"),
        (
            "userPrincipalName",
            False,
            19,
            "000021C8: AtrErr: DSID-03200BBA, #1:\n\t0: ",
            "Att 90290 (userPrincipalName)\n\0",
        ),
        ("servicePrincipalName", False, 19, "000021C7: AtrErr: ", "Att 90303 (servicePrincipalName)\n\0"),
    ],
)
def test_name_that_is_taken(attribute: str, group: bool, code: int, start: str, end: str) -> None:
    refused = name_taken(attribute, group=group)
    assert refused.result_code == code
    assert refused.diagnostic_message.startswith(start)
    assert refused.diagnostic_message.endswith(end)


def test_only_some_names_are_unique() -> None:
    with pytest.raises(LookupError):
        name_taken("displayName")
