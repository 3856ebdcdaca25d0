"""The Compare operation: what is told of a value, to whom, and what never."""

import pytest

from ldapserver.wire.messages import CompareRequest, CompareResponse, LDAPResult, ResultCode
from tests.server.stage import U1, stage

PEOPLE = "ou=people,dc=contoso,dc=com"


def compare(entry: str, attribute: str, value: bytes) -> LDAPResult:
    """The answer to u1."""
    on = stage()
    on.digest()
    return on.ask(CompareRequest(entry, attribute, value))


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("cn", b"Una One", ResultCode.COMPARE_TRUE),
        ("CN", b"una  ONE", ResultCode.COMPARE_TRUE),
        ("2.5.4.3", b"Una One", ResultCode.COMPARE_TRUE),
        ("commonName", b"Una One", ResultCode.COMPARE_TRUE),
        ("name", b"One", ResultCode.COMPARE_TRUE),
        ("cn;lang-de", b"Una Eins", ResultCode.COMPARE_TRUE),
        ("entryDN", U1.upper().encode(), ResultCode.COMPARE_TRUE),
        ("cn", b"somebody", ResultCode.COMPARE_FALSE),
        ("2.5.4.3", b"somebody", ResultCode.COMPARE_FALSE),
        ("name", b"somebody", ResultCode.COMPARE_FALSE),
        ("cn;lang-de", b"Una One", ResultCode.COMPARE_FALSE),
        ("entryDN", b"dc=contoso,dc=com", ResultCode.COMPARE_FALSE),
        ("title", b"x", ResultCode.NO_SUCH_ATTRIBUTE),
        ("cn;lang-fr", b"Una One", ResultCode.NO_SUCH_ATTRIBUTE),
        ("title", b"", ResultCode.INVALID_ATTRIBUTE_SYNTAX),
        ("noSuchType", b"x", ResultCode.UNDEFINED_ATTRIBUTE_TYPE),
        ("no type at all!", b"x", ResultCode.UNDEFINED_ATTRIBUTE_TYPE),
        ("entryDN", b"no dn", ResultCode.INVALID_ATTRIBUTE_SYNTAX),
        ("objectClass", b"person", ResultCode.COMPARE_TRUE),
        ("objectClass", b"device", ResultCode.COMPARE_FALSE),
        ("objectClass", b"nothing", ResultCode.INVALID_ATTRIBUTE_SYNTAX),
        ("jpegPhoto", b"x", ResultCode.INAPPROPRIATE_MATCHING),
    ],
)
def test_a_value_is_compared_by_the_rule_of_its_type(attribute: str, value: bytes, code: ResultCode) -> None:
    assert compare(U1, attribute, value).result_code is code


def test_compare_true_and_false_say_no_more() -> None:
    assert compare(U1, "cn", b"Una One") == CompareResponse(ResultCode.COMPARE_TRUE)
    assert compare(U1, "cn", b"x") == CompareResponse(ResultCode.COMPARE_FALSE)


@pytest.mark.parametrize(
    "attribute",
    ["userPassword", "USERPASSWORD", "2.5.4.35", "userPassword;x", "supplementalCredentials", "unicodePwd"],
)
@pytest.mark.parametrize("value", [b"password", b"wrong"])
def test_a_password_is_never_compared(attribute: str, value: bytes) -> None:
    refused = compare(U1, attribute, value)
    assert refused.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert refused.diagnostic_message.encode() != b"password"
    assert refused == compare(U1, attribute, b"anything")


def test_an_administrator_compares_no_password_either() -> None:
    on = stage(admins=(U1,))
    on.digest()
    assert (
        on.ask(CompareRequest(U1, "userPassword", b"password")).result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    )


def test_an_entry_that_is_not_there_gets_no_such_object_and_the_deepest_that_is() -> None:
    answer = compare(f"uid=nobody-knows,{PEOPLE}", "cn", b"x")
    assert answer == CompareResponse(ResultCode.NO_SUCH_OBJECT, matched_dn=PEOPLE)


def test_what_is_undefined_of_every_entry_is_refused_whether_or_not_the_entry_is_there() -> None:
    there, missing = compare(U1, "noSuchType", b"x"), compare(f"uid=nobody-knows,{PEOPLE}", "noSuchType", b"x")
    assert there == missing
    assert there.result_code is ResultCode.UNDEFINED_ATTRIBUTE_TYPE


def test_a_name_that_is_no_dn_is_refused() -> None:
    answer = compare("no dn", "cn", b"x")
    assert answer.result_code is ResultCode.INVALID_DN_SYNTAX
    assert answer.diagnostic_message.startswith("entry: ")


def test_anonymous_compares_nothing_and_is_not_told_what_exists() -> None:
    there = stage().ask(CompareRequest(U1, "cn", b"Una One"))
    assert there.result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert there == stage().ask(CompareRequest(f"uid=nobody-knows,{PEOPLE}", "cn", b"x"))


def test_anonymous_search_lets_anonymous_compare() -> None:
    on = stage(anonymous_search=True)
    assert on.ask(CompareRequest(U1, "cn", b"Una One")).result_code is ResultCode.COMPARE_TRUE


def test_anybody_compares_the_root_dse_and_the_subschema() -> None:
    on = stage()
    assert on.ask(CompareRequest("", "objectClass", b"top")).result_code is ResultCode.COMPARE_TRUE
    assert on.ask(CompareRequest("", "objectClass", b"person")).result_code is ResultCode.COMPARE_FALSE
    assert on.ask(CompareRequest("cn=subschema", "cn", b"Subschema")).result_code is ResultCode.COMPARE_TRUE
