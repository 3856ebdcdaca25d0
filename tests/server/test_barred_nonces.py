"""Nonces that may come back (`--remember`) do not tell a right password of who may not come in."""

import re
from hashlib import md5

import pytest

from ldapserver.wire.messages import BindResponse
from sasl_digest import NonceBook
from tests.server.account_states import PASSWORD
from tests.server.stage import Stage, digest_response, sasl, stage
from tests.server.test_account_verdicts import FINE, OFF, SHUT, WRONG, challenge_shape, of


def of_a_proof(data: bytes) -> bool:
    """Whether MD5 of this makes a response or an rspauth: it ends with the qop and HEX(H(A2))."""
    return re.search(rb":auth:[0-9a-f]{32}$", data) is not None


class Work:
    """Counts the proofs that are computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = 0

        def counted(data: bytes) -> object:
            self.done += of_a_proof(data)
            return md5(data)

        monkeypatch.setattr("sasl_digest.digest.md5", counted)

    def since(self) -> int:
        """How many since it was last asked."""
        done, self.done = self.done, 0
        return done


def follow(staged: Stage, credentials: bytes) -> tuple[BindResponse, str]:
    """The first bind of another connection, and the reason of its record."""
    following = Stage(staged.service, staged.sink)
    response = following.bind(sasl(credentials))
    assert following.session.identity.anonymous
    return response, following.reasons[-1]


@pytest.mark.parametrize("name", ["off", "shut"])
@pytest.mark.interpreted("sasl_digest.digest")
def test_the_nonce_of_a_bind_that_was_refused_may_not_come_back_whatever_the_password_was(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_of_it = {}
    work = Work(monkeypatch)
    for password in (PASSWORD, WRONG):
        staged = stage(directory=of(OFF, SHUT), nonces=NonceBook(clock=lambda: 1e6, remembered_for=600))
        challenge = staged.challenge()
        staged.bind(sasl(digest_response(challenge, name, password)))
        second = digest_response(challenge, name, password, nc="00000002")
        work.since()
        response, reason = follow(staged, second)
        came_of_it[password] = challenge_shape(response), reason, work.since()
    assert came_of_it[PASSWORD] == came_of_it[WRONG]
    assert came_of_it[WRONG][1:] == ("nonce-forgotten", 0)


@pytest.mark.parametrize("name", ["off", "shut"])
@pytest.mark.interpreted("sasl_digest.digest")
def test_with_the_nonce_of_another_a_guess_is_judged_as_with_ones_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_of_it = {}
    work = Work(monkeypatch)
    for password in (PASSWORD, WRONG):
        staged = stage(directory=of(OFF, SHUT, FINE), nonces=NonceBook(clock=lambda: 1e6, remembered_for=600))
        challenge = staged.challenge()
        staged.bind(sasl(digest_response(challenge, "fine", PASSWORD)))
        guess = digest_response(challenge, name, password, nc="00000002")
        work.since()
        response, reason = follow(staged, guess)
        came_of_it[password] = challenge_shape(response), work.since()
        expected = {"off": ("account-disabled", "wrong-password"), "shut": ("account-locked-out",) * 2}[name]
        assert reason == expected[password == WRONG]
    assert came_of_it[PASSWORD] == came_of_it[WRONG]
