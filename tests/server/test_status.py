"""What each end of a bind is called in Windows, and that no end is without its answer."""

import pytest

from ldapserver.audit.status import ENDINGS, BindReason, Status
from ldapserver.wire.messages import ResultCode
from sasl_digest import Reason

# Given by a client about the server; a server cannot come to them.
CLIENTS_OWN = {Reason.RSPAUTH, Reason.CHARSET}


@pytest.mark.parametrize(
    ("status", "hexadecimal", "words"),
    [
        (Status.SUCCESS, "0x0", "Status OK."),
        (Status.WRONG_PASSWORD, "0xc000006a", "Wrong password"),
        (Status.NO_SUCH_USER, "0xc0000064", "No such user"),
        (Status.NO_SECRETS, "0xc0000371", "No secret stored that could verify this mechanism"),
    ],
)
def test_the_statuses_a_bind_can_have_now(status: Status, hexadecimal: str, words: str) -> None:
    assert (status.hexadecimal, status.words) == (hexadecimal, words)


def test_every_status_has_words_of_its_own() -> None:
    words = [status.words for status in Status]
    assert all(words)
    assert len(set(words)) == len(words)


def test_every_reason_a_server_can_give_has_an_ending() -> None:
    assert set(ENDINGS) == (set(Reason) - CLIENTS_OWN) | set(BindReason)


def test_no_two_reasons_have_one_name() -> None:
    names = [reason.value for reason in ENDINGS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("reason", ENDINGS, ids=lambda reason: reason.value)
def test_a_verdict_is_told_by_its_code(reason: Reason | BindReason) -> None:
    ending = ENDINGS[reason]
    # A right password is status 0x0, whether or not the bind may then go on; a wrong one is never success.
    if ending.result_code is ResultCode.SUCCESS:
        assert ending.status is Status.SUCCESS
    if ending.status not in (None, Status.SUCCESS):
        assert ending.result_code is ResultCode.INVALID_CREDENTIALS


def test_only_what_has_no_answer_has_no_code() -> None:
    answerless = [reason for reason, ending in ENDINGS.items() if ending.result_code is None]
    assert answerless == [BindReason.ABANDONED, BindReason.FAULT_INJECTED]
