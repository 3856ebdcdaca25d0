"""unicodePwd: its octets, and what a modify asks for; result codes as Samba's tests had them from Windows."""

from base64 import b64decode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad.unicode_pwd import (
    ChangePassword,
    InvalidUnicodePwd,
    ResetPassword,
    added,
    against_policy,
    asked,
    decode,
    encode,
    wrong_old_password,
)
from ldapserver.errors import OperationRefused
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute, ResultCode

ADD, DELETE, REPLACE = ModifyOperation.ADD, ModifyOperation.DELETE, ModifyOperation.REPLACE
INCREMENT = ModifyOperation.INCREMENT
OLD, NEW = encode("old"), encode("new")


def change(operation: ModifyOperation, *values: bytes, name: str = "unicodePwd") -> Change:
    return Change(operation, PartialAttribute(name, values))


def test_value_is_quoted_utf_16() -> None:
    # "Change a Windows Active Directory and LDS user password through LDAP", KB 269190: "newPassword"
    value = b64decode("IgBuAGUAdwBQAGEAcwBzAHcAbwByAGQAIgA=")
    assert decode(value) == "newPassword"
    assert encode("newPassword") == value


@given(st.text(st.characters(codec="utf-16-le")))
def test_password_comes_back(password: str) -> None:
    assert decode(encode(password)) == password


@pytest.mark.parametrize(
    "value",
    [b"", b'"', b'"\0', b'"new"', "new".encode("utf-16-le"), '"new'.encode("utf-16-le"), b'"\0\0\xd8"\0', OLD + b"x"],
)
def test_value_of_another_form_is_no_password(value: bytes) -> None:
    with pytest.raises(InvalidUnicodePwd) as caught:
        decode(value)
    assert "new" not in str(caught.value)


def test_half_a_surrogate_pair_cannot_be_written() -> None:
    with pytest.raises(InvalidUnicodePwd):
        encode("\ud800")


@pytest.mark.parametrize("may_reset", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        [change(DELETE, OLD), change(ADD, NEW)],
        [change(ADD, NEW), change(DELETE, OLD)],
        [change(DELETE, OLD, name="UNICODEPWD"), change(REPLACE, b"x", name="description"), change(ADD, NEW)],
        [change(DELETE, OLD, name="1.2.840.113556.1.4.90"), change(ADD, NEW)],
    ],
)
def test_delete_and_add_is_a_change(changes: list[Change], may_reset: bool) -> None:
    assert asked(changes, strength=128, may_reset=may_reset) == ChangePassword("old", "new")


@pytest.mark.parametrize(
    "changes",
    [
        [change(REPLACE, NEW)],
        [change(REPLACE, OLD), change(REPLACE, NEW)],
        [change(DELETE), change(ADD, NEW)],
    ],
)
def test_replace_is_a_reset(changes: list[Change]) -> None:
    assert asked(changes, strength=256, may_reset=True) == ResetPassword("new")
    with pytest.raises(OperationRefused) as caught:
        asked(changes, strength=256, may_reset=False)
    assert caught.value.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert caught.value.diagnostic_message == (
        "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0"
    )


def test_other_attributes_are_no_business_of_it() -> None:
    assert asked([change(REPLACE, NEW, name="userPassword")], strength=0, may_reset=False) is None
    assert asked([], strength=0, may_reset=False) is None


# For somebody who may reset, and for who may not: the tables of Samba's source4/dsdb/tests/python/passwords.py.
REFUSED = [
    ([change(DELETE, OLD)], 19, 19),
    ([change(DELETE)], 53, 50),
    ([change(ADD, NEW)], 53, 50),
    ([change(ADD)], 19, 19),
    ([change(REPLACE)], 53, 50),
    ([change(DELETE, OLD), change(ADD)], 19, 19),
    ([change(DELETE, OLD), change(ADD, NEW, NEW)], 19, 19),
    ([change(DELETE, OLD, OLD), change(ADD, NEW)], 19, 19),
    ([change(DELETE, OLD), change(ADD, NEW), change(ADD, NEW)], 53, 50),
    ([change(DELETE, OLD), change(DELETE, OLD), change(ADD, NEW)], 53, 50),
    ([change(DELETE, OLD), change(ADD, NEW), change(REPLACE, NEW)], 53, 50),
    ([change(REPLACE, b"XXXXXXXXXXXXXXXX")], 53, 50),
    ([change(DELETE, b"XXXXXXXXXXXXXXXX"), change(ADD, b"YYYYYYYYYYYYYYYY")], 19, 19),
    ([change(REPLACE, OLD, NEW)], 19, 50),
    ([change(INCREMENT, b"1")], 53, 50),
]


@pytest.mark.parametrize(("changes", "for_admin", "for_user"), REFUSED)
def test_anything_else_is_refused(changes: list[Change], for_admin: int, for_user: int) -> None:
    for may_reset, due in ((True, for_admin), (False, for_user)):
        with pytest.raises(OperationRefused) as caught:
            asked(changes, strength=128, may_reset=may_reset)
        assert caught.value.result_code == due


@pytest.mark.parametrize("strength", [0, 56, 112, 127])
def test_password_does_not_travel_in_the_clear(strength: int) -> None:
    refused: list[Callable[[], object]] = [
        lambda: asked([change(REPLACE, NEW)], strength=strength, may_reset=True),
        lambda: added([NEW], strength=strength),
    ]
    for attempt in refused:
        with pytest.raises(OperationRefused) as caught:
            attempt()
        assert caught.value.result_code is ResultCode.UNWILLING_TO_PERFORM
        assert caught.value.diagnostic_message == (
            "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0"
        )


def test_entry_may_be_added_with_a_password() -> None:
    assert added([NEW], strength=128) == ResetPassword("new")
    for values, due in (([], 19), ([OLD, NEW], 19), ([b"new"], 53)):
        with pytest.raises(OperationRefused) as caught:
            added(values, strength=128)
        assert caught.value.result_code == due


def test_texts_are_a_domain_controllers() -> None:
    # both seen in issues of ldap3, passcore and others; consumers look for the first number and for "Att 9005a"
    assert wrong_old_password("old").result_code is ResultCode.CONSTRAINT_VIOLATION
    assert wrong_old_password("old").diagnostic_message == (
        "00000056: AtrErr: DSID-03191083, #1:\n"
        "\t0: 00000056: DSID-03191083, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)\n\0"
    )
    refused = against_policy(ChangePassword("old", "new"))
    assert (refused.result_code, refused.diagnostic_message[:16]) == (19, "0000052D: AtrErr")
    refused = against_policy(ResetPassword("new"))
    assert (refused.result_code, refused.diagnostic_message[:16]) == (53, "0000052D: SvcErr")


def test_passwords_do_not_show() -> None:
    assert "old" not in repr(ChangePassword("old", "new"))
    assert "new" not in repr(ChangePassword("old", "new")) + repr(ResetPassword("new"))
