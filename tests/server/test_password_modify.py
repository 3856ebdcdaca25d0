"""Password Modify: whose, with what, in which forms, and who may not."""

from base64 import b64encode
from typing import Any

import pytest

from ldapserver.access import ANONYMOUS
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.password_modify import PASSWORD_MODIFY
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import BindResponse, ExtendedRequest, ExtendedResponse, ResultCode, Scope
from sasl_digest import WDigest
from tests.server.stage import DEAR, LDIF, U1, Stage, search, simple, stage

PEOPLE = "ou=people,dc=contoso,dc=com"
ADMIN = "uid=u2,ou=people,dc=contoso,dc=com"
HASHES = b64encode(WDigest.of("old", "wanda", "wanda@contoso.com", "CONTOSO", "contoso.com").blobs[0]).decode()
MORE = f"""
dn: uid=wanda,{PEOPLE}
objectClass: inetOrgPerson
uid: wanda
cn: Wanda
sn: Digest
userPrincipalName: wanda@contoso.com
userPassword: {{WDIGEST}}{HASHES}
userPassword: {{SSHA}}{b64encode(bytes(20) + b"salt").decode()}
"""


def tlv(tag: int, contents: bytes) -> bytes:
    return bytes([tag, len(contents)]) + contents


def value(identity: str | None = None, old: str | None = None, new: str | None = None) -> bytes:
    """A PasswdModifyRequestValue."""
    given = ((0x80, identity), (0x81, old), (0x82, new))
    return tlv(0x30, b"".join(tlv(number, text.encode()) for number, text in given if text is not None))


def request(*given: str | None, **more: str | None) -> ExtendedRequest:
    return ExtendedRequest(PASSWORD_MODIFY, value(*given, **more))


def user(name: str = "u1", password: str = "password", ldif: str = LDIF + MORE, **settings: Any) -> Stage:
    on = stage(ldif, admins=(ADMIN,), **settings)
    assert on.bind(simple(name, password)).result_code is ResultCode.SUCCESS
    return on


def administrator(ldif: str = LDIF + MORE, **settings: Any) -> Stage:
    return user("u2", "another", ldif, **settings)


def binds(on: Stage, name: str, password: str) -> bool:
    """Whether these are right, by a simple bind and by DIGEST-MD5 alike."""
    simply = on.bind(simple(name, password)).result_code
    digest = on.digest(name, password).result_code
    assert simply == digest
    return simply is ResultCode.SUCCESS


def root_dse(on: Stage) -> dict[str, tuple[bytes, ...]]:
    entries, _ = on.search(search("", Scope.BASE_OBJECT))
    return entries[""]


SUCCESS = ExtendedResponse(ResultCode.SUCCESS)


@pytest.mark.parametrize(
    "identity", [None, "", U1, U1.upper(), f"dn:{U1}", "u:u1", "u1", "CONTOSO\\u1", "u1@contoso.com"]
)
@pytest.mark.parametrize("old", [None, "password"])
def test_a_user_changes_the_own_password(identity: str | None, old: str | None) -> None:
    on = user()
    assert on.ask(request(identity, old, "näw")) == SUCCESS
    assert not binds(on, "u1", "password")
    assert binds(on, "u1", "näw")


def test_a_wrong_old_password_changes_nothing() -> None:
    on = user()
    refused = on.ask(request(None, "guess", "new"))
    assert refused.result_code is ResultCode.UNWILLING_TO_PERFORM
    assert "guess" not in refused.diagnostic_message
    assert binds(on, "u1", "password")


@pytest.mark.parametrize(
    "identity", [ADMIN, "dn:" + ADMIN, "u:u2", f"uid=nobody-at-all,{PEOPLE}", "nobody", "twin", "dn:x"]
)
def test_of_others_a_user_changes_none_and_learns_nothing(identity: str) -> None:
    on = user()
    refused = on.ask(request(identity, "another", "new"))
    assert refused == user().ask(request("u:nobody-at-all", None, "new"))
    assert refused.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert binds(on, "u2", "another")


@pytest.mark.parametrize("identity", [None, U1])
def test_anonymous_changes_none(identity: str | None) -> None:
    on = stage()
    assert on.session.identity is ANONYMOUS
    assert on.ask(request(identity, "password", "new")).result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert binds(on, "u1", "password")


