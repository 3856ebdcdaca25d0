"""No secret is in anything that a test is shown: not as text, nor in UTF-16, base64 or hex, nor in a pickle."""

import pickle
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.access import Identity
from ldapserver.audit.log import AuditLog
from ldapserver.controls import values
from ldapserver.controls.known import ASSERTION, MATCHED_VALUES
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.testing.recorder import Recorder
from ldapserver.wire import ber, codec
from ldapserver.wire import messages as m
from ldapserver.wire.dn import DN
from ldapserver.wire.filter_codec import write_filter
from ldapserver.wire.filters import (
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Substrings,
)
from tests.server.stage import U1, Stage, digest_response, sasl, search, simple, stage

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"
NAMES = ("userPassword", "USERPASSWORD;x-old", "2.5.4.35", "unicodePwd", "supplementalCredentials", "appPassword")
MESSAGE = Callable[[Stage, bytes], bytes]


def watched(**settings: Any) -> tuple[Stage, Recorder]:
    """A session that is looked on at."""
    there = stage(**settings)
    assert isinstance(there.service.directory, MemoryDirectory)
    recorder = Recorder(there.service.directory, lambda seconds, call: None)
    service = replace(there.service, watcher=recorder, audit=AuditLog([recorder], report=print))
    return Stage(service, there.sink), recorder


def shown(recorder: Recorder) -> bytes:
    """All that there is to see, in every form that it may be seen in."""
    everything = [
        recorder.requests(),
        recorder.binds(),
        recorder.events(),
        recorder.exchanges(),
        recorder.connections(),
        recorder.conversation("ldap://127.0.0.1:389"),
    ]
    texts = [form(each) for each in everything for form in (str, repr)]
    texts += [str(each) for several in everything[:4] for each in several]  # type: ignore[attr-defined]
    texts += [event.text for event in recorder.events()]
    return "\n".join(texts).encode() + pickle.dumps(everything)


def forms(secret: str) -> dict[str, bytes]:
    """A password as it may be sent."""
    quoted = f'"{secret}"'.encode("utf-16-le")
    return {
        "text": secret.encode(),
        "UTF-16": quoted,
        "base64": b64encode(secret.encode()),
        "base64 of UTF-16": b64encode(quoted),
        "hex": secret.encode().hex().encode(),
    }


def told(data: bytes, secret: str) -> list[str]:
    """In which forms the secret is in `data`."""
    plain = secret.encode("utf-16-le")
    looked_for = {**forms(secret), "UTF-16": plain, "hex of UTF-16": plain.hex().encode()}
    lower = data.lower()
    return [form for form, octets in looked_for.items() if octets.lower() in lower]


def operation(make: Callable[[bytes], m.Operation]) -> MESSAGE:
    return lambda there, secret: there.encoded(make(secret))


def filtered(make: Callable[[bytes], Filter]) -> MESSAGE:
    def message(there: Stage, secret: bytes) -> bytes:
        return there.encoded(replace(search(), filter=And((Not(Or((make(secret),))),))))

    return message


def controlled(control_type: str, *, listed: bool = False) -> MESSAGE:
    def message(there: Stage, secret: bytes) -> bytes:
        value = write_filter(Equality("userPassword", secret))
        control = m.Control(control_type, True, ber.encoded(ber.SEQUENCE, value) if listed else value)
        return there.encoded(search(), (control,))

    return message


def named(secret: bytes, template: str = "userPassword={},dc=contoso,dc=com") -> str:
    """A DN with the secret in it, which has to be written so that it is one."""
    escaped = "".join(f"\\{octet:02x}" if octet in b',+"\\<>;=#\0 ' else chr(octet) for octet in secret)
    return template.format(escaped)


def hidden_in_digest(directive: str) -> MESSAGE:
    return lambda there, secret: there.encoded(
        sasl(b'username="u1",' + directive.encode() + b'="' + secret.replace(b'"', b"") + b'",qop=auth')
    )


def password_modify(secret: bytes) -> m.ExtendedRequest:
    value = values.encode(
        values.PasswdModifyRequestValue, userIdentity=U1.encode(), oldPasswd=secret, newPasswd=secret
    )
    return m.ExtendedRequest(PASSWORD_MODIFY, value)


def add(name: str, secret: bytes) -> m.AddRequest:
    return m.AddRequest("cn=x,dc=contoso,dc=com", (m.PartialAttribute(name, (secret, b"x" + secret)),))


