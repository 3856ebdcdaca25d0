"""Event 4672: who is an administrator, by name or by the groups it is in, and which privileges that comes to."""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from ldapserver.audit.kinds import LOGOFF, LOGON, SPECIAL_LOGON
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.ad.privileges import KnownPrivileges
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.privileges import ADMINISTRATOR, BACKUP
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import ResultCode, UnbindRequest
from tests.authority import Authority
from tests.server.domain import ADD, ADMIN, ALICE, BASE, BOB, DELETE, EXAMPLE, REPLACE, Domain, directory
from tests.server.stage import LDIF, U1, sasl, simple, stage
from tests.server.test_logons import Judging, fields, ids, last, logged

USERS = f"cn=Users,{BASE}"
DOMAIN_ADMINS = f"cn=Domain Admins,{USERS}"
SID = "S-1-5-21-2101775156-2933056243-2086286184"
NAMED_IN_A_CERTIFICATE = Authority().issue()


def test_an_administrator_of_ours_has_special_privileges() -> None:
    on = stage(admins=(U1,))
    on.digest()
    assert ids(on) == [4776, 4672]
    event = last(on)
    assert event | {"SubjectLogonId": ""} == {
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "u1",
        "SubjectDomainName": "CONTOSO",
        "SubjectLogonId": "",
        "PrivilegeList": "\n\t\t\t".join(ADMINISTRATOR),
    }
    on.send(UnbindRequest())
    assert ids(on) == [4776, 4672]  # what no 4624 has told of is not told to end


def test_special_privileges_are_those_of_the_logon() -> None:
    on = logged(admins=(U1,))
    on.digest()
    on.send(UnbindRequest())
    assert ids(on) == [4776, 4624, 4672, 4634]
    logon, special, ended = map(fields, on.events)
    assert logon["TargetLogonId"] == special["SubjectLogonId"] == ended["TargetLogonId"]
    assert logon["ElevatedToken"] == "%%1842"
    on = logged(admins=(U1,))
    on.digest("u2", "another")
    assert ids(on) == [4776, 4624]


def test_an_administrator_by_certificate_has_them_too() -> None:
    on = stage(admins=(U1,))
    on.session.secured(TLS(bytes(32), NAMED_IN_A_CERTIFICATE.der))
    on.bind(sasl(b"", "EXTERNAL"))
    assert ids(on) == [4672]


def privileges(domain: Domain, name: str, password: str) -> tuple[str, ...]:
    """The privileges that a bind of this name is given by its 4672; none where it has none."""
    domain.stage.sink.records.clear()
    assert domain.bind(name, password) is ResultCode.SUCCESS
    events = [event for event in domain.stage.events if event.kind is SPECIAL_LOGON]
    return tuple(fields(events[0])["PrivilegeList"].split("\n\t\t\t")) if events else ()


KEYS = (f"cn=Administrator,{USERS}", "Keys to 1 castle")


def test_a_domain_admin_is_one_by_its_groups() -> None:
    domain = Domain(logon_events=True)
    assert privileges(domain, *KEYS) == ADMINISTRATOR
    assert [event.kind for event in domain.stage.events] == [LOGOFF, LOGON, SPECIAL_LOGON]
    _, logon, special = map(fields, domain.stage.events)
    assert (logon["TargetUserSid"], logon["ElevatedToken"]) == (f"{SID}-500", "%%1842")
    assert (special["SubjectUserSid"], special["SubjectUserName"]) == (f"{SID}-500", "Administrator")
    assert privileges(domain, BOB, "Bread rolls 2") == ()


def test_a_lockout_names_the_account_by_its_sid() -> None:
    made = directory()
    made.judge = Judging.judge.__get__(made)  # type: ignore[method-assign]
    made.judgement = Judgement(locked=True)  # type: ignore[attr-defined]
    on = stage(directory=made)
    on.bind(simple("CONTOSO\\Administrator", "wrong"))
    event = last(on)
    assert (event["TargetUserName"], event["TargetSid"]) == ("Administrator", f"{SID}-500")


def member(domain: Domain, group: str, who: str, what: Any = ADD) -> None:
    assert domain.modify(group, (what, "member", [who])).result_code is ResultCode.SUCCESS


def administered() -> tuple[Domain, Domain]:
    """An administrator's connection, and another to the same directory."""
    made = directory()
    return Domain(made), Domain(made, name="")


BAKER = (BOB, "Bread rolls 2")


def test_groups_within_groups_count_and_every_write_is_seen() -> None:
    admin, on = administered()
    research = f"cn=research,ou=groups,{BASE}"
    assert privileges(on, *BAKER) == ()
    member(admin, DOMAIN_ADMINS, research)
    assert privileges(on, *BAKER) == ADMINISTRATOR
    assert admin.modify(research, (REPLACE, "groupType", ["2"])).result_code is ResultCode.SUCCESS
    assert privileges(on, *BAKER) == ()  # a distribution group passes nothing on
    assert admin.modify(research, (REPLACE, "groupType", ["-2147483646"])).result_code is ResultCode.SUCCESS
    assert privileges(on, *BAKER) == ADMINISTRATOR
    member(admin, DOMAIN_ADMINS, research, DELETE)
    assert privileges(on, *BAKER) == ()


