"""Whom an account may act as: itself, and whom its authzTo names; and what it has become then."""

from base64 import b64encode
from typing import Any

import pytest

from ldapserver.audit.status import BindReason, Status
from ldapserver.directory.authzid import AuthzId, InvalidAuthzId
from ldapserver.directory.ldif import InvalidLDIF, read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.policy import NO_POLICY, Policy
from ldapserver.extended import WHO_AM_I
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import (
    Change,
    Control,
    ExtendedRequest,
    ModifyOperation,
    PartialAttribute,
    ResultCode,
)
from tests.server.stage import LDIF, Stage, simple, stage
from tests.server.test_directory import run

U2 = "uid=u2,ou=people,dc=contoso,dc=com"
OF_U1 = "userPassword: password\n\ndn: uid=u2"  # where the entry of u1 ends


def with_rule(*values: str) -> Stage:
    """A server on which u1 has these values of authzTo."""
    lines = "".join(f"authzTo: {value}\n" for value in values)
    assert LDIF.count(OF_U1) == 1
    return stage(
        LDIF.replace(OF_U1, "userPassword: password\n" + lines + OF_U1.removeprefix("userPassword: password\n"))
    )


@pytest.mark.parametrize(
    "rule", [f"dn.exact:{U2}", f"dn:{U2.upper()}", "u:u2", "U:U2", f"{{0}}dn.exact:{U2}", f"DN:{U2}"]
)
@pytest.mark.parametrize("authzid", ["u:u2", f"dn:{U2}", "u:u2@contoso.com", f"DN:{U2.upper()}"])
def test_account_becomes_whom_its_rule_names(rule: str, authzid: str) -> None:
    on = with_rule(rule)
    assert on.digest(authzid=authzid).result_code == ResultCode.SUCCESS
    assert on.session.identity.authzid == f"dn:{U2}"
    (record,) = on.records
    # Who proved the password is u1; whom it acts as stands beside it.
    assert (record.account, record.status, record.result_code) == ("u1", Status.SUCCESS, 0)


def test_first_rule_is_not_the_only_one() -> None:
    on = with_rule("u:jürgen", "u:nobody-of-this-name", "u:twin", "u:u2")
    assert on.digest(authzid="u:u2").result_code == ResultCode.SUCCESS


def test_itself_is_always_allowed_and_remains_the_default() -> None:
    for authzid in ("u:u1", None):
        on = with_rule("u:u2")
        assert on.digest(authzid=authzid).result_code == ResultCode.SUCCESS
        assert on.session.identity.authzid.startswith("dn:uid=u1,")


@pytest.mark.parametrize(
    "authzid", ["u:jürgen", "u:twin", "u:nobody-of-this-name", f"dn:cn=x,{U2}", "dn:", "u:", "u2", "dn:=", "x:u2"]
)
def test_nobody_else(authzid: str) -> None:
    on = with_rule("u:u2")
    response = on.digest(authzid=authzid)
    assert response.result_code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert response.server_sasl_creds is None
    assert on.session.identity.anonymous
    assert on.records[0].reason is BindReason.AUTHZID_REFUSED


def test_rule_does_not_work_backwards() -> None:
    on = with_rule("u:u2")
    assert on.digest("u2", "another", authzid="u:u1").result_code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS


def test_rule_of_another_entry_does_not_count() -> None:
    on = with_rule("u:u2")
    assert on.digest("jürgen", "pässwörd", authzid="u:u2").result_code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS


@pytest.mark.parametrize(
    "rule", ["dn.regex:uid=.*", "ldap:///dc=contoso,dc=com??sub?(uid=u2)", "u2", "dn:no dn", "group:cn=x"]
)
def test_rule_that_would_not_be_kept_is_refused_with_its_place(rule: str) -> None:
    ldif = "dn: dc=contoso,dc=com\nobjectClass: domain\n\n"
    ldif += f"dn: uid=a,dc=contoso,dc=com\nobjectClass: account\nuid: a\nauthzTo: {rule}\n"
    with pytest.raises(
        InvalidLDIF, match=r"^here:4: uid=a,dc=contoso,dc=com: authzTo: .*; dn\.exact:, dn: and u: are"
    ):
        MemoryDirectory([("here", read_ldif(ldif, "here"))])


def test_rule_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidAuthzId, match=r"^authzTo: must be UTF-8$"):
        AuthzId.of_rule(b"u:\xff")


def test_authzid_knows_no_dn_exact() -> None:
    # That is OpenLDAP's, and for its rules.
    assert AuthzId.parse(f"dn:{U2}") == AuthzId(dn=DN.parse(U2))
    with pytest.raises(InvalidAuthzId, match=r"^must begin with dn: or u:$"):
        AuthzId.parse(f"dn.exact:{U2}")


# SASLprep


def prepared(password: str, *, saslprep: bool) -> Stage:
    ldif = LDIF.replace("userPassword: another", f"userPassword: {password}")
    return stage(
        directory=MemoryDirectory([("stage", read_ldif(ldif, "stage"))], netbios="CONTOSO", saslprep=saslprep)
    )


