"""What an account's attributes become when it is unlocked, given a password, or told to change it."""

import pytest

from ldapserver.directory.account_reset import AccountReset, reset
from ldapserver.directory.entry import Entry
from ldapserver.wire.dn import DN

NOW = 134_000_000_000_000_000
UNLOCK, MUST, MUST_NOT = AccountReset(unlock=True), AccountReset(True), AccountReset(False)


@pytest.mark.parametrize(
    ("held", "asked", "new_password", "becomes"),
    [
        ({}, AccountReset(), True, {}),
        ({"pwdLastSet": b"1"}, AccountReset(), True, {"pwdLastSet": (b"%d" % NOW,)}),
        ({"pwdLastSet": b"0"}, AccountReset(), True, {"pwdLastSet": (b"%d" % NOW,)}),
        ({"pwdLastSet": b"1"}, UNLOCK, False, {}),
        ({}, MUST, False, {"pwdLastSet": (b"0",)}),
        ({"pwdLastSet": b"1"}, MUST, True, {"pwdLastSet": (b"0",)}),
        ({"pwdLastSet": b"0"}, MUST_NOT, False, {"pwdLastSet": (b"%d" % NOW,)}),
        ({}, MUST_NOT, False, {}),
        ({"userAccountControl": b"8389136"}, AccountReset(), True, {"userAccountControl": (b"528",)}),
        ({"userAccountControl": b"8389136"}, UNLOCK, False, {"userAccountControl": (b"8389120",)}),
        ({"userAccountControl": b"512"}, UNLOCK, True, {}),
        ({"userAccountControl": b"what?"}, UNLOCK, True, {}),
        ({"lockoutTime": b"0", "badPwdCount": b"0"}, UNLOCK, False, {}),
        (
            {"lockoutTime": b"7", "badPwdCount": b"3", "pwdAccountLockedTime": b"000001010000Z"},
            UNLOCK,
            False,
            {"lockoutTime": (b"0",), "badPwdCount": (b"0",), "pwdAccountLockedTime": ()},
        ),
        ({"lockoutTime": b"7"}, AccountReset(), True, {}),
    ],
)
def test_what_becomes_of_it(
    held: dict[str, bytes], asked: AccountReset, new_password: bool, becomes: dict[str, tuple[bytes, ...]]
) -> None:
    entry = Entry(DN.parse("cn=a"), [(name, (value,)) for name, value in held.items()])
    assert dict(reset(entry, asked, NOW, new_password=new_password)) == becomes


def test_nothing_asked_for_is_nothing() -> None:
    assert not AccountReset()
    assert UNLOCK
    assert MUST_NOT
