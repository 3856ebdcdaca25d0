"""`--save`: what a directory holds is in the file whole, comes back the same, and binds do not wait for it."""

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ldif import Attributes, EntryRecord, read_ldif, write_entry
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.hosting.ldif_file import records_of, text_of
from ldapserver.hosting.saving import SLICE, Saving
from ldapserver.whole_file import WholeFile
from ldapserver.wire.dn import AVA, DN
from tests.server.stage import simple
from tests.server.test_serve import Serve, ldif, serve
from tests.server.test_serve import epoll as epoll  # fixtures of theirs
from tests.server.test_serve import loop as loop

__all__ = ["ldif", "serve"]  # fixtures


def directory(text: str) -> MemoryDirectory:
    return MemoryDirectory([("t", read_ldif(text, "t"))])


def held(of: MemoryDirectory) -> dict[DN, tuple[str, dict[str, tuple[bytes, ...]]]]:
    """All entries with their secrets, and how their names are written."""
    return {dn: (str(dn), dict(attributes)) for dn, attributes in of.records(with_secrets=True)}


# Round trip

values = st.one_of(st.binary(min_size=1), st.text(min_size=1).map(str.encode))
names = st.sampled_from(["cn", "sn;lang-en", "description", "x-unknown", "jpegPhoto;binary", "control", "version"])
passwords = st.one_of(
    values.filter(lambda value: not value.startswith(b"{")),
    values.map(lambda value: b"{CLEARTEXT}" + value),
    st.binary(min_size=16, max_size=16).map(lambda secret: b"{HA1}x:" + secret.hex().encode()),
)
entries = st.lists(
    st.tuples(
        values,
        st.lists(st.tuples(names, st.lists(values, min_size=1, max_size=3).map(tuple)), max_size=3),
        st.lists(passwords, max_size=2).map(tuple),
    ),
    max_size=4,
    unique_by=lambda entry: DN(((AVA("cn", entry[0]),),)).key,
)


@given(entries)
def test_a_directory_of_any_octets_is_the_same_when_its_file_is_read(
    made: list[tuple[bytes, list[tuple[str, tuple[bytes, ...]]], tuple[bytes, ...]]],
) -> None:
    base = DN.parse("dc=x")
    records = [EntryRecord(base, (("objectClass", (b"domain",)),), 1)]
    for name, attributes, secrets in made:
        given: Attributes = (("objectClass", (b"person",)), *attributes)
        stored: Attributes = (*given, ("userPassword", secrets)) if secrets else given
        records.append(EntryRecord(DN(((AVA("cn", name),), *base.rdns)), stored, 1))
    first = MemoryDirectory([("made", records)])
    text = b"".join(text_of(first.records(with_secrets=True)))
    second = directory(text.decode("ascii"))
    assert held(second) == held(first)
    # An account is equal to another when its secrets are.
    assert list(second.accounts()) == list(first.accounts())
    assert b"".join(text_of(second.records(with_secrets=True))) == text


# Between the turns of the reactor


@dataclass
class Turns:
    """A reactor that is turned by hand, a clock that moves with each reading, and what is done in a thread."""

    later: list[Callable[[], object]] = field(default_factory=list)
    in_thread: list[Callable[[], object]] = field(default_factory=list)
    now: float = 0.0

    def callLater(self, delay: float, call: Callable[[], object]) -> None:  # noqa: N802
        assert delay == 0
        self.later.append(call)

    def callInThread(self, call: Callable[[], object]) -> None:  # noqa: N802
        self.in_thread.append(call)

    def callFromThread(self, call: Callable[[], object]) -> None:  # noqa: N802
        self.later.append(call)

    def clock(self) -> float:
        self.now += SLICE / 4
        return self.now

    def turn(self) -> bool:
        """Do what waits; whether anything did."""
        due, self.later, threads, self.in_thread = self.later, [], self.in_thread, []
        for call in (*threads, *due):
            call()
        return bool(due or threads)

    def run(self) -> int:
        turns = 0
        while self.turn():
            turns += 1
        return turns


MANY = [(DN.parse(f"cn={number},dc=x"), (("cn", (b"%d" % number,)),)) for number in range(40)]
WHOLE = b"".join(text_of(MANY))
Records = Iterable[tuple[DN, Attributes]]


def test_a_file_is_written_a_slice_a_turn_and_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "s.ldif"
    target.write_text("old")
    turns = Turns()
    Saving(str(target), lambda: iter(MANY), turns.clock).begin(turns)
    assert target.read_text() == "old"
    count = 0
    while turns.later:
        turns.turn()
        count += 1
        assert target.read_text() == "old"
    assert count == len(MANY) // 4
    assert turns.in_thread  # the disk is waited for elsewhere
    turns.run()
    assert target.read_bytes() == WHOLE
    assert target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["s.ldif"]


def test_what_is_asked_for_while_it_is_written_is_written_once_more(tmp_path: Path) -> None:
    asked = []

    def records() -> Records:
        asked.append(True)
        return iter(MANY)

    turns = Turns()
    saving = Saving(str(tmp_path / "s.ldif"), records, turns.clock)
    for _ in range(3):
        saving.begin(turns)
    turns.run()
    assert len(asked) == 2
    saving.begin(turns)
    turns.run()
    assert len(asked) == 3


