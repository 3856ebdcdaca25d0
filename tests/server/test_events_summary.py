"""The summary, held against a plain count; the tables of a terminal; and what it costs in memory."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ldapserver.audit.record import MSV1_0, WDIGEST, BindRecord
from ldapserver.audit.status import BindReason, Status
from ldapserver.cli.events import main
from ldapserver.viewer import summary as module
from ldapserver.viewer.event import Event
from ldapserver.viewer.json_form import read_json
from ldapserver.viewer.name_form import name_form
from ldapserver.viewer.summary import BEYOND, Summary
from ldapserver.viewer.summary_text import as_json, plain_text, sections, show
from ldapserver.viewer.table import COLUMNS, HEADINGS, Screen, cells, fitted
from ldapserver.viewer.xml_form import read_xml, xml_of
from sasl_digest import Reason
from tests.server.generated_logs import BIND, SECOND, START_NS, binds, event_line, lines

RECORDS = list(binds(3000, 1, accounts=40, addresses=9))


def summed(lines_of_log: Any) -> Summary:
    summary = Summary()
    summary.take(map(read_json, lines_of_log))
    return summary


def counts(table: dict[str, Any], key: str = "count") -> dict[str, int]:
    return {row["name"]: row[key] for row in table["rows"] if row[key]}


def test_all_that_is_counted_is_what_a_plain_count_finds() -> None:
    found = as_json(summed(lines(iter(RECORDS))), None)
    failed = [record for record in RECORDS if record.reason is not BindReason.SUCCESS]
    digests = [record for record in RECORDS if record.package == WDIGEST and record.status is not None]
    succeeded = [record for record in digests if not record.status]
    verdicts = [record for record in RECORDS if record.status is not None]
    assert found["records"] == found["binds"]["count"] == len(RECORDS)
    assert found["binds"]["failed"] == len(failed)
    assert found["events"] == {"4776": len(verdicts), "sasl-exchange": len(RECORDS) - len(verdicts)}
    assert counts(found["by_account"]) == Counter(record.account for record in verdicts)
    assert counts(found["by_account"], "failed") == Counter(record.account for record in verdicts if record.status)
    assert counts(found["by_address"]) == Counter(record.source_ip for record in RECORDS)
    assert counts(found["by_workstation"]) == {"LDAP1": len(verdicts)}
    assert counts(found["by_mechanism"]) == Counter(record.mechanism for record in RECORDS)
    assert counts(found["by_status"]) == {
        "0x0 Status OK.": len(RECORDS) - len(failed),
        "0xc000006a Wrong password": sum(record.reason is Reason.WRONG_PASSWORD for record in RECORDS),
        "0xc0000064 No such user": sum(record.reason is Reason.UNKNOWN_USER for record in RECORDS),
        "- nonce-foreign": sum(record.reason is Reason.NONCE_FOREIGN for record in RECORDS),
    }
    of_digests = found["digest_md5"]
    assert counts(of_digests["by_account"], "succeeded") == Counter(record.account for record in succeeded)
    assert counts(of_digests["by_name_form"]) == Counter(name_form(record.account) for record in digests)
    assert counts(of_digests["by_realm"]) == Counter(record.realm or "(empty)" for record in digests)
    assert counts(of_digests["by_channel"]) == Counter("inside TLS" if r.tls else "without TLS" for r in digests)
    assert counts(of_digests["by_qop_and_cipher"]) == {"auth": len(digests)}
    assert counts(of_digests["by_digest_uri"]) == {"ldap/dc1.contoso.com": len(digests)}
    assert of_digests["binds"]["last_success"] == f"{read_json(next(lines([succeeded[-1]]))).time}Z"
    assert (found["first"], found["last"]) == tuple(
        f"{read_json(next(lines([record]))).time}Z" for record in (RECORDS[0], RECORDS[-1])
    )


@pytest.mark.parametrize("alike", [1, 7, 200])
def test_it_does_not_matter_how_much_is_counted_together(alike: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_json(summed(lines(iter(RECORDS[:500]))), None)
    monkeypatch.setattr(module, "_ALIKE", alike)
    assert as_json(summed(lines(iter(RECORDS[:500]))), None) == whole


def test_it_does_not_matter_in_which_order_logs_come() -> None:
    forth = as_json(summed(lines(iter(RECORDS[:500]))), None)
    back = as_json(summed(lines(iter(RECORDS[:500][::-1]))), None)
    assert forth == back


def test_the_span_is_that_of_all_logs() -> None:
    early, late = (read_json(line) for line in lines([BIND, replace(BIND, time_ns=START_NS + SECOND)]))
    for order in ([early, late], [late, early]):
        summary = Summary()
        for event in order:
            summary.take([event])
        assert (summary.first, summary.last) == (early.time, late.time)


def test_what_is_held_between_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ALIKE", 10)
    summary = Summary()

    def watched() -> Iterator[Event]:
        for line in lines(iter(RECORDS[:200])):
            assert sum(len(each.accounts) for each in summary._alike.values()) <= 10
            assert len(summary._alike) <= 10
            yield read_json(line)

    summary.take(watched())
    assert summary.records == 200


def test_names_are_counted_by_themselves_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    records = [replace(BIND, account=f"a{number}") for number in range(20)]
    found = as_json(summed(lines(records)), None)
    assert counts(found["by_account"]) == {**{f"a{number}": 1 for number in range(5)}, BEYOND: 15}
    assert found["binds"]["count"] == 20


def test_a_name_is_one_whatever_its_case() -> None:
    found = as_json(summed(lines([replace(BIND, account=name) for name in ("U1", "u1", "u2")])), None)
    assert counts(found["by_account"]) == {"U1": 2, "u2": 1}


def test_a_log_in_windows_form_tells_whose_and_not_how() -> None:
    texts = [xml_of(read_json(line)) for line in lines([BIND, replace(BIND, package=MSV1_0, account="u2")])]
    summary = Summary()
    summary.take([read_xml(text.encode()) for text in texts if text])
    found = as_json(summary, None)["digest_md5"]
    assert counts(found["by_account"]) == {"u1": 1}
    assert counts(found["by_name_form"]) == {"account name": 1}
    assert found["by_realm"]["rows"] == found["by_qop_and_cipher"]["rows"] == found["by_channel"]["rows"] == []


def test_a_logon_beside_its_validation_is_not_a_second_bind() -> None:
    log = [
        *lines([BIND]),
        event_line(4624, "2026-01-02T03:04:05Z", TargetUserName="u1", AuthenticationPackageName="WDigest"),
    ]
    found = as_json(summed(log), None)
    assert (found["records"], found["binds"]["count"], found["digest_md5"]["binds"]["count"]) == (2, 1, 1)
    assert found["events"] == {"4624": 1, "4776": 1}


def test_a_refused_authzid_stands_among_what_did_not_succeed() -> None:
    record = replace(BIND, reason=BindReason.AUTHZID_REFUSED)
    (section,) = [each for each in sections(summed(lines([record, BIND])), None) if "status" in each.headings]
    assert section.rows == (("1", "0x0 Status OK. (authzid-refused)"),)


def test_each_table_has_so_many_rows_and_says_what_it_left_out() -> None:
    text = list(plain_text(summed(lines(iter(RECORDS))), 3))
    at = text.index("Who still uses DIGEST-MD5")
    table = text[at + 1 : text.index("", at)]
    assert len(table) == 1 + 3 + 1
    assert table[-1].startswith("  and 117 more, with ")
    succeeded = [int(row.split()[0]) for row in table[1:4]]
    assert succeeded == sorted(succeeded, reverse=True)
    everything = list(plain_text(summed(lines(iter(RECORDS))), None))
    assert not [line for line in everything if " more, with " in line]


def test_names_of_clients_do_not_move_the_cursor_in_a_summary() -> None:
    records = [
        replace(BIND, account="\x1b[2J\u202e", realm="\x07", digest_uri="\n", mechanism="\r", workstation="\x9b")
    ]
    assert all(line.isprintable() for line in plain_text(summed(lines(records)), None))


def test_each_table_says_by_itself_what_it_is_about() -> None:
    """Where nobody succeeded there is no table of who still uses DIGEST-MD5 for the others to follow."""
    record = replace(BIND, status=Status.WRONG_PASSWORD, reason=Reason.WRONG_PASSWORD)
    found = [(section.title, section.headings[-1]) for section in sections(summed(lines([record])), None)]
    assert len(set(found)) == len(found)
    assert ("DIGEST-MD5: under which name", "form of name") in found
    assert not [title for title, _ in found if title.startswith(".")]
    assert "DIGEST-MD5: nobody succeeded; 1 failed" in list(plain_text(summed(lines([record])), None))
    titles = [title for title, _ in found if title.startswith("All binds")]
    assert titles == [f"All binds by {noun}" for noun in ("mechanism", "account", "address")]


def test_who_uses_no_digest_is_told_so() -> None:
    record = replace(BIND, package=MSV1_0, mechanism="simple")
    assert "DIGEST-MD5: nobody used it" in list(plain_text(summed(lines([record])), None))


def test_the_command_sums_up(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(b"".join(lines(iter(RECORDS[:100]))))
    assert main(["--summary", str(log), str(log), "--top", "2"]) == 0
    assert capfdbinary.readouterr().out.decode().splitlines() == list(
        plain_text(summed(lines(iter(RECORDS[:100]))), 2)
    )
    assert main(["--summary", "--json", str(log), "--failed"]) == 0
    found = json.loads(capfdbinary.readouterr().out)
    assert (
        found["records"] == found["binds"]["failed"] == sum(r.reason is not BindReason.SUCCESS for r in RECORDS[:100])
    )


# On a terminal


def on_screen(width: int, draw: Callable[[Console], object]) -> list[str]:
    file = io.StringIO()
    draw(Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False))
    return file.getvalue().splitlines()


LONG = replace(
    BIND, account="ж日本" * 40, workstation="W" * 60, status=Status.WRONG_PASSWORD, reason=Reason.WRONG_PASSWORD
)


def table_on_screen(width: int, records: list[BindRecord]) -> list[str]:
    def draw(console: Console) -> None:
        screen = Screen(console)
        screen.show(HEADINGS, heading=True)
        for line in lines(records):
            screen.show(cells(read_json(line)))

    return on_screen(width, draw)


ADDRESSED = replace(BIND, workstation="192.168.100.200", status=Status.WRONG_PASSWORD, reason=Reason.WRONG_PASSWORD)


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 135, 200])
def test_a_row_fits_the_terminal_and_shows_the_status(width: int) -> None:
    from rich.cells import cell_len

    shown = table_on_screen(width, [BIND, LONG])
    assert len(shown) == 3 + (width < 135)
    assert all(cell_len(line) <= width for line in shown)
    assert "0xc000006a Wrong password" in shown[-1]
    assert "03:04:05" in shown[-2]
    assert "u1" in shown[-2]
    assert "4776" in shown[-2]


@pytest.mark.parametrize("width", [72, 80, 100, 120, 200])
def test_neither_an_address_nor_a_status_is_cut(width: int) -> None:
    *_, row = table_on_screen(width, [ADDRESSED])
    assert row.endswith("  192.168.100.200  " + " " * 24 * (width == 200) + "0xc000006a Wrong password")


def test_what_80_columns_show_is_whole() -> None:
    foreign = replace(
        BIND, status=None, reason=Reason.NONCE_FOREIGN, account="", time_ns=START_NS + 24 * 3600 * SECOND
    )
    assert table_on_screen(80, [BIND, replace(ADDRESSED, account="CONTOSO\\backup"), foreign]) == [
        "time      id    account               workstation      status",
        "2026-01-02 UTC",
        "03:04:05  4776  u1                    LDAP1            0x0 Status OK.",
        "03:04:05  4776  CONTOSO\\backup        192.168.100.200  0xc000006a Wrong password",
        "2026-01-03 UTC",
        "03:04:05  sasl  -                     192.0.2.10       - nonce-foreign",
    ]


def test_where_there_is_room_an_ipv6_address_is_whole_too() -> None:
    address = "2001:db8:1234:5678:9abc:def0:1234:5678"
    assert address in table_on_screen(200, [replace(BIND, workstation=address)])[-1]


@pytest.mark.parametrize("width", [10, 25, 40, 50, 59])
def test_a_narrow_terminal_has_a_line_a_row(width: int) -> None:
    from rich.cells import cell_len

    shown = table_on_screen(width, [ADDRESSED, LONG])
    assert len(shown) == 4
    assert all(cell_len(line) <= width for line in shown)


@pytest.mark.parametrize("width", range(1, 300))
def test_the_columns_fill_no_more_than_the_terminal(width: int) -> None:
    widths = fitted(width)
    assert len(widths) == len(COLUMNS)
    assert all(each >= 0 for each in widths)
    if width >= 20:
        assert sum(each + 2 for each in widths if each) - 2 <= width


def test_a_terminal_is_told_by_colour_what_failed() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, width=120, force_terminal=True, color_system="standard"))
    for line in lines([BIND, LONG]):
        screen.show(cells(read_json(line)))
    _, good, bad = file.getvalue().splitlines()
    assert "\x1b[32m" in good
    assert "\x1b[31m" not in good
    assert "\x1b[31m" in bad


def test_a_summary_on_a_terminal_has_every_table() -> None:
    summary = summed(lines([*RECORDS[:200], replace(BIND, account="[bold]x", time_ns=START_NS + SECOND)]))
    shown = "\n".join(on_screen(100, lambda console: show(summary, None, console)))
    for section in sections(summary, None):
        assert section.title in shown
    assert "[bold]x" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())
