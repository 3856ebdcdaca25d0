"""What pages say beside their snippets, against the code."""

import re

import pytest

from ldapserver.explaining import EXPLAIN
from tests.docs.pages import ROOT

LDP = (ROOT / "docs" / "ldp.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", re.findall(r"^\| `ldp (\w+) URL", LDP, re.MULTILINE))
def test_each_command_of_ldp_that_is_listed_is_shown(command: str) -> None:
    assert re.search(rf"^\$ .*\bldp {command} ", LDP, re.MULTILINE)


def test_the_operation_that_explains_is_ours() -> None:
    assert f"`{EXPLAIN}`" in (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
