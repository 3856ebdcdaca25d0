"""`ldapserver export` of a real slapd: page by page, with what is elsewhere told and its limits kept."""

from collections.abc import Iterator

import pytest

from ldapserver.cli import main, remote
from ldapserver.directory.ldif import EntryRecord, read_ldif
from tests.interop.conftest import tool
from tests.interop.slapd import BASE, TLS, running_slapd

PEOPLE = 600  # more than slapd gives at once, 500 unless it is told otherwise
MORE = "".join(
    f"\ndn: cn=p{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: p{number}\nsn: p\njpegPhoto:: /w==\n"
    for number in range(PEOPLE)
)
ELSEWHERE = f"\ndn: ou=far,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nref: ldap://far/{BASE}\n"

ALIAS = (
    f"\ndn: ou=also,{BASE}\nobjectClass: alias\nobjectClass: extensibleObject\nou: also\n"
    f"aliasedObjectName: ou=people,{BASE}\n"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a slapd with that many entries, and a referral."""
    folder = tmp_path_factory.mktemp("export")
    tls = TLS.throw_away(folder)
    with running_slapd(
        tool("slapd"), tool("slapadd"), folder, tls=tls, more_entries=MORE + ELSEWHERE + ALIAS
    ) as running:
        yield running.url


@pytest.mark.parametrize("page", [7, 1000])
def test_all_pages_are_one_export(
    page: int, url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", "password")
    monkeypatch.setattr(remote, "PAGE", page)
    assert main(["export", f"{url}/{BASE}???(|(cn=p1*)(ou=*))", "--user", "u1"]) == 0
    told = capfd.readouterr()
    records = [record for record in read_ldif(told.out, "output") if isinstance(record, EntryRecord)]
    found = [dict(record.attributes) for record in records if str(record.dn).startswith("cn=p1")]
    assert len(found) == 111
    assert {each["jpegPhoto"] for each in found} == {(b"\xff",)}
    assert f"ou=also,{BASE}" in {str(record.dn) for record in records}  # itself, and not what it stands for
    assert told.err == f"ldapserver export: what is there is not asked for: ldap://far/{BASE}??sub\n"


def test_a_limit_of_the_server_is_its_result_code(
    url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", "password")
    assert main(["export", f"{url}/{BASE}", "--user", "u1"]) == 4
    assert "sizeLimitExceeded (4)" in capfd.readouterr().err


def test_a_server_that_cannot_show_who_it_is_is_told_no_password(
    url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", "password")
    assert main(["export", url, "--start-tls", "--simple", f"uid=u1,ou=people,{BASE}"]) == 81
    told = capfd.readouterr()
    assert told.out == ""
    assert "certificate verify failed" in told.err
    assert "('" not in told.err  # ldap3's wrapping of it
