"""SASLprep, by the examples of RFC 4013 section 3."""

import sys

import pytest

from sasl_digest import UsageError
from sasl_digest.saslprep import prepare


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),  # SOFT HYPHEN mapped to nothing
        ("user", "user"),  # no transformation
        ("USER", "USER"),  # case preserved
        ("\u00aa", "a"),  # output is NFKC
        ("\u2168", "IX"),  # output is NFKC, will match the first
        ("a\u00a0b", "a b"),  # section 2.1: a space that is not ASCII
        ("", ""),
    ],
)
def test_examples_of_the_rfc(text: str, prepared: str) -> None:
    assert prepare(text, "password") == prepared


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("\u0007", "control characters forbidden"),
        ("\u0627\u0031", "malformed bidi sequence"),
        ("\u0221", "unassigned code points forbidden"),
        ("\u00ad", "nothing is left of it"),
    ],
)
def test_what_is_forbidden_is_named_and_not_shown(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rf"^password: {rule} \(RFC 4013\)$"):
        prepare(text, "password")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "passlib.utils", None)
    with pytest.raises(UsageError, match=r"install the extra, sasl-digest\[saslprep\]$"):
        prepare("user", "username")
