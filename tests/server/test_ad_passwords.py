"""unicodePwd over a connection: who may set it, how, on which connections, and what is kept of it."""

from base64 import b64encode
from dataclasses import replace
from hashlib import md5

import pytest

from ldapserver.directory.memory import MemoryDirectory
from ldapserver.sasl.mechanism import TLS, Connection
from ldapserver.wire.messages import ResultCode
from sasl_digest import Cipher, WDigest
from sasl_digest.layers import ConfidentialityLayer

from .domain import ADD, ALICE, BASE, DELETE, REPLACE, Domain, directory, utf16
from .stage import Channel

HASHED = f"uid=hashed,ou=people,{BASE}"
NEW = f"cn=New,ou=staff,{BASE}"


def test_administrator_resets() -> None:
    domain = Domain()
    before = domain.read(ALICE, "pwdLastSet")
    assert domain.modify(ALICE, (REPLACE, "unicodePwd", [utf16("Cherry tart 3")])).result_code is ResultCode.SUCCESS
    assert domain.read(ALICE, "pwdLastSet") == before == {"pwdLastSet": ["134117966450000000"]}
    assert domain.bind("alice", "Apple pie 1") is ResultCode.INVALID_CREDENTIALS
    assert domain.bind("alice", "Cherry tart 3") is ResultCode.SUCCESS
    assert domain.stage.digest("alice", "Cherry tart 3").result_code is ResultCode.SUCCESS


def test_user_changes_the_own_with_the_old_one() -> None:
    domain = Domain(name="alice", password="Apple pie 1")
    wrong = domain.modify(
        ALICE, (DELETE, "unicodePwd", [utf16("Apple pie")]), (ADD, "unicodePwd", [utf16("Cherry tart 3")])
    )
    assert wrong.result_code is ResultCode.CONSTRAINT_VIOLATION
    assert wrong.diagnostic_message.startswith("00000056: AtrErr")
    right = domain.modify(
        ALICE, (DELETE, "unicodePwd", [utf16("Apple pie 1")]), (ADD, "unicodePwd", [utf16("Cherry tart 3")])
    )
    assert right.result_code is ResultCode.SUCCESS
    assert domain.bind("alice", "Cherry tart 3") is ResultCode.SUCCESS
    assert domain.bind("alice", "Apple pie 1") is ResultCode.INVALID_CREDENTIALS


def test_user_resets_nothing_and_changes_nobody_elses() -> None:
    domain = Domain(name="alice", password="Apple pie 1")
    reset = domain.modify(ALICE, (REPLACE, "unicodePwd", [utf16("Cherry tart 3")]))
    assert reset.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    other = domain.modify(
        HASHED, (DELETE, "unicodePwd", [utf16("sesame")]), (ADD, "unicodePwd", [utf16("Cherry tart 3")])
    )
    assert other.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS


def reset(domain: Domain) -> int:
    return domain.modify(ALICE, (REPLACE, "unicodePwd", [utf16("Cherry tart 3")])).result_code


def test_in_the_clear_nothing_is_set() -> None:
    domain = Domain(protected=False)
    refused = domain.modify(ALICE, (REPLACE, "unicodePwd", [utf16("Cherry tart 3")]))
    assert refused.result_code is ResultCode.UNWILLING_TO_PERFORM
    assert refused.diagnostic_message.startswith("0000001F: SvcErr")
    added = domain.add(NEW, objectClass="user", unicodePwd=utf16("Cherry tart 3"))
    assert (added.result_code, added.diagnostic_message) == (refused.result_code, refused.diagnostic_message)
    domain.stage.session.secured(TLS(b"end point"))
    assert reset(domain) is ResultCode.SUCCESS


@pytest.mark.parametrize(
    ("cipher", "bits"),
    [(Cipher.RC4, 128), (Cipher.TRIPLE_DES, 112), (Cipher.DES, 56), (Cipher.RC4_56, 56), (Cipher.RC4_40, 40)],
)
def test_a_security_layer_protects_by_the_length_of_its_key(cipher: Cipher, bits: int) -> None:
    connection = Connection(Channel())
    assert connection.strength == 0
    layer = object.__new__(ConfidentialityLayer)
    layer.cipher = cipher
    assert replace(connection, layer=layer).strength == bits


