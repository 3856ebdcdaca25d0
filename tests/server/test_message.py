"""The rendered text of a record: Windows' labels in Windows' places, codes in upper case, numbers in words."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given

from ldapserver.audit.kinds import KINDS
from ldapserver.audit.message import LAYOUTS, LOGON_TYPES, PARAMETERS, Field, event_data, message, parts
from ldapserver.audit.record import EventRecord
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.status import BindReason
from tests.server.windows_events import EXAMPLES, FAILED, LOGGED_ON, SPECIAL, VALIDATED, WINLOGBEAT, events

# The value behind a label ends with its line; a list of privileges has lines of its own, three tabs in.
_VALUE = re.compile(r"(:\t+)[^\t].*$", re.MULTILINE)


def labels(text: str) -> list[str]:
    """The lines behind the sentence, each up to its value."""
    sentence, _, rest = text.partition("\n\n")
    assert sentence.endswith(".")
    lines = [_VALUE.sub(r"\1", line) for line in rest.split("\n")]
    return [line for line in lines if not line.startswith("\t\t\t")]


@pytest.mark.parametrize("code", WINLOGBEAT)
def test_labels_tabs_and_empty_lines_are_those_of_windows(code: str) -> None:
    assert labels(message(EXAMPLES[int(code)])) == WINLOGBEAT[code]["layout"]


def test_the_text_of_a_failed_logon_to_the_letter() -> None:
    assert message(FAILED) == (
        "An account failed to log on.\n\n"
        "Subject:\n\tSecurity ID:\t\tS-1-0-0\n\tAccount Name:\t\t-\n\tAccount Domain:\t\t-\n\tLogon ID:\t\t0x0\n\n"
        "Logon Type:\t\t\t3\n\n"
        "Account For Which Logon Failed:\n\tSecurity ID:\t\tS-1-0-0\n\tAccount Name:\t\tu1\n"
        "\tAccount Domain:\t\tCONTOSO\n\n"
        "Failure Information:\n\tFailure Reason:\t\tUnknown user name or bad password.\n\tStatus:\t\t\t0xC000006D\n"
        "\tSub Status:\t\t0xC000006A\n\n"
        "Process Information:\n\tCaller Process ID:\t0x0\n\tCaller Process Name:\t-\n\n"
        "Network Information:\n\tWorkstation Name:\tLDAP1\n\tSource Network Address:\t192.0.2.10\n"
        "\tSource Port:\t\t50123\n\n"
        "Detailed Authentication Information:\n\tLogon Process:\t\tWDIGEST\n\tAuthentication Package:\tWDigest\n"
        "\tTransited Services:\t-\n\tPackage Name (NTLM only):\t-\n\tKey Length:\t\t0"
    )


def test_a_logon_says_its_numbers_in_words() -> None:
    text = message(LOGGED_ON)
    assert "\tVirtual Account:\t\tNo\n\tElevated Token:\t\tYes\n" in text
    assert "Impersonation Level:\t\tImpersonation\n" in text
    assert "\tLogon ID:\t\t0x1A2B3C\n\tLinked Logon ID:\t\t0x0\n" in text
    assert "%%" not in text


def test_privileges_stand_below_one_another() -> None:
    assert message(SPECIAL).endswith(
        "\nPrivileges:\t\tSeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeRestorePrivilege"
    )


@pytest.mark.parametrize("event_id", KINDS)
def test_the_text_shows_every_value_of_its_event(event_id: int) -> None:
    named = {part.name for part in parts(LAYOUTS[event_id]) if isinstance(part, Field)}
    assert named == set(KINDS[event_id].names)


@given(record=events())
def test_the_text_holds_any_value_and_is_what_the_json_carries(record: EventRecord) -> None:
    text = message(record)
    data = dict(zip(record.kind.names, record.data, strict=True))
    if "TargetUserName" in data:
        assert data["TargetUserName"] in text
    assert json.loads(JSONRenderer("dc1").line(record, 1))["message"] == text


def test_the_text_of_4776_is_what_the_json_carries() -> None:
    assert json.loads(JSONRenderer("dc1").line(VALIDATED, 1))["message"] == message(VALIDATED)


def test_a_bind_without_a_verdict_has_a_sentence_and_no_data() -> None:
    record = replace(VALIDATED, status=None, reason=BindReason.ABANDONED)
    assert message(record) == "A bind ended without a verdict: abandoned."
    with pytest.raises(ValueError, match="no Windows event"):
        event_data(record)


def test_words_are_windows_own_and_what_has_none_says_itself() -> None:
    assert PARAMETERS["%%2313"] == "Unknown user name or bad password."
    assert PARAMETERS["%%1833"] == "Impersonation"
    assert (PARAMETERS["-"], PARAMETERS["%%9999"]) == ("-", "%%9999")
    assert [LOGON_TYPES[number] for number in ("2", "3", "5", "10", "99")] == [
        *("Interactive", "Network", "Service", "RemoteInteractive", "99"),
    ]
