"""Values in LDP.exe's words: what is known of an attribute, and what of it is another server's."""

import pytest

from ldapserver.cli.ldp.values import shown
from ldapserver.directory.ad.guid import parse_guid
from ldapserver.directory.ad.sid import parse_sid

SID = "S-1-5-21-2101775156-2933056243-2086286184-1103"
GUID = "ac666f04-679d-52f7-ae01-7e20131fa8f6"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("objectSid", parse_sid(SID), SID),
        ("objectSid", b"text", "text"),
        ("objectGUID", parse_guid(GUID), GUID),
        ("objectGUID", b"\xff", "<ldp: Binary blob 1 bytes>"),
        ("userAccountControl", b"512", "0x200 = ( NORMAL_ACCOUNT )"),
        ("useraccountcontrol", b"66050", "0x10202 = ( ACCOUNTDISABLE | NORMAL_ACCOUNT | DONT_EXPIRE_PASSWD )"),
        ("userAccountControl", b"0", "0x0 = (  )"),
        ("userAccountControl", b"often", "often"),
        ("groupType", b"-2147483646", "0x80000002 = ( ACCOUNT_GROUP | SECURITY_ENABLED )"),
        ("instanceType", b"5", "0x5 = ( IS_NC_HEAD | WRITE )"),
        (
            "systemFlags",
            b"-1946157056",
            "0x8C000000 = ( DOMAIN_DISALLOW_MOVE | DOMAIN_DISALLOW_RENAME | DISALLOW_DELETE )",
        ),
        ("sAMAccountType", b"805306368", "805306368 = ( NORMAL_USER_ACCOUNT )"),
        ("sAMAccountType", b"7", "7"),
        ("primaryGroupID", b"513", "513 = ( GROUP_RID_USERS )"),
        ("primaryGroupID", b"1104", "1104"),
        ("accountExpires", b"9223372036854775807", "9223372036854775807 (never)"),
        ("lastLogon", b"0", "0 (never)"),
        ("pwdLastSet", b"129948021350000000", "10/15/2012 7:15:35 PM Coordinated Universal Time"),
        ("pwdLastSet", b"116444736000000000", "1/1/1970 12:00:00 AM Coordinated Universal Time"),
        ("lastLogon", b"9223372036854775806", "9223372036854775806"),
        ("whenCreated", b"20230905160039.0Z", "9/5/2023 4:00:39 PM Coordinated Universal Time"),
        ("whenCreated", b"20230905120039Z", "9/5/2023 12:00:39 PM Coordinated Universal Time"),
        ("whenCreated", b"20231305120039Z", "20231305120039Z"),
        ("maxPwdAge", b"-36288000000000", "42:00:00:00"),
        ("lockoutDuration", b"-18000000000", "0:00:30:00"),
        ("forceLogoff", b"-9223372036854775808", "-9223372036854775808 (never)"),
        ("maxPwdAge", b"42", "42"),
        ("nTSecurityDescriptor", b"abc", "<ldp: Binary blob 3 bytes>"),
        ("userCertificate;binary", b"abc", "<ldp: Binary blob 3 bytes>"),
        ("description", b"\x1b[2J\n", "\\x1b[2J\\n"),
        ("userPassword", b"hunter2", "<ldp: 7 bytes, not shown>"),
        ("unicodePwd", b"hunter2", "<ldp: 7 bytes, not shown>"),
        ("supportedControl", b"1.2.840.113556.1.4.319", "1.2.840.113556.1.4.319 = ( PAGED_RESULT )"),
    ],
)
def test_a_value_is_shown_as_ldp_shows_it(name: str, value: bytes, text: str) -> None:
    assert shown(name, value) == text
