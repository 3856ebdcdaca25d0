"""What --audit may name: each kind is its own sink, nothing twice, and what is wrong is one line of why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ldapserver.audit.file import FileSink
from ldapserver.audit.render import XMLRenderer
from ldapserver.audit.sinks import Sink, StreamSink
from ldapserver.audit.syslog import SyslogSink
from ldapserver.hosting.options import read_options
from ldapserver.hosting.targets import check_targets, sinks_of
from ldapserver.usage import UsageFault
from tests.server import syslog_receiving
from tests.server.syslog_receiving import Receiver
from tests.server.test_audit_record import RECORD


def made(*targets: str) -> list[Sink]:
    arguments = [each for target in targets for each in ("--audit", target)]
    return sinks_of(read_options(arguments), "ldap1.contoso.com")


def refusal(*targets: str) -> str:
    """The line about these targets, the same from `check` and from `serve`."""
    arguments = [each for target in targets for each in ("--audit", target)]
    with pytest.raises(UsageFault) as checked:
        check_targets(read_options(arguments))
    with pytest.raises(UsageFault) as served:
        made(*targets)
    assert str(served.value) == str(checked.value)
    text = str(served.value)
    assert "\n" not in text
    return text.removeprefix("argument --audit: ")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver at a Unix socket."""
    receiver = syslog_receiving.unix_datagrams(tmp_path).start()
    yield receiver
    receiver.close()


def test_several_targets_get_every_record_each_with_its_own_numbers(tmp_path: Path, receiver: Receiver) -> None:
    log = tmp_path / "audit.jsonl"
    first = made(str(log))
    first[0].write([RECORD])
    first[0].close()
    sinks = made(str(log), "-", receiver.url)
    assert [type(sink) for sink in sinks] == [FileSink, StreamSink, SyslogSink]
    for sink in (sinks[0], sinks[2]):
        sink.write([RECORD])
        sink.close()
    last = json.loads(log.read_text().splitlines()[-1])
    found = receiver.next()
    assert (last["winlog"]["record_id"], found.record_id) == ("2", "1")
    assert found.hostname == "ldap1.contoso.com"
    assert found.record["winlog"]["event_data"] == last["winlog"]["event_data"]


def test_xml_goes_to_a_file_through_its_own_renderer(tmp_path: Path) -> None:
    (sink,) = made(f"xml:{tmp_path / 'audit.xml'}")
    sink.write([RECORD])
    sink.close()
    assert (tmp_path / "audit.xml").read_text() == XMLRenderer("ldap1.contoso.com").line(RECORD, 1)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("", "'': needs the path of a file"),
        ("xml:", "'xml:': needs the path of a file"),
        ("xml:-", "'xml:-': needs the path of a file"),
        ("a\0b", r"'a\x00b': needs the path of a file"),
        ("http://x", "http://x: must be a file, xml:FILE, -, syslog:///PATH, "),
        (
            "syslog+quic://x",
            "syslog+quic://x: must begin with syslog://, syslog+udp://, syslog+tcp://, syslog+tls://",
        ),
        ("syslog+tcp://x:y", "syslog+tcp://x:y: the port must be a number from 1 to 65535"),
        ("syslog+tls://x?ca=/none.pem", "syslog+tls://x?ca=/none.pem: /none.pem: No such file or directory"),
    ],
)
def test_what_is_no_target_is_told_by_its_rule(target: str, words: str) -> None:
    assert refusal(target).startswith(words)


def test_a_file_of_cas_that_holds_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nonsense")
    assert refusal(f"syslog+tls://x?ca={path}").endswith(f"{path}: holds no certificate in PEM")


def test_what_is_there_twice_is_told_whatever_it_is_called(tmp_path: Path) -> None:
    log, link = tmp_path / "audit.jsonl", tmp_path / "link"
    link.symlink_to(log)
    assert refusal(str(log), str(log)) == f"{log}: is there already"
    assert refusal(str(log), "-", str(link)) == f"{link}: is there already as {log}"
    assert refusal(str(log), f"xml:{log}") == f"xml:{log}: is there already as {log}"
    assert refusal("-", "-") == "-: is there already"
    assert refusal("syslog+udp://x", "syslog+udp://x:514") == (
        "syslog+udp://x:514: is there already as syslog+udp://x"
    )
    assert not log.exists()


def test_a_name_with_a_colon_is_a_file_when_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target in ("./syslog:x", "audit:1.jsonl", "./xml:x"):
        (sink,) = made(target)
        assert isinstance(sink, FileSink)
        sink.close()


def test_when_a_target_cannot_be_opened_those_before_it_are_let_go(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    with pytest.raises(UsageFault, match="No such file"):
        made(str(log), str(tmp_path / "none" / "x"))
    (sink,) = made(str(log))
    sink.close()