def test_an_administrator_sets_anybodys() -> None:
    on = administrator()
    for identity, name in ((U1, "u1"), ("hashed", "hashed"), ("u:secretless", "secretless")):
        assert on.ask(request(identity, None, "new")) == SUCCESS
        assert binds(on, name, "new")
        on.bind(simple("u2", "another"))


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        ("no-one", ResultCode.NO_SUCH_OBJECT),
        (f"uid=nobody-at-all,{PEOPLE}", ResultCode.NO_SUCH_OBJECT),
        ("twin", ResultCode.CONSTRAINT_VIOLATION),
    ],
)
def test_an_administrator_is_told_that_nobody_is_meant(identity: str, code: ResultCode) -> None:
    assert administrator().ask(request(identity, None, "new")).result_code is code


def test_every_form_is_made_anew() -> None:
    on = administrator()
    assert on.ask(request("wanda", None, "new")) == SUCCESS
    directory = on.service.directory
    assert isinstance(directory, MemoryDirectory)
    secrets = {dn: dict(attributes) for dn, attributes in directory.records(with_secrets=True)}
    stored = secrets[DN.parse(f"uid=wanda,{PEOPLE}")]["userPassword"]
    assert [each.partition(b"}")[0] for each in stored] == [b"{WDIGEST", b"{SSHA"]
    for name, realm in (("wanda", "contoso.com"), ("wanda", "CONTOSO"), ("wanda@contoso.com", "")):
        assert on.digest(name, "new", realm=realm).result_code is ResultCode.SUCCESS
        assert on.digest(name, "old", realm=realm).result_code is ResultCode.INVALID_CREDENTIALS
    assert on.bind(simple("wanda", "new")).result_code is ResultCode.SUCCESS


@pytest.mark.parametrize("value_", [None, value(), value(old="password")])
def test_without_a_new_one_the_server_makes_one_up(value_: bytes | None) -> None:
    on = user()
    answer = on.ask(ExtendedRequest(PASSWORD_MODIFY, value_))
    assert isinstance(answer, ExtendedResponse)
    assert answer.response_value is not None
    # SEQUENCE { [0] OCTET STRING }
    assert answer.response_value[:4] == b"\x30\x12\x80\x10"
    made_up = answer.response_value[4:].decode()
    assert len(made_up) == 16
    assert binds(on, "u1", made_up)
    assert not binds(on, "u1", "password")


@pytest.mark.parametrize(
    ("value_", "told"),
    [
        (b"", "requestValue"),
        (b"x", "BER"),
        (b"\x30\x02\x04\x00", "requestValue"),
        (value() + b"x", "BER"),
        (tlv(0x30, tlv(0x80, b"\xff")), "userIdentity"),
    ],
)
def test_a_malformed_value_is_a_protocol_error(value_: bytes, told: str) -> None:
    refused = user().ask(ExtendedRequest(PASSWORD_MODIFY, value_))
    assert refused.result_code is ResultCode.PROTOCOL_ERROR
    assert told in refused.diagnostic_message


def test_an_empty_password_is_refused() -> None:
    on = user()
    assert on.ask(request(None, None, "")).result_code is ResultCode.CONSTRAINT_VIOLATION
    assert binds(on, "u1", "password")


def test_dear_forms_are_worked_out_beside_the_loop() -> None:
    on = administrator(LDIF + DEAR)
    assert on.send(request("dear", None, "new")) == []
    on.channel.work()
    (answer,) = on.channel.taken()
    assert answer.operation == SUCCESS
    assert on.send(simple("dear", "new")) == []
    on.channel.work()
    bound = on.channel.taken()[0].operation
    assert isinstance(bound, BindResponse)
    assert bound.result_code is ResultCode.SUCCESS


def test_when_too_much_is_worked_out_it_is_busy() -> None:
    on = administrator(LDIF + DEAR)
    on.channel.full = True
    assert on.ask(request("dear", None, "new")).result_code is ResultCode.BUSY
    assert on.ask(request("dear", "old", "new")).result_code is ResultCode.BUSY


def test_it_tells_who_has_changed_the_entry() -> None:
    directory = MemoryDirectory([("stage", read_ldif(LDIF, "stage"))], netbios="CONTOSO")
    on = stage(directory=directory, admins=(ADMIN,))
    on.bind(simple("u2", "another"))
    on.ask(request(U1, None, "new"))
    by = dict(dict(directory.records())[DN.parse(U1)])["modifiersName"]
    assert by == (ADMIN.encode(),)


def test_it_is_listed() -> None:
    assert PASSWORD_MODIFY.encode() in root_dse(user())["supportedExtension"]