def change(how: m.ModifyOperation, name: str) -> MESSAGE:
    return operation(lambda secret: m.ModifyRequest(U1, (m.Change(how, m.PartialAttribute(name, (secret,))),)))


def spoilt(make: MESSAGE, at: bytes, instead: bytes) -> MESSAGE:
    return lambda there, secret: make(there, secret).replace(at, instead, 1)


PLACES: dict[str, MESSAGE] = {
    "simple": operation(lambda secret: simple(U1, secret)),
    "simple of nobody": operation(lambda secret: simple("nobody", secret)),
    "simple by a DN": operation(lambda secret: simple(named(secret), b"wrong")),
    "simple by a broken DN": operation(lambda secret: simple(f"{named(secret)},=", b"wrong")),
    "PLAIN": operation(lambda secret: sasl(b"\0u1\0" + secret, "PLAIN")),
    "PLAIN broken": operation(lambda secret: sasl(b"u1\0" + secret, "PLAIN")),
    "PLAIN as DIGEST-MD5": operation(lambda secret: sasl(b"\0u1\0" + secret)),
    "another mechanism": operation(lambda secret: sasl(secret, "LOGIN")),
    "digest directives": lambda there, secret: there.encoded(sasl(secret + b"=x,username=u1")),
    **{f"digest {name}": hidden_in_digest(name) for name in ("response", "nonce", "cnonce", "password", "rspauth")},
    **{f"add {name}": operation(partial(add, name)) for name in NAMES},
    **{f"{how.name} {name}": change(how, name) for how in m.ModifyOperation for name in NAMES},
    **{f"compare {name}": operation(partial(m.CompareRequest, U1, name)) for name in NAMES},
    "equality": filtered(lambda secret: Equality("userPassword", secret)),
    "substrings": filtered(lambda secret: Substrings("userPassword", secret, (secret,), secret)),
    "at least": filtered(lambda secret: GreaterOrEqual("unicodePwd", secret)),
    "at most": filtered(lambda secret: LessOrEqual("2.5.4.35", secret)),
    "about": filtered(lambda secret: Approximate("userPassword;lang-en", secret)),
    "extensible": filtered(lambda secret: Extensible("caseExactMatch", "userPassword", secret)),
    "of any attribute": filtered(lambda secret: Extensible("octetStringMatch", None, secret)),
    "assertion": controlled(ASSERTION),
    "matched values": controlled(MATCHED_VALUES, listed=True),
    "unknown control": lambda there, secret: there.encoded(search(), (m.Control("1.2.3", False, secret),)),
    "search at a DN": operation(lambda secret: search(named(secret))),
    "search at a broken DN": operation(lambda secret: search(named(secret, "userPassword={} ,dc=a b=\\"))),
    "search at a blank": operation(lambda secret: search(f"cn=a,userPassword=\\20{named(secret, '{}')}x ,,")),
    "search at a DN without escapes": operation(
        lambda secret: search(f'userPassword={secret.decode("latin-1")}"x,dc=contoso,dc=com')
    ),
    "delete": operation(lambda secret: m.DelRequest(named(secret))),
    "rename": operation(lambda secret: m.ModifyDNRequest(U1, named(secret, "uid=u1+userPassword={}"), True)),
    "move": operation(lambda secret: m.ModifyDNRequest(U1, "uid=u1", True, named(secret, "2.5.4.35={}"))),
    "Password Modify": operation(password_modify),
    "Password Modify broken": operation(lambda secret: m.ExtendedRequest(PASSWORD_MODIFY, b"\x30" + secret)),
    "another extended operation": operation(lambda secret: m.ExtendedRequest("1.2.3.4", secret)),
    "a request that is refused": spoilt(
        operation(lambda secret: search(named(secret), filter="(cn=x)")), b"\x0a\x01\x02", b"\x0a\x01\x09"
    ),
    "no operation": lambda there, secret: ber.encoded(
        ber.SEQUENCE, ber.encoded_integer(1) + ber.encoded(0x7E, secret)
    ),
    "no message": lambda there, secret: secret,
    "an answer": operation(lambda secret: m.SearchResultEntry(U1, (m.PartialAttribute("userPassword", (secret,)),))),
}
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(lambda text: f"kX9{text}Zq4")


def all_forms(place: str, secret: str, *, bound: bool) -> Iterator[Recorder]:
    for form in forms(secret).values():
        there, recorder = watched(admins=(U1,), mechanisms=("DIGEST-MD5", "PLAIN"))
        if bound:
            there.bind(simple(U1, "password"))
        there.session.data_received(PLACES[place](there, form))
        while there.channel.turn():
            pass
        there.session.lost()
        yield recorder


