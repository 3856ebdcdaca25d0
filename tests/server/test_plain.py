"""SASL PLAIN (RFC 4616): the grammar, where it is taken, and that it checks a password as a simple bind does."""

from typing import Any

import pytest

from ldapserver.audit.record import MSV1_0
from ldapserver.audit.status import Status
from ldapserver.process import Process
from ldapserver.sasl.mechanism import TLS
from ldapserver.sasl.plain import MAX_FIELD, MalformedPlain, PlainMessage
from ldapserver.wire.messages import BindResponse, ResultCode, Scope
from tests.server.stage import DEAR, LDIF, U1, Stage, sasl, search, simple, stage

OK = BindResponse(ResultCode.SUCCESS)
REFUSAL = BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message="Invalid credentials")


def inside(ldif: str = LDIF, **settings: Any) -> Stage:
    """A session inside TLS."""
    on = stage(ldif, **settings)
    on.session.secured(TLS(bytes(32)))
    return on


def plain(on: Stage, message: bytes | str | None) -> BindResponse:
    """The answer to this message."""
    return on.bind(sasl(message.encode() if isinstance(message, str) else message, "PLAIN"))


def offered(on: Stage) -> tuple[bytes, ...]:
    """What the root DSE lists."""
    entries, _ = on.search(search("", Scope.BASE_OBJECT, attributes=("supportedSASLMechanisms",)))
    return entries[""]["supportedSASLMechanisms"]


# The message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # RFC 4616 section 4: Tim as himself, Kurt as Ursel
        (b"\0tim\0tanstaaftanstaaf", PlainMessage(None, "tim", b"tanstaaftanstaaf")),
        (b"Ursel\0Kurt\0xipj3plmq", PlainMessage("Ursel", "Kurt", b"xipj3plmq")),
        ("\0jürgen\0pässwörd".encode(), PlainMessage(None, "jürgen", "pässwörd".encode())),
        (b"\0" + b"u" * 255 + b"\0" + b"p" * 255, PlainMessage(None, "u" * 255, b"p" * 255)),
        (b"\0u\0" + b"p" * MAX_FIELD, PlainMessage(None, "u", b"p" * MAX_FIELD)),
    ],
    ids=["own", "other", "utf-8", "255", "longest"],
)
def test_a_message_is_read(data: bytes, expected: PlainMessage) -> None:
    assert PlainMessage.parse(data) == expected


MALFORMED = [
    (b"", "message: must be authzid, authcid and passwd with a NUL between them"),
    (b"u1", "message: must be authzid, authcid and passwd with a NUL between them"),
    (b"u1\0password", "message: must be authzid, authcid and passwd with a NUL between them"),
    (b"\0u1\0pass\0word", "message: must be authzid, authcid and passwd with a NUL between them"),
    (b"\0\0password", "authcid: must not be empty"),
    (b"\0u1\0", "passwd: must not be empty"),
    (b"\xff\0u1\0password", "authzid: must be UTF-8"),
    (b"\0\xc0\x80\0password", "authcid: must be UTF-8"),
    (b"\0u1\0\xed\xa0\x80", "passwd: must be UTF-8"),
    (b"\0u1\0" + b"p" * (MAX_FIELD + 1), "passwd: longer than 4096 octets"),
]


@pytest.mark.parametrize(("data", "why"), MALFORMED)
def test_what_breaks_the_grammar_is_named(data: bytes, why: str) -> None:
    with pytest.raises(MalformedPlain) as refused:
        PlainMessage.parse(data)
    assert str(refused.value) == why


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(PlainMessage.parse(b"\0u1\0secret"))


@pytest.mark.parametrize(("data", "why"), MALFORMED[1:])
def test_a_malformed_message_is_refused_like_a_wrong_password_and_recorded_with_its_rule(
    data: bytes, why: str
) -> None:
    on = inside()
    assert plain(on, data) == REFUSAL
    (record,) = on.records
    assert (record.reason.value, record.status, record.detail) == ("malformed", None, why)


# Where it is taken


def test_it_is_listed_and_taken_inside_tls_only() -> None:
    on = stage()
    assert offered(on) == (b"DIGEST-MD5",)
    right, wrong = plain(on, "\0u1\0password"), plain(on, "\0u1\0wrong")
    assert right.result_code is ResultCode.CONFIDENTIALITY_REQUIRED
    assert right == wrong
    assert [(record.reason.value, record.account, record.status) for record in on.records] == [
        ("confidentiality-required", "u1", None)
    ] * 2
    # Nobody is asked to send a password there.
    assert plain(on, None).result_code is ResultCode.CONFIDENTIALITY_REQUIRED
    on.session.secured(TLS(bytes(32)))
    assert offered(on) == (b"DIGEST-MD5", b"PLAIN")
    assert plain(on, "\0u1\0password") == OK
    assert on.who() == f"dn:{U1}"


def test_a_unix_socket_is_as_good_as_tls() -> None:
    on = stage(process=Process(4711, 4711), require_signing=True)
    assert b"PLAIN" in offered(on)
    assert plain(on, "\0u1\0password") == OK
    assert on.bind(simple("u1", "password")) == OK
    assert on.digest().result_code is ResultCode.SUCCESS