def test_the_primary_group_counts() -> None:
    admin, on = administered()
    member(admin, DOMAIN_ADMINS, BOB)
    assert admin.modify(BOB, (REPLACE, "primaryGroupID", ["512"])).result_code is ResultCode.SUCCESS
    assert "member" not in admin.read(DOMAIN_ADMINS, "member") or BOB not in admin.read(DOMAIN_ADMINS)["member"]
    assert privileges(on, *BAKER) == ADMINISTRATOR
    assert admin.modify(BOB, (REPLACE, "primaryGroupID", ["513"])).result_code is ResultCode.SUCCESS
    member(admin, DOMAIN_ADMINS, BOB, DELETE)
    assert privileges(on, *BAKER) == ()


def test_a_group_that_is_deleted_renamed_or_restored_counts_as_it_is() -> None:
    admin, on = administered()
    group = f"cn=deputies,ou=groups,{BASE}"
    assert (
        admin.add(group, objectClass="group", groupType="-2147483646", member=BOB).result_code is ResultCode.SUCCESS
    )
    member(admin, DOMAIN_ADMINS, group)
    assert privileges(on, *BAKER) == ADMINISTRATOR
    kept = on.directory.snapshot()
    assert admin.rename(group, "cn=stand-ins").result_code is ResultCode.SUCCESS
    assert privileges(on, *BAKER) == ADMINISTRATOR
    assert admin.delete(f"cn=stand-ins,ou=groups,{BASE}").result_code is ResultCode.SUCCESS
    assert privileges(on, *BAKER) == ()
    on.directory.restore(kept)
    assert privileges(on, *BAKER) == ADMINISTRATOR


def test_who_has_the_name_of_another_does_not_have_its_privileges() -> None:
    admin, on = administered()
    member(admin, DOMAIN_ADMINS, ALICE)
    assert privileges(on, *BAKER) == ()
    assert admin.rename(BOB, "cn=Bob was here").result_code is ResultCode.SUCCESS
    assert admin.rename(ALICE, "cn=Bob Baker").result_code is ResultCode.SUCCESS
    assert privileges(on, BOB, "Apple pie 1") == ADMINISTRATOR


@pytest.mark.parametrize(
    ("name", "builtin", "given"),
    [
        ("Enterprise Admins", False, ADMINISTRATOR),
        ("Schema Admins", False, ADMINISTRATOR),
        ("Backup Operators", True, BACKUP),
        ("Server Operators", True, BACKUP),
        ("Print Operators", True, ("SeLoadDriverPrivilege",)),
        ("Account Operators", True, ()),
        ("Users", True, ()),
        ("Domain Guests", False, ()),
        ("Backup Operators", False, ()),  # any group may be called so: it is the SID that counts
    ],
)
def test_privileges_go_with_the_group_s_sid(name: str, builtin: bool, given: Sequence[str]) -> None:
    dn = f"cn={name},cn={'Builtin' if builtin else 'Users'},{BASE}"
    kind = -2147483643 if builtin else -2147483646
    group = f"\ndn: {dn}\nobjectClass: group\nsAMAccountName: {name}\ngroupType: {kind}\nmember: {ALICE}\n"
    made = directory(EXAMPLE.read_text("utf-8").rstrip() + "\n" + group)
    on = stage(directory=made)
    assert tuple(_steps(made.privileges(DN.parse(ALICE)))) == tuple(given)
    assert tuple(_steps(made.privileges(DN.parse(BOB)))) == ()
    assert tuple(_steps(made.privileges(DN.parse("cn=nobody")))) == ()
    assert ids(on) == []


def _steps(coroutine: Any) -> Any:
    """What a coroutine that waits for nothing comes to."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def test_privileges_are_looked_for_once() -> None:
    looked: Iterator[int] = count()
    remembered, bob = KnownPrivileges(), DN.parse(BOB)

    def find() -> tuple[str, ...]:
        return (f"{next(looked)}",)

    assert [remembered.of(bob, find), remembered.of(DN.parse(BOB.upper()), find)] == [("0",), ("0",)]
    made = directory()
    before = _steps(made.read(bob))
    counted = before.of(bob, *_with(before, "badPwdCount", b"3"))
    remembered.written(before, counted)
    assert remembered.of(bob, find) == ("0",)
    remembered.written(counted, counted.of(bob, *_with(counted, "primaryGroupID", b"512")))
    assert remembered.of(bob, find) == ("1",)
    remembered.written(None, counted)
    assert remembered.of(bob, find) == ("2",)


def _with(entry: Any, name: str, value: bytes) -> tuple[Any, Any]:
    at = entry.shape.positions[name.lower()]
    return entry.shape, (*entry.values[:at], (value,), *entry.values[at + 1 :])


def test_a_sid_is_that_of_the_entry_under_any_profile() -> None:
    octets = "AQUAAAAAAAUVAAAAdG5HfXN+0q4YqFl86AMAAA=="
    made = MemoryDirectory(
        [("stage", read_ldif(LDIF.replace("uid: u1\n", f"uid: u1\nobjectSid:: {octets}\n"), "stage"))]
    )
    assert re.fullmatch(r"S-1-5-21(-\d+){3}-1000", _steps(made.sid(DN.parse(U1))))
    assert _steps(made.sid(DN.parse("uid=u2,ou=people,dc=contoso,dc=com"))) is None
    assert _steps(made.sid(DN.parse("cn=nobody"))) is None
    broken = MemoryDirectory([("stage", read_ldif(LDIF.replace("uid: u1\n", "uid: u1\nobjectSid: S-1\n"), "stage"))])
    assert _steps(broken.sid(DN.parse(U1))) is None


def test_admin_of_the_example_is_one_without_a_group() -> None:
    assert privileges(Domain(), ADMIN, "admin secret") == ADMINISTRATOR