def test_entry_is_added_with_its_password() -> None:
    domain = Domain()
    enabled = {"objectClass": "user", "sAMAccountName": "new", "userAccountControl": "512"}
    added = domain.add(NEW, **enabled, unicodePwd=utf16("Cherry tart 3"))
    assert added.result_code is ResultCode.SUCCESS
    assert domain.read(NEW, "pwdLastSet") == {"pwdLastSet": ["134117966450000000"]}
    assert domain.bind(r"CONTOSO\new", "Cherry tart 3") is ResultCode.SUCCESS


def test_it_is_never_shown_nor_matched() -> None:
    domain = Domain()
    assert reset(domain) is ResultCode.SUCCESS
    entry = domain.read(ALICE, "*", "+", "unicodePwd", "userPassword")
    assert not {"unicodepwd", "userpassword"} & {name.lower() for name in entry}
    assert domain.names("(unicodePwd=*)") == set()


def test_every_form_is_made_anew() -> None:
    wdigest = WDigest.of("old one", "w", None, "CONTOSO", "contoso.com")
    ldif = f"""\
dn: {BASE}
objectClass: domainDNS

dn: cn=W,{BASE}
objectClass: user
sAMAccountName: w
userPassword: {{HA1}}contoso.com:{md5(b"w:contoso.com:old one").hexdigest()}
userPassword: {{WDIGEST}}{b64encode(wdigest.blobs[0]).decode()}
userPassword: old one
"""
    domain = Domain(directory(ldif), name="w", password="old one")
    changed = domain.modify(
        f"cn=W,{BASE}", (DELETE, "unicodePwd", [utf16("old one")]), (ADD, "unicodePwd", [utf16("new one")])
    )
    assert changed.result_code is ResultCode.SUCCESS
    stored = _secrets(domain.directory)
    assert sorted(value[:9] for value in stored) == [b"new one", b"{HA1}cont", b"{WDIGEST}"]
    assert b"{HA1}contoso.com:" + md5(b"w:contoso.com:new one").hexdigest().encode() in stored


def _secrets(where: MemoryDirectory) -> list[bytes]:
    return [
        value
        for _, attributes in where.records(with_secrets=True)
        for name, values in attributes
        if name == "userPassword"
        for value in values
    ]


def test_empty_password_is_against_policy() -> None:
    domain = Domain()
    refused = domain.modify(ALICE, (REPLACE, "unicodePwd", [utf16("")]))
    assert refused.result_code is ResultCode.UNWILLING_TO_PERFORM
    assert refused.diagnostic_message.startswith("0000052D")


def test_whoever_must_change_it_is_marked() -> None:
    domain = Domain()
    assert domain.modify(
        ALICE, (REPLACE, "unicodePwd", [utf16("Cherry tart 3")]), (REPLACE, "pwdLastSet", ["0"])
    ).result_code is (ResultCode.SUCCESS)
    assert domain.read(ALICE, "pwdLastSet", "msDS-User-Account-Control-Computed") == {
        "pwdLastSet": ["0"],
        "msDS-User-Account-Control-Computed": ["8388608"],
    }
    assert domain.modify(ALICE, (REPLACE, "pwdLastSet", ["-1"])).result_code is ResultCode.SUCCESS
    assert domain.read(ALICE, "pwdLastSet", "msDS-User-Account-Control-Computed") == {
        "pwdLastSet": ["134117966450000000"],
        "msDS-User-Account-Control-Computed": ["0"],
    }
    # Other attributes that hold passwords say when they were set too.
    assert domain.modify(ALICE, (REPLACE, "pwdLastSet", ["0"])).result_code is ResultCode.SUCCESS
    assert domain.modify(ALICE, (REPLACE, "userPassword", ["Cherry tart 4"])).result_code is ResultCode.SUCCESS
    assert domain.read(ALICE, "pwdLastSet") == {"pwdLastSet": ["134117966450000000"]}
