"""Accounts after a write: who answers to a name, and with which password, from that moment on."""

import hashlib
import re
from base64 import b64encode
from typing import Any

import pytest

from ldapserver.directory.account import AmbiguousName
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Equality
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute, ResultCode
from sasl_digest import WDigest
from sasl_digest.credentials import READINGS

from .stage import HASHED, LDIF, SALTED, U1, Stage, simple, stage
from .test_directory import find, run

BASE = "dc=contoso,dc=com"
PEOPLE = f"ou=people,{BASE}"
BY = DN.parse("cn=admin")
ADD, DELETE, REPLACE, _ = ModifyOperation


def on_stage(ldif: str = LDIF) -> tuple[Stage, MemoryDirectory]:
    where = MemoryDirectory([("stage", read_ldif(ldif, "stage"))], netbios="CONTOSO")
    return stage(directory=where), where


def modify(where: MemoryDirectory, dn: str, *changes: tuple[ModifyOperation, str, tuple[bytes, ...]]) -> None:
    made = [Change(what, PartialAttribute(name, values)) for what, name, values in changes]
    run(where.modify(DN.parse(dn), made, by=BY))


def binds(on: Stage, name: str, password: str) -> tuple[bool, bool]:
    """Whether both ways lead in: DIGEST-MD5, and a simple bind by name."""
    digest = on.digest(name, password).result_code is ResultCode.SUCCESS
    return digest, on.bind(simple(name, password)).result_code is ResultCode.SUCCESS


YES, NO = (True, True), (False, False)


def test_a_new_password_counts_at_once_and_the_old_one_no_more() -> None:
    on, where = on_stage()
    assert binds(on, "u1", "password") == YES
    modify(where, U1, (REPLACE, "userPassword", (b"another",)))
    assert binds(on, "u1", "password") == NO
    assert binds(on, "u1", "another") == YES
    modify(where, U1, (DELETE, "userPassword", ()))
    assert binds(on, "u1", "another") == NO
    assert on.reasons[-1] == "no-usable-secret"  # somebody all the same
    modify(where, U1, (ADD, "USERPASSWORD", (b"third", b"fourth")))
    assert binds(on, "u1", "third") == binds(on, "u1", "fourth") == YES


@pytest.mark.parametrize(
    ("dn", "old"),
    [(U1, "password"), (f"uid=hashed,{PEOPLE}", "hashedpw"), (f"uid=salted,{PEOPLE}", "saltedpw")],
)
def test_the_old_password_is_deleted_by_what_it_is_in_the_clear(dn: str, old: str) -> None:
    _, where = on_stage()
    with pytest.raises(OperationRefused) as refused:
        modify(where, dn, (DELETE, "userPassword", (b"wrong",)), (ADD, "userPassword", (b"new",)))
    assert refused.value.result_code is ResultCode.NO_SUCH_ATTRIBUTE
    modify(where, dn, (DELETE, "userPassword", (old.encode(),)), (ADD, "userPassword", (b"new",)))
    assert dict(where.records(with_secrets=True))[DN.parse(dn)][-1] == ("userPassword", (b"new",))


def test_every_form_of_the_old_password_goes_and_stored_text_is_itself() -> None:
    _, where = on_stage()
    salted = f"uid=salted,{PEOPLE}"
    modify(where, salted, (ADD, "userPassword", (b"saltedpw", b"{CLEARTEXT}saltedpw", b"kept")))
    modify(where, salted, (DELETE, "userPassword", (b"saltedpw",)))
    modify(where, salted, (ADD, "userPassword", (SALTED.encode(),)), (DELETE, "userPassword", (SALTED.encode(),)))
    assert dict(where.records(with_secrets=True))[DN.parse(salted)][-1] == ("userPassword", (b"kept",))


def test_a_refused_form_is_named_and_not_shown() -> None:
    _, where = on_stage()
    for stored in (b"{MD5}c2VjcmV0", b"{SSHA}c2VjcmV0", b""):
        with pytest.raises(OperationRefused) as refused:
            modify(where, U1, (ADD, "userPassword", (stored,)))
        assert refused.value.result_code is ResultCode.CONSTRAINT_VIOLATION
        assert "c2VjcmV0" not in str(refused.value)


def test_names_lead_where_they_are_now() -> None:
    on, where = on_stage()
    modify(where, U1, (REPLACE, "sAMAccountName", (b"una",)), (REPLACE, "userPrincipalName", (b"una@contoso.com",)))
    assert find(where, "una") is find(where, "u1") is find(where, "una@contoso.com") is not None
    assert find(where, "u1@contoso.com") is None
    modify(where, U1, (REPLACE, "uid", (b"u1", b"one")))
    assert binds(on, "CONTOSO\\one", "password") == YES
    account = find(where, "one")
    assert account is not None
    assert account.name == "una"
    modify(where, U1, (DELETE, "uid", (b"one",)))
    assert find(where, "one") is None


def test_a_name_may_become_ambiguous_and_plain_again() -> None:
    _, where = on_stage()
    modify(where, f"uid=u2,{PEOPLE}", (ADD, "uid", (b"U1",)))
    with pytest.raises(AmbiguousName):
        find(where, "u1")
    run(where.delete(DN.parse(U1), by=BY))
    account = find(where, "u1")
    assert account is not None
    assert str(account.dn) == f"uid=u2,{PEOPLE}"


