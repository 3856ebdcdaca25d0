"""docs/observing.md: its tests run as they stand there, and the one that fails reports what the page shows."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observing.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The page's blocks in this language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return found


def same_each_time(text: str) -> str:
    """The text without what differs from run to run: ports, times, message ids; and dashes of a heading.

    What connections do at one time may come in any order: it stands connection by connection here.
    """
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"^ +\d+\.\d{3} ", " TIME ", text, flags=re.MULTILINE)
    begun = re.split(r"^(?= TIME )", text, flags=re.MULTILINE)
    text = "".join(begun[:1] + sorted(begun[1:], key=lambda line: line[: len(" TIME #1 ")]))
    ids: dict[str, str] = {}
    text = re.sub(r"\[(\d+)\]", lambda found: ids.setdefault(found[1], f"[{len(ids) + 1}]"), text)
    return re.sub(r"-{3,}", "---", text)


def test_the_page_says_what_is_so(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (pytester.path / "people.ldif").write_text("\n".join(blocks("ldif")))
    source = "\n\n".join(blocks("python"))
    source += """

def test_message(server):
    log_in(server.url, "uid=alice,dc=example,dc=com", "wonderland")
    with pytest.raises(AssertionError) as failure:
        server.assert_bound("alice", times=1)
    print(failure.value)
"""
    pytester.makepyfile(test_login=source)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rP")
    result.assert_outcomes(passed=source.count("\ndef test_") - 1, failed=1)
    printed = result.stdout.str()
    report, message = blocks("text")
    shown = printed.partition("LDAP conversation with")[2].partition("short test summary")[0]
    shown = "--- LDAP conversation with" + shown.partition("\n___")[0].partition("\n===")[0] + "\n"
    assert same_each_time(shown) == same_each_time(report)
    said = printed[printed.index("expected 1 successful bind as alice") :]
    assert same_each_time(said).startswith(same_each_time(message))
