"""What is read of an audit: what `json` reads, whatever is in it; filters, against a plain reading of each."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.audit.record import BindRecord
from ldapserver.audit.status import ENDINGS, Status
from ldapserver.clock import SYSTEM_CLOCK, StoppedClock
from ldapserver.viewer import json_form, xml_form
from ldapserver.viewer.event import Event, NotARecord
from ldapserver.viewer.filtering import NAMES, Filter, is_of, wanted_status
from ldapserver.viewer.json_form import read_any_json, read_json
from ldapserver.viewer.logs import opened
from ldapserver.viewer.name_form import name_form
from ldapserver.viewer.reading import Lost, Reader, merged, read
from ldapserver.viewer.times import canonical, moment
from ldapserver.viewer.xml_form import LONGEST, Elements, read_any_xml, read_xml, xml_of
from tests.server.generated_logs import BIND, SECOND, START_NS, binds, event_line, lines

NAME = st.text(max_size=20)
MAYBE = st.none() | NAME
RECORD = st.builds(
    BindRecord,
    time_ns=st.integers(0, 10**19),
    status=st.none() | st.sampled_from(Status),
    package=st.sampled_from(["WDigest", "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"]),
    account=NAME,
    workstation=NAME,
    source_ip=st.sampled_from([None, "192.0.2.1", "2001:db8::1"]),
    source_port=st.integers(0, 65535),
    connection=st.integers(0),
    message_id=st.integers(0),
    mechanism=NAME,
    realm=MAYBE,
    authzid=MAYBE,
    qop=MAYBE,
    cipher=MAYBE,
    digest_uri=MAYBE,
    result_code=st.none() | st.sampled_from([0, 49]),
    reason=st.sampled_from(list(ENDINGS)),
    detail=MAYBE,
    tls=st.booleans(),
    reading=MAYBE,
)
FAST = json_form._OURS


def line_of(record: BindRecord) -> bytes:
    (line,) = lines([record])
    return line


# JSON


@given(RECORD)
@settings(max_examples=300)
def test_the_pattern_reads_what_json_reads(record: BindRecord) -> None:
    line = line_of(record)
    event = read_json(line)
    assert event == read_any_json(line.decode())
    assert (event.account, event.workstation, event.realm) == (
        (record.account, record.workstation, record.realm) if record.status is not None else ("", "", record.realm)
    )
    assert event.status == (None if record.status is None else record.status.hexadecimal)
    assert event.text.encode() == line


@given(RECORD.filter(lambda record: record.status is not None))
@settings(max_examples=50)
def test_the_pattern_takes_each_4776_that_our_server_writes(record: BindRecord) -> None:
    """When this fails `audit.render` has another shape by now: logs are read as before, at twice the price."""
    plain = replace(record, mechanism="DIGEST-MD5", qop="auth", cipher=None)
    assert FAST.fullmatch(line_of(plain).decode())


@given(RECORD.filter(lambda record: record.status is not None), st.data())
@settings(max_examples=300)
def test_the_pattern_takes_nothing_that_json_refuses(record: BindRecord, data: st.DataObject) -> None:
    text = line_of(record).decode()
    at = data.draw(st.integers(0, len(text) - 2))
    how = data.draw(st.sampled_from(["cut", "left out", "twice", "put in"]))
    end = data.draw(st.integers(at, min(len(text), at + 5)))
    broken = {
        "cut": text[:at],
        "left out": text[:at] + text[end:],
        "twice": text[:end] + text[at:],
        "put in": text[:at] + data.draw(st.sampled_from(['"', "\\", "\x00", "\n", "{", "}", "é"])) + text[at:],
    }[how]
    if FAST.fullmatch(broken):
        assert read_json(broken.encode()) == read_any_json(broken)


def test_other_members_and_another_order_are_read() -> None:
    ours = read_json(line_of(BIND))
    value = json.loads(ours.text)
    turned = json.dumps(
        {name: value[name] for name in sorted(value, reverse=True)} | {"agent": {"type": "winlogbeat"}}
    )
    assert read_json(turned.encode()) == ours._replace(text=turned)


def test_an_outcome_that_is_not_said_comes_from_the_keywords() -> None:
    value = json.loads(event_line(4624, "2026-01-02T03:04:05Z"))
    del value["event"]["outcome"]
    for keywords, outcome in ((["Audit Failure"], "failure"), (["Audit Success"], "success"), ([], "unknown")):
        value["winlog"]["keywords"] = keywords
        assert read_json(json.dumps(value).encode()).outcome == outcome


# XML


@given(RECORD.filter(lambda record: record.status is not None))
@settings(max_examples=100)
def test_xml_reads_as_the_json_it_was_made_of(record: BindRecord) -> None:
    event = read_json(line_of(record))
    text = xml_of(event)
    assert text is not None
    assert "\n" not in text
    windows: dict[str, Any] = dict.fromkeys(
        ("source_ip", "reason", "mechanism", "realm", "qop", "cipher", "tls", "digest_uri")
    )
    assert read_xml(text.encode()) == read_any_xml(text) == event._replace(text=text, **windows)


@given(st.lists(st.sampled_from(["json", "xml", "laid out"]), max_size=12), st.data())
@settings(max_examples=100)
def test_a_mixture_is_read_in_its_order(forms: list[str], data: st.DataObject) -> None:
    pieces = []
    for number, form in enumerate(forms):
        line = line_of(replace(BIND, account=str(number))).decode()
        text = xml_of(read_json(line.encode())) or ""
        pieces.append({"json": line, "xml": f"{text}\n", "laid out": text.replace("><", ">\n<") + "\n"}[form])
        pieces.append(data.draw(st.sampled_from(["", "\n", "  \n"])))
    lost = Lost()
    reader = Reader("x", lost)
    events = list(reader.events("".join(pieces).encode().splitlines(keepends=True)))
    reader.end()
    assert ([event.account for event in events], lost.count) == ([str(number) for number in range(len(forms))], 0)


def test_the_pattern_takes_what_our_server_and_windows_write() -> None:
    text = xml_of(read_json(line_of(BIND)))
    assert text is not None
    assert xml_form._SIMPLE.fullmatch(text)


@given(st.data())
@settings(max_examples=200)
def test_the_pattern_takes_nothing_that_a_parser_refuses(data: st.DataObject) -> None:
    text = xml_of(read_json(line_of(replace(BIND, account=data.draw(NAME)))))
    assert text is not None
    at = data.draw(st.integers(0, len(text) - 1))
    broken = (
        text[:at]
        + data.draw(st.sampled_from(list("<>&\"'/\0\x1f\t\x7f\x85\ufffe0x]é")))
        + text[at + data.draw(st.integers(0, 2)) :]
    )
    if xml_form._SIMPLE.fullmatch(broken):
        assert read_xml(broken.encode()) == read_any_xml(broken)


def test_a_document_on_one_line_is_one_line(tmp_path: Path) -> None:
    text = xml_of(read_json(line_of(BIND)))
    path = tmp_path / "one.xml"
    path.write_text(
        f"<Events>{text}" + f"\n{text}" + f"{text}" * (2 * LONGEST // len(text or "x")) + "</Events>\nhalf\n"
    )
    lost = Lost()
    with opened(str(path)) as file:
        found = list(read(file, "x", lost))
    assert len(found) == 2 + 2 * LONGEST // len(text or "x")
    assert (lost.count, lost.first) == (1, "x:3")


@pytest.mark.parametrize("size", [1, 7, 100])
def test_an_event_may_come_bit_by_bit(size: int) -> None:
    text = f"<Events>{xml_of(read_json(line_of(BIND)))}</Events>".encode() * 2
    elements = Elements()
    found = [each for at in range(0, len(text), size) for each in elements.feed(text[at : at + size])]
    assert [each is None or read_xml(each).account for each in found] == ["u1", "u1"]


def test_what_is_held_of_an_event_without_an_end_is_bounded() -> None:
    lost = Lost()
    reader = Reader("x", lost)
    chunk = b"<Event>" + b"<Data>x</Data>\n" * 1000
    assert list(reader.events(iter([chunk] * 1000))) == []
    assert len(reader._elements._held) <= LONGEST + len(chunk)
    assert lost.count == pytest.approx(1000 * len(chunk) / LONGEST, abs=2)


@pytest.mark.parametrize("begun", ["<!--", "<?xml", "<Events", "</Events", "<!-- -->\n<!--"])
def test_what_never_ends_is_not_looked_at_over_and_over(begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    around = xml_form._AROUND

    class Counted:
        def match(self, octets: bytearray) -> Any:
            nonlocal looked_at
            looked_at += len(octets)
            return around.match(octets)

        def fullmatch(self, octets: bytearray, *place: int) -> Any:
            nonlocal looked_at
            looked_at += len(octets)
            return around.fullmatch(octets, *place)

    monkeypatch.setattr(xml_form, "_AROUND", Counted())
    elements = Elements()
    pieces = [f"{begun}\n".encode(), *[b"a\n"] * 2000]
    assert list(chain.from_iterable(map(elements.feed, pieces))) == []
    assert elements.pending
    assert looked_at < 2 * sum(map(len, pieces))


@pytest.mark.parametrize(
    "around", ["<!-- a\n<b>\n-->\n{}", "<?xml version='1.0'\n?>{}", "<Events\na='b'>\n{}</Events\n>"]
)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_what_stands_around_an_event_may_come_bit_by_bit(around: str, size: int) -> None:
    event = str(xml_of(read_json(line_of(BIND))))
    whole = around.format(event).encode()
    elements = Elements()
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert list(chain.from_iterable(map(elements.feed, pieces))) == [event.encode()]
    assert not elements.pending


def test_a_declaration_that_ends_otherwise_is_not_waited_for() -> None:
    elements = Elements()
    assert list(elements.feed(b"<?xml\n")) == []
    assert elements.pending
    assert list(elements.feed(b"a>\n")) == [None]
    assert not elements.pending


# Times


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02T03:04:05.6789012Z", "2026-01-02T03:04:05.678901200"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000"),
        ("2026-01-02T03:04:05.123456789999Z", "2026-01-02T03:04:05.123456789"),
        ("2026-01-02T03:04:05.5+02:30", "2026-01-02T00:34:05.500000000"),
        ("2026-01-02 03:04-0100", "2026-01-02T04:04:00.000000000"),
        ("2026-01-02", "2026-01-02T00:00:00.000000000"),
        ("0999-01-02T03:04:05Z", "0999-01-02T03:04:05.000000000"),
    ],
)
def test_a_time_has_one_spelling(text: str, time: str) -> None:
    assert canonical(text) == time


@pytest.mark.parametrize(
    "text", ["", "soon", "2026", "2026-02-30", "2026-01-02T25:00", "0001-01-01T00:00+01:00", "٣h"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|day is|hour must|not within|neither"):
        canonical(text)
    with pytest.raises(ValueError, match="is neither a time of ISO 8601"):
        moment(text, SYSTEM_CLOCK)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DATES = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)


@given(DATES, DATES)
def test_times_compare_as_their_text_does(one: datetime, other: datetime) -> None:
    assert (canonical(one.isoformat()) < canonical(other.isoformat())) == (one < other)
    assert canonical(one.isoformat()) == canonical(one.astimezone(UTC).isoformat())


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("1.5h", 5400), ("2d", 172800), ("1w", 604800)]
)
def test_ago_is_counted_from_the_clock(text: str, seconds: float) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)
    then = now - timedelta(seconds=seconds)
    assert moment(text, StoppedClock(now)) == canonical(then.isoformat())
    assert moment("999999999w", StoppedClock(now)) == "0001-01-01T00:00:00.000000000"


# Filters

USERS = ["u1", "U1", "CONTOSO\\u1", "u1@contoso.com", "other\\U1", "u2", "", "a@b@c", "straße", "STRASSE"]


@pytest.mark.parametrize(
    ("user", "accounts"),
    [
        ("U1", ["u1", "U1", "CONTOSO\\u1", "u1@contoso.com", "other\\U1"]),
        ("contoso\\U1", ["CONTOSO\\u1"]),
        ("U1@CONTOSO.com", ["u1@contoso.com"]),
        ("strasse", ["straße", "STRASSE"]),
        ("a", []),
        ("contoso", []),
        ("u", []),
    ],
)
def test_a_bare_name_is_that_of_every_domain(user: str, accounts: list[str]) -> None:
    assert [account for account in USERS if is_of(account, user)] == accounts


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_a_status_can_be_asked_for(name: str) -> None:
    assert wanted_status(name.upper()) == wanted_status(name.replace("-", "_"))


@pytest.mark.parametrize("reason", ENDINGS, ids=lambda reason: reason.value)
def test_each_reason_finds_its_record_and_no_other(reason: Any) -> None:
    records = [replace(BIND, status=ending.status, reason=each) for each, ending in ENDINGS.items()]
    found = [
        json.loads(event.text)
        for event in map(read_json, lines(records))
        if wanted_status(reason.value).accepts(event)
    ]
    said = {each["ldap"]["reason"] or "success" for each in found}
    # What is the name of a status too is that status.
    assert reason.value in said
    status = ENDINGS[reason].status
    assert said == {reason.value} or all(each["winlog"]["event_data"]["Status"] == f"0x{status:x}" for each in found)


def test_a_reason_is_told_of_xml_by_the_status_that_only_it_has() -> None:
    events = []
    for status in Status:
        text = xml_of(read_json(line_of(replace(BIND, status=status))))
        assert text is not None
        events.append(read_xml(text.encode()))

    def statuses(name: str) -> list[str | None]:
        return [event.status for event in events if wanted_status(name).accepts(event)]

    assert statuses("wrong-password") == ["0xc000006a"]
    assert statuses("no-usable-secret") == ["0xc0000371"]
    assert statuses("realm") == statuses("authzid-refused") == statuses("nonce-foreign") == []


EVENTS = [
    *map(read_json, lines(list(binds(60, 7, accounts=5)))),
    read_json(
        event_line(4625, "2026-01-02T03:04:20Z", TargetUserName="user1", Status="0xc000006d", SubStatus="0xC000006A")
    ),
    read_json(event_line(4740, "2026-01-02T03:04:21Z", TargetUserName="user2")),
]
STATUS_NAMES = {"wrong-password": 0xC000006A, "0XC0000064": 0xC0000064, "0x0": 0, "0xc000006d": 0xC000006D}


def naive(event: Event, chosen: dict[str, Any]) -> bool:
    """The rules, one after the other, on what `json` reads."""
    value = json.loads(event.text)
    winlog = value.get("winlog", {})
    data = winlog.get("event_data", {})
    if chosen["failed"] and value["event"]["outcome"] != "failure":
        return False
    if chosen["ids"] and value["event"]["code"] not in chosen["ids"]:
        return False
    time = datetime.fromisoformat(value["@timestamp"])
    if chosen["since"] is not None and time < chosen["since"]:
        return False
    if chosen["until"] is not None and time >= chosen["until"]:
        return False
    held = {int(data[name], 16) for name in ("Status", "SubStatus") if data.get(name, "-") != "-"}
    if chosen["statuses"] and not held & {STATUS_NAMES[each] for each in chosen["statuses"]}:
        return False
    account = data.get("TargetUserName", "").lower()
    forms = {account, account.split("\\")[-1], account.split("@")[0]}
    return not chosen["users"] or bool(forms & {user.lower() for user in chosen["users"]})


MOMENTS = st.none() | st.integers(-5, 40).map(
    lambda seconds: datetime.fromtimestamp(START_NS // SECOND, UTC) + timedelta(seconds=seconds)
)


@given(
    st.fixed_dictionaries(
        {
            "failed": st.booleans(),
            "ids": st.frozensets(st.sampled_from(["4776", "4625", "4740", "sasl-exchange", "1"])),
            "users": st.lists(
                st.sampled_from(["user1", "USER2", "CONTOSO\\user1", "user3@contoso.com", "x"]), max_size=3
            ),
            "statuses": st.lists(st.sampled_from(sorted(STATUS_NAMES)), max_size=2),
            "since": MOMENTS,
            "until": MOMENTS,
        }
    )
)
@settings(max_examples=200)
def test_filters_together_do_what_each_says(chosen: dict[str, Any]) -> None:
    times = {
        name: None if chosen[name] is None else canonical(chosen[name].isoformat()) for name in ("since", "until")
    }
    wanted = Filter(
        failed=chosen["failed"],
        ids=chosen["ids"],
        users=tuple(chosen["users"]),
        statuses=tuple(map(wanted_status, chosen["statuses"])),
        **times,
    )
    assert [event for event in EVENTS if wanted.accepts(event)] == [event for event in EVENTS if naive(event, chosen)]
    assert wanted.asks == any(chosen.values())


# Several logs


@given(st.lists(st.lists(st.integers(0, 9)), max_size=4))
def test_logs_are_merged_by_time_in_their_order(logs: list[list[int]]) -> None:
    events = [
        [EVENTS[0]._replace(time=str(time), account=f"{at} {number}") for number, time in enumerate(sorted(times))]
        for at, times in enumerate(logs)
    ]
    assert list(merged(events)) == sorted(chain.from_iterable(events), key=lambda event: event.time)


# Names


@pytest.mark.parametrize(
    ("account", "form"),
    [
        ("u1", "account name"),
        ("Una One", "account name"),
        ("PC1$", "computer (NAME$)"),
        ("CONTOSO\\u1", "DOMAIN\\user"),
        ("CONTOSO\\PC1$", "DOMAIN\\user"),
        ("u1@contoso.com", "UPN (user@domain)"),
        ("uid=u1,ou=people,dc=contoso,dc=com", "distinguished name"),
        ("2.5.4.3=a\\,b", "distinguished name"),
        ("contoso.com/people/Una One", "canonical name"),
        ("ldap/dc1.contoso.com", "service principal (service/host)"),
        ("{6F9619FF-8B86-D011-B42D-00C04FC964FF}", "GUID"),
        ("S-1-5-21-1-2-3-1104", "SID"),
        ("", "no name"),
    ],
)
def test_the_form_of_a_name_is_told_by_its_looks(account: str, form: str) -> None:
    assert name_form(account) == form


@given(st.binary(max_size=80))
def test_any_octets_are_a_record_or_none(octets: bytes) -> None:
    for read_one in (read_json, read_xml):
        with pytest.raises(NotARecord):
            read_one(octets)