@pytest.mark.parametrize("bound", [True, False], ids=["administrator", "anonymous"])
@pytest.mark.parametrize("place", PLACES)
def test_a_password_is_shown_nowhere(place: str, bound: bool) -> None:
    for recorder in all_forms(place, 'kX9é"Zq4', bound=bound):
        seen = shown(recorder)
        assert recorder.requests(), "the request was not seen at all"
        assert told(seen, 'kX9é"Zq4') == []


@given(secret=SECRETS, place=st.sampled_from(list(PLACES)), bound=st.booleans())
def test_no_password_is_shown_anywhere(secret: str, place: str, bound: bool) -> None:
    for recorder in all_forms(place, secret, bound=bound):
        assert told(shown(recorder), secret) == []


ANSWERS: dict[str, Callable[[bytes], m.Operation]] = {
    "an entry": lambda secret: m.SearchResultEntry(U1, tuple(m.PartialAttribute(name, (secret,)) for name in NAMES)),
    "an entry's name": lambda secret: m.SearchResultEntry(named(secret), ()),
    "a made-up password": lambda secret: m.ExtendedResponse(
        m.ResultCode.SUCCESS, response_value=values.encode(values.PasswdModifyResponseValue, genPasswd=secret)
    ),
    "rspauth": lambda secret: m.BindResponse(m.ResultCode.SUCCESS, server_sasl_creds=b"rspauth=" + secret),
    "a challenge": lambda secret: m.BindResponse(m.ResultCode.SUCCESS, server_sasl_creds=b'nonce="' + secret + b'"'),
    "a name that matched": lambda secret: m.DelResponse(m.ResultCode.NO_SUCH_OBJECT, matched_dn=named(secret)),
    "a diagnostic message": lambda secret: m.DelResponse(
        m.ResultCode.INVALID_DN_SYNTAX, diagnostic_message=f"no name: 'userPassword={secret.hex()}'"
    ),
    "an intermediate response": lambda secret: m.IntermediateResponse("1.2.3", secret),
}


@pytest.mark.parametrize("place", ANSWERS)
def test_a_password_in_an_answer_is_not_shown(place: str) -> None:
    for octets in forms("kX9passZq4").values():
        there, recorder = watched()
        watch = there.session._watch
        assert watch is not None
        watch.received(there.encoded(search()))
        watch.sent(codec.encode(m.LDAPMessage(1, ANSWERS[place](octets))))
        assert told(shown(recorder), "kX9passZq4") == []


def test_a_digest_is_shown_without_what_was_computed() -> None:
    there, recorder = watched()
    challenge = there.challenge()
    response = digest_response(challenge, "u1", "password")
    there.bind(sasl(response))
    said = str(recorder.conversation(""))
    assert 'username="u1",realm="contoso.com",nonce=<removed>,nc=00000001,cnonce=<removed>' in said
    assert "rspauth=<removed>" in said
    for directive in (response + b"," + challenge).split(b","):
        name, _, value = directive.partition(b"=")
        if name in (b"nonce", b"cnonce", b"response"):
            assert value.strip(b'"').decode() not in said


def test_whose_password_it_is_stays_visible() -> None:
    there, recorder = watched()
    there.send(simple(U1, "password"), password_modify(b"x"), m.CompareRequest(U1, "userPassword", b"x"))
    assert [request.dn for request in recorder.requests()] == [None, U1, U1]
    assert [request.password for request in recorder.requests()] == [True, True, True]
    assert recorder.binds().last.name == U1
    identity = there.session.identity
    assert isinstance(identity, Identity)
    assert identity.dn == DN.parse(U1)


@given(
    octets=st.binary(max_size=60),
    message_id=st.integers(0, 3),
    tag=st.sampled_from([0x60, 0x61, 0x63, 0x64, 0x77, 0x78]),
)
def test_any_octets_are_taken_and_shown(octets: bytes, message_id: int, tag: int) -> None:
    there, recorder = watched()
    watch = there.session._watch
    assert watch is not None
    operation = ber.encoded_integer(message_id) + ber.encoded(tag, octets)
    for element in (octets, ber.encoded(ber.SEQUENCE, octets), ber.encoded(ber.SEQUENCE, operation)):
        watch.received(element)
        watch.sent(element)
    assert len(recorder.requests()) >= 3
    shown(recorder)
