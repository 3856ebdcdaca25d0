"""Extended operations: Who am I?, and the refusal of all others."""

import pytest

from ldapserver.wire.messages import ExtendedRequest, ExtendedResponse, ResultCode
from tests.server.stage import NOTICE, U1, WHO_AM_I, simple, stage

START_TLS = "1.3.6.1.4.1.1466.20037"


def test_who_am_i_of_anonymous_is_empty_and_not_absent() -> None:
    # "the response field is present but empty": RFC 4532 section 2.2
    assert stage().ask(ExtendedRequest(WHO_AM_I)) == ExtendedResponse(ResultCode.SUCCESS, response_value=b"")


@pytest.mark.parametrize("name", ["u1", U1.upper()])
def test_who_am_i_is_the_dn_as_the_entry_has_it(name: str) -> None:
    on = stage()
    on.bind(simple(name, "password"))
    expected = ExtendedResponse(ResultCode.SUCCESS, response_value=f"dn:{U1}".encode())
    assert on.ask(ExtendedRequest(WHO_AM_I)) == expected


def test_who_am_i_beyond_ascii_is_utf8() -> None:
    on = stage()
    on.bind(simple("jürgen", "pässwörd"))
    assert on.who() == "dn:uid=jürgen,ou=people,dc=contoso,dc=com"


@pytest.mark.parametrize("value", [b"", b"x"])
def test_who_am_i_with_a_value_is_refused(value: bytes) -> None:
    assert stage().ask(ExtendedRequest(WHO_AM_I, value)).result_code is ResultCode.PROTOCOL_ERROR


@pytest.mark.parametrize("name", [START_TLS, NOTICE, "1.2.3", "no oid"])
def test_an_unknown_operation_is_refused_by_name_and_the_connection_lives_on(name: str) -> None:
    on = stage()
    answer = on.ask(ExtendedRequest(name))
    assert answer.result_code is ResultCode.PROTOCOL_ERROR
    assert name in answer.diagnostic_message
    assert on.who() == ""