def test_what_changes_while_it_is_written_is_not_half_in_it() -> None:
    first = directory("dn: dc=x\nobjectClass: domain\ndc: x\n\ndn: cn=a,dc=x\ncn: a\n")
    pieces = text_of(first.records(with_secrets=True))
    next(pieces)
    gone = next(first._root.tops()).children
    assert gone is not None
    gone.clear()
    assert b"dn: cn=a,dc=x\n" in b"".join(pieces)


def test_the_exit_leaves_what_is_under_way_and_writes_all(tmp_path: Path) -> None:
    target = tmp_path / "s.ldif"
    turns = Turns()
    saving = Saving(str(target), lambda: iter(MANY), turns.clock)
    saving.begin(turns)
    assert saving.at_exit()
    assert target.read_bytes() == WHOLE
    target.write_text("later")
    turns.run()
    assert target.read_text() == "later"
    assert os.listdir(tmp_path) == ["s.ldif"]


UNWRITABLE: Records = [*MANY, (DN.parse("cn=z"), (("dn", (b"hunter2",)),))]
WHY = "cn=z: an attribute called 'dn' cannot be written (RFC 2849, ldif-file)"


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("records", "broken", "why"),
    [
        (UNWRITABLE, None, WHY),
        (MANY, (WholeFile, "write"), "No space left on device"),
        (MANY, (os, "fsync"), "No space left on device"),
    ],
    ids=["attribute", "write", "fsync"],
)
@pytest.mark.parametrize("at_exit", [False, True], ids=["signal", "exit"])
def test_what_cannot_be_saved_is_told_and_the_old_file_stays(
    records: Records,
    broken: tuple[Any, str] | None,
    why: str,
    at_exit: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "s.ldif"
    target.write_text("old")
    turns = Turns()
    saving = Saving(str(target), lambda: iter(records), turns.clock)
    with monkeypatch.context() as patch:
        if broken is not None:
            patch.setattr(*broken, full)
        if at_exit:
            assert not saving.at_exit()
        else:
            saving.begin(turns)
            turns.run()
    told = f"argument --save: {target}: {why}; it is not saved, and what was there stays"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [("ERROR", told)]
    assert os.listdir(tmp_path) == ["s.ldif"]
    assert target.read_text() == "old"


def test_behind_a_link_is_the_file_that_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    link = tmp_path / "link.ldif"
    link.symlink_to(folder / "s.ldif")
    with WholeFile(str(link), private=True) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert (folder / "s.ldif").read_bytes() == b"x"
    with pytest.raises(KeyError), WholeFile(str(link), private=True):
        raise KeyError
    assert os.listdir(folder) == ["s.ldif"]
    assert link.read_bytes() == b"x"


# As it is run


def test_a_server_saves_on_a_signal_and_at_exit_and_begins_with_what_it_saved(serve: Serve, tmp_path: Path) -> None:
    target = tmp_path / "state.ldif"
    server = serve("--save", str(target))
    assert server.lines == [f"ldapserver: uvloop: listening on {server.urls[0]}"]
    server.process.send_signal(signal.SIGUSR1)
    assert server.until("saved") == f"ldapserver: saved in {target}"
    first = target.read_bytes()
    assert b"userPassword: " in first
    target.unlink()
    assert server.stop() == 0
    assert server.lines[2:] == ["ldapserver: stopping", f"ldapserver: saved in {target}"]
    assert target.read_bytes() == first
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*"))
    again = MemoryDirectory([("t", records_of(str(target)))])
    written = [write_entry(*each) for each in again.records(with_secrets=True)]
    assert first.decode() == "\n".join(["version: 1\n", *written])
    assert len(held(again)) == len(held(MemoryDirectory([("t", records_of(str(tmp_path / "contoso.ldif")))])))


def test_a_file_to_load_and_save_is_made_by_the_first_run(serve: Serve, tmp_path: Path, ldif: str) -> None:
    os.unlink(ldif)
    target = tmp_path / ".." / tmp_path.name / "contoso.ldif"  # the same file in other words
    server = serve("--save", str(target), "--suffix", "dc=x")
    assert server.lines[0] == f"ldapserver: {target} is not there yet; it is made at exit"
    assert server.stop() == 0
    first = Path(ldif).read_text()
    assert first.startswith("version: 1\n\ndn: dc=x\nobjectClass: top\nobjectClass: domain\ndc: x\n")
    again = serve("--save", str(target))
    assert again.stop() == 0
    assert Path(ldif).read_text() == first  # the entryUUID too


def test_a_server_that_cannot_save_at_exit_ends_with_status_1(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    server = serve("--save", str(folder / "s.ldif"))
    folder.rmdir()
    server.process.send_signal(signal.SIGUSR1)
    said = f"ldapserver: argument --save: {folder / 's.ldif'}: No such file or directory; it is not saved, and what "
    assert server.until("--save").startswith(said)
    assert server.connect().bind(simple("u1", "password")) == 0
    assert server.stop() == 1
    assert server.lines[-1].startswith(said)


def test_without_save_the_signal_does_nothing_but_say_so(serve: Serve) -> None:
    server = serve()
    server.process.send_signal(signal.SIGUSR1)
    assert server.until("SIGUSR1") == "ldapserver: SIGUSR1: there is no --save"
    assert server.connect().bind(simple("u1", "password")) == 0
    assert server.stop() == 0