def test_it_is_not_taken_where_it_is_not_named() -> None:
    on = inside(mechanisms=("DIGEST-MD5",))
    assert offered(on) == (b"DIGEST-MD5",)
    assert plain(on, "\0u1\0password").result_code is ResultCode.AUTH_METHOD_NOT_SUPPORTED


# How it goes


@pytest.mark.parametrize("first", [None, b""], ids=["absent", "empty"])
def test_who_sends_nothing_at_first_is_asked_for_it_once(first: bytes | None) -> None:
    on = inside()
    assert plain(on, first) == BindResponse(ResultCode.SASL_BIND_IN_PROGRESS, server_sasl_creds=b"")
    assert plain(on, "\0u1\0password") == OK
    assert plain(on, first).result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert plain(on, first) == REFUSAL
    assert on.reasons == ["success", "malformed"]


@pytest.mark.parametrize("username", ["u1", "U1", "u1@contoso.com", r"CONTOSO\u1"])
def test_a_user_is_known_by_every_name(username: str) -> None:
    on = inside()
    assert plain(on, f"\0{username}\0password") == OK
    assert on.who() == f"dn:{U1}"
    (record,) = on.records
    assert (record.account, record.package, record.status) == (username, MSV1_0, Status.SUCCESS)
    assert (record.mechanism, record.tls, record.authzid) == ("PLAIN", True, None)


@pytest.mark.parametrize(
    ("message", "reason", "status"),
    [
        ("\0u1\0wrong", "wrong-password", Status.WRONG_PASSWORD),
        ("\0u1\0Password", "wrong-password", Status.WRONG_PASSWORD),
        (f"\0{U1}\0password", "unknown-user", Status.NO_SUCH_USER),
        ("\0nobody-knows\0password", "unknown-user", Status.NO_SUCH_USER),
        ("\0twin\0password", "ambiguous-name", Status.NO_SUCH_USER),
        ("\0secretless\0password", "no-usable-secret", Status.NO_SECRETS),
    ],
)
def test_whatever_is_wrong_has_one_answer_and_its_own_record(message: str, reason: str, status: Status) -> None:
    on = inside()
    assert plain(on, message) == REFUSAL
    (record,) = on.verdicts
    assert (record.reason.value, record.status, record.package) == (reason, status, MSV1_0)
    assert on.session.identity.anonymous


@pytest.mark.parametrize(("username", "password"), [("salted", "saltedpw"), ("hashed", "hashedpw")])
def test_hashes_are_checked_as_in_a_simple_bind(username: str, password: str) -> None:
    on = inside()
    assert plain(on, f"\0{username}\0{password}") == OK
    assert plain(on, f"\0{username}\0{password}x") == REFUSAL


def test_a_dear_password_is_computed_beside_the_loop_and_an_unknown_user_costs_as_much() -> None:
    on = inside(LDIF + DEAR)
    for username, code in (("dear", ResultCode.SUCCESS), ("nobody-knows", ResultCode.INVALID_CREDENTIALS)):
        assert on.send(sasl(f"\0{username}\0dearpw".encode(), "PLAIN")) == []
        assert len(on.channel.offloaded) == 1
        on.channel.work()
        (message,) = on.channel.taken()
        assert isinstance(message.operation, BindResponse)
        assert message.operation.result_code is code
    on.channel.full = True
    assert plain(on, "\0dear\0dearpw").result_code is ResultCode.BUSY
    assert on.reasons == ["success", "unknown-user", "busy"]


# Authorization


AUTHZ_TO = LDIF.replace("uid: u1\n", "uid: u1\nauthzTo: u:u2\n")


def test_an_authzid_is_asked_for_after_the_password() -> None:
    on = inside(AUTHZ_TO)
    assert plain(on, "u:u2\0u1\0password") == OK
    assert on.who() == "dn:uid=u2,ou=people,dc=contoso,dc=com"
    assert plain(on, f"dn:{U1}\0u1\0password") == OK
    assert plain(on, "u:u2\0u1\0wrong") == REFUSAL
    assert plain(on, "u:hashed\0u1\0password").result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert plain(on, "u2\0u1\0password").result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert on.who() == ""
    assert [(record.reason.value, record.authzid) for record in on.records] == [
        ("success", "u:u2"),
        ("success", f"dn:{U1}"),
        ("wrong-password", "u:u2"),
        ("authzid-refused", "u:hashed"),
        ("authzid-refused", "u2"),
    ]


# SASLprep


def test_with_saslprep_what_is_sent_is_prepared() -> None:
    # RFC 4013 section 3: a soft hyphen is mapped to nothing, a no-break space to a space.
    composed = LDIF.replace("uid: u2\n", "uid: ix\n").replace("userPassword: another", "userPassword: I X")
    message = "\0i\u00adx\0I\u00a0X"
    assert plain(inside(composed), message) == REFUSAL
    on = inside(composed, saslprep=True)
    assert plain(on, message) == OK
    assert plain(on, "\0ix\0I X") == OK
    assert plain(on, "\0ix\0IX") == REFUSAL
    assert plain(on, "\0ix\0\u0007") == REFUSAL  # what is prohibited is no password, and no fault of ours
    assert on.channel.failures == []