def test_an_account_moves_with_its_entry_and_stays_who_it_is() -> None:
    on, where = on_stage()
    run(where.modify_dn(DN.parse(PEOPLE), DN.parse("ou=folk"), True, by=BY))
    account = find(where, "u1")
    assert account is not None
    assert str(account.dn) == f"uid=u1,ou=folk,{BASE}"
    assert run(where.account_at(DN.parse(U1))) is None
    assert on.digest().result_code is ResultCode.SUCCESS
    assert on.who() == f"dn:uid=u1,ou=folk,{BASE}"
    assert on.bind(simple(f"uid=u1,ou=folk,{BASE}", "password")).result_code is ResultCode.SUCCESS


def test_hashes_of_a_name_are_kept_and_match_no_more_under_another() -> None:
    on, where = on_stage()
    dn = DN.parse(f"uid=hashed,{PEOPLE}")
    assert binds(on, "hashed", "hashedpw") == YES
    run(where.modify_dn(dn, DN.parse("uid=renamed"), True, by=BY))
    assert binds(on, "hashed", "hashedpw") == binds(on, "renamed", "hashedpw") == NO
    renamed = DN.parse(f"uid=renamed,{PEOPLE}")
    assert dict(where.records(with_secrets=True))[renamed][-1] == ("userPassword", (HASHED.encode(),))
    run(where.modify_dn(renamed, DN.parse("uid=hashed"), True, by=BY))
    assert binds(on, "hashed", "hashedpw") == YES


def test_wdigest_hashes_that_are_written_know_the_domain() -> None:
    on, where = on_stage()
    wdigest = WDigest.of(
        "pw", sam_account_name="u1", user_principal_name="u1@contoso.com", netbios="CONTOSO", dns="contoso.com"
    )
    stored = b"{WDIGEST}" + b64encode(wdigest.blobs[0])
    modify(where, U1, (REPLACE, "userPassword", (stored,)))
    assert binds(on, "u1", "pw") == YES
    assert on.digest("u1@contoso.com", "pw", realm="").result_code is ResultCode.SUCCESS


def test_who_an_account_may_act_as_follows() -> None:
    on, where = on_stage()
    acting = {"authzid": "u:u2"}
    assert on.digest(**acting).result_code is not ResultCode.SUCCESS
    modify(where, U1, (ADD, "authzTo", (b"u:u2",)))
    assert on.digest(**acting).result_code is ResultCode.SUCCESS
    assert on.who() == f"dn:uid=u2,{PEOPLE}"
    modify(where, U1, (DELETE, "authzTo", ()))
    assert on.digest(**acting).result_code is not ResultCode.SUCCESS


def test_an_entry_becomes_somebody_by_its_class_and_nobody_again() -> None:
    _, where = on_stage()
    dn = f"cn=thing,{BASE}"
    attributes = (("objectClass", (b"device",)), ("cn", (b"thing",)))
    run(where.add(DN.parse(dn), attributes, by=BY))
    assert find(where, "thing") is None
    modify(where, dn, (ADD, "objectClass", (b"person",)))
    assert find(where, "thing") is not None
    modify(where, dn, (DELETE, "objectClass", (b"PERSON",)))
    assert find(where, "thing") is None


def test_the_decoy_is_as_dear_as_the_dearest_password_written() -> None:
    _, where = on_stage()
    derived = b64encode(hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 5)).decode()
    modify(
        where, U1, (REPLACE, "userPassword", (b"{PBKDF2-SHA256}5$" + b64encode(b"salt") + b"$" + derived.encode(),))
    )
    assert [password.cost for password in where.decoy.passwords] == [10]
    assert not where.decoy.passwords[0].check(b"pw")


@pytest.mark.interpreted("sasl_digest.server")
def test_a_failure_costs_what_the_account_with_most_secrets_costs_now(monkeypatch: pytest.MonkeyPatch) -> None:
    on, where = on_stage()
    compared = 0

    def counted(data: bytes) -> Any:
        nonlocal compared
        compared += re.search(rb":auth:[0-9a-f]{32}$", data) is not None  # what a response is compared with
        return hashlib.md5(data)

    monkeypatch.setattr("sasl_digest.digest.md5", counted)

    def costs(name: str) -> int:
        nonlocal compared
        compared = 0
        assert on.digest(name, "wrong").result_code is ResultCode.INVALID_CREDENTIALS
        return compared

    assert costs("u1") == costs("u2") == costs("nobody at all") == READINGS
    modify(where, U1, (ADD, "userPassword", (b"second", b"third")))
    assert where.most_secrets == 3 * READINGS
    assert costs("u1") == costs("u2") == costs("nobody at all") == 3 * READINGS
    assert on.digest("u1", "third").result_code is ResultCode.SUCCESS


def test_an_index_forgets_what_is_gone() -> None:
    _, where = on_stage()
    filter, schema = Equality("cn", b"una one"), where.schema
    assert where._contents.index.candidates(filter, schema)
    modify(where, U1, (REPLACE, "cn", (b"other",)))
    assert not where._contents.index.candidates(filter, schema)