def test_password_is_prepared_for_digests_when_asked_to() -> None:
    # ROMAN NUMERAL NINE and a soft hyphen, which a client that prepares sends as IXx.
    for saslprep, taken in ((True, "IXx"), (False, "\u2168\u00adx")):
        on = prepared("\u2168\u00adx", saslprep=saslprep)
        assert on.digest("u2", taken).result_code == ResultCode.SUCCESS
    assert prepared("\u2168\u00adx", saslprep=True).digest("u2", "\u2168\u00adx").result_code == 49


def test_password_that_cannot_be_prepared_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidLDIF, match=r"^stage:\d+: uid=u2.*: password: unassigned code points forbidden"):
        prepared("\u0221", saslprep=True)


# What stands against whom it would become

BARRED = {
    "disabled": "userAccountControl: 514",
    "disabled elsewhere": "nsAccountLock: true",
    "expired": "accountExpires: 130000000000000000",
    "locked": "pwdAccountLockedTime: 000001010000Z",
    "hours": f"logonHours:: {b64encode(bytes(21)).decode()}",
    "workstation": "userWorkstations: PC1,PC2",
}
OF_U2 = "uid: u2\n"
ALLOWED = LDIF.replace(
    OF_U1, "userPassword: password\nauthzTo: u:u2\n" + OF_U1.removeprefix("userPassword: password\n")
)
PROXIED = "2.16.840.1.113730.3.4.18"


def with_state(line: str, policy: Policy = NO_POLICY, **settings: Any) -> Stage:
    """A server on which u1 may act as u2, of whose entry the line is."""
    assert ALLOWED.count(OF_U2) == 1
    ldif = ALLOWED.replace(OF_U2, f"{OF_U2}{line}\n")
    directory = MemoryDirectory([("stage", read_ldif(ldif, "stage"))], netbios="CONTOSO", policy=policy)
    return stage(directory=directory, **settings)


@pytest.mark.parametrize("line", BARRED.values(), ids=BARRED.keys())
def test_nobody_becomes_whom_something_stands_against(line: str) -> None:
    on = with_state(line, Policy(lockout_threshold=3))
    before = counted(on)
    refused = on.digest(authzid="u:u2")
    assert refused == with_state("description: x").digest(authzid="u:nobody-of-this-name")
    assert refused.result_code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert on.records[-1].reason is BindReason.AUTHZID_REFUSED
    assert on.session.identity.anonymous
    assert on.events == []
    assert counted(on) == before


@pytest.mark.parametrize("admins", [(), ("uid=u1,ou=people,dc=contoso,dc=com",)], ids=["authzTo", "administrator"])
@pytest.mark.parametrize("line", BARRED.values(), ids=BARRED.keys())
def test_no_request_is_carried_out_as_whom_something_stands_against(line: str, admins: tuple[str, ...]) -> None:
    on = with_state(line, Policy(lockout_threshold=3), admins=admins)
    before = counted(on)
    on.bind(simple("u1", "password"))
    refused = on.ask(ExtendedRequest(WHO_AM_I), controls=(Control(PROXIED, True, b"u:u2"),))
    nobody = on.ask(ExtendedRequest(WHO_AM_I), controls=(Control(PROXIED, True, b"u:u9"),))
    assert refused.result_code is nobody.result_code is ResultCode.AUTHORIZATION_DENIED
    assert refused.diagnostic_message == nobody.diagnostic_message.replace("u9", "u2")
    assert counted(on) == before


@pytest.mark.parametrize("line", ["pwdLastSet: 0", "userWorkstations: ldap1", "badPwdCount: 2"])
def test_the_age_of_a_password_that_nobody_shows_does_not_matter(line: str) -> None:
    on = with_state(line, Policy(lockout_threshold=3, max_password_age=1))
    before = counted(on)
    assert on.digest(authzid="u:u2").result_code == ResultCode.SUCCESS
    on.bind(simple("u1", "password"))
    answer = on.ask(ExtendedRequest(WHO_AM_I), controls=(Control(PROXIED, True, b"u:u2"),))
    assert answer.result_code == ResultCode.SUCCESS
    assert counted(on) == before


def test_who_is_kept_out_since_the_bind_is_not_itself_by_proxied_authorization() -> None:
    on = with_state("description: x")
    on.bind(simple("u2", "another"))
    itself = Control(PROXIED, True, b"u:u2")
    assert on.ask(ExtendedRequest(WHO_AM_I), controls=(itself,)).result_code == ResultCode.SUCCESS
    disable = Change(ModifyOperation.REPLACE, PartialAttribute("userAccountControl", (b"514",)))
    run(on.service.directory.modify(DN.parse(U2), [disable], by=DN.parse(U2), admin=True))
    refused = on.ask(ExtendedRequest(WHO_AM_I), controls=(itself,))
    assert refused.result_code == ResultCode.AUTHORIZATION_DENIED


def counted(on: Stage) -> tuple[tuple[bytes, ...], ...]:
    entry = run(on.service.directory.read(DN.parse(U2)))
    assert entry is not None
    return tuple([entry.get(name) for name in ("badPwdCount", "badPasswordTime", "lockoutTime")])
