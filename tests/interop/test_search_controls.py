"""ldapsearch and ldap3 with the controls of searches against our server, and slapd asked the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ldap3.extend.standard.PagedSearch import paged_search_generator

from tests.interop.conftest import tool
from tests.interop.server import BASE, PEOPLE, U1, OurServer, run, running_server
from tests.interop.slapd import running_slapd

FAR = f"ou=far,{BASE}"
ENTRIES = "\n" + "".join(
    f"dn: cn=zq{number},{BASE}\nobjectClass: device\ncn: zq{number}\nserialNumber: {number * 7 % 10}\n"
    f"description: One{number}\ndescription: Two\n\n"
    for number in range(10)
)
ENTRIES += (
    f"dn: {FAR}\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\n"
    "ref: ldap://one.example/ou=away,dc=example\nref: ldap://two.example\n\n"
    f"dn: cn=policy,{BASE}\nobjectClass: subentry\ncn: policy\nsubtreeSpecification: {{}}\n"
)
DEVICES = ("-b", BASE, "(cn=zq*)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """Our server with these entries."""
    folder = tmp_path_factory.mktemp("controls")
    (folder / "more.ldif").write_text(ENTRIES)
    with running_server(folder, "--ldif", str(folder / "more.ldif"), "--admin", f"uid=admin,{PEOPLE}") as running:
        yield running


@pytest.fixture(scope="module")
def slapd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A slapd with the same."""
    with running_slapd(
        tool("slapd"), tool("slapadd"), tmp_path_factory.mktemp("slapd"), more_entries=ENTRIES
    ) as running:
        yield running.url


def search(server: OurServer | str, *arguments: str) -> tuple[int, str, str]:
    """`ldapsearch` as u1."""
    url = server if isinstance(server, str) else server.url
    bind = ("-x", "-D", U1, "-w", "password", "-H", url, "-o", "nettimeout=10")
    return run(tool("ldapsearch"), *bind, "-LLL", "-o", "ldif-wrap=no", *arguments)


def names(output: str) -> list[str]:
    """The first value of each name."""
    return [line.split("=")[1].split(",")[0] for line in output.splitlines() if line.startswith("dn: ")]


def test_ldapsearch_pages(server: OurServer) -> None:
    status, output, error = search(server, *DEVICES, "1.1", "-E", "!pr=3/noprompt")
    assert (status, error) == (0, "")
    assert names(output) == [f"zq{number}" for number in range(10)]
    assert output.count("# pagedresults: cookie=\n") == 1
    assert output.count("# pagedresults: cookie=") == 4


def test_ldapsearch_sorts(server: OurServer) -> None:
    by_serial = sorted(range(10), key=lambda number: number * 7 % 10)
    for key, order in (("serialNumber", by_serial), ("-serialNumber:2.5.13.3", by_serial[::-1])):
        status, output, error = search(server, *DEVICES, "1.1", "-E", f"!sss={key}", "-E", "!pr=4/noprompt")
        assert (status, error) == (0, "")
        assert names(output) == [f"zq{number}" for number in order]
        assert "# sortResult: (0) Success\n" in output


def test_ldapsearch_looks_through_windows(server: OurServer) -> None:
    for target, first, place in (("1/1/5/0", ["zq3", "zq4", "zq5"], 5), ("1/1:zq7", ["zq6", "zq7", "zq8"], 8)):
        # With nobody to answer its prompt it goes on by one entry until the list ends.
        status, output, _ = search(server, *DEVICES, "1.1", "-E", "!sss=cn", "-E", f"!vlv={target}")
        assert status == 76
        assert names(output)[:3] == first
        assert f"# vlvResultpos={place} count=10 context=" in output.replace("vlvResult: pos", "vlvResultpos")


def test_ldapsearch_is_told_why_there_is_no_order(server: OurServer) -> None:
    assert search(server, *DEVICES, "1.1", "-E", "!sss=nonsense")[0] == 12
    status, output, _ = search(server, *DEVICES, "1.1", "-E", "sss=nonsense")
    assert (status, len(names(output))) == (0, 10)
    assert "sortResult: (16) No such attribute" in output


SAME = {
    "matched values": ("-E", "!mv=(description=two)", "-b", BASE, "(cn=zq1)", "description"),
    "matched by substring": ("-E", "!mv=((description=one*)(cn=*))", "-b", BASE, "(cn=zq1)"),
    "no matched value": ("-E", "!mv=(description=three)", "-b", BASE, "(cn=zq1)"),
    "subentries": ("-E", "!subentries=true", "-b", BASE, "cn"),
    "no subentries": ("-E", "!subentries=false", "-b", BASE, "(cn=policy)", "cn"),
    "subentries unasked": ("-b", BASE, "(cn=policy)", "cn"),
    "a subentry by name": ("-b", f"cn=policy,{BASE}", "-s", "base", "cn"),
    "references below": ("-b", BASE, "(cn=zq1)", "1.1"),
    "references of one level": ("-b", BASE, "-s", "one", "(cn=zq1)", "1.1"),
    "referred": ("-b", f"cn=a b,{FAR}", "1.1"),
    "referred at its base": ("-b", FAR, "-s", "base", "1.1"),
    "referral objects": ("-M", "-b", BASE, "(objectClass=referral)", "ref"),
    "assertion that holds": ("-e", "!assert=(sn=*)", "-b", U1, "-s", "base", "1.1"),
    "assertion that fails": ("-e", "!assert=(sn=nobody)", "-b", U1, "-s", "base", "1.1"),
    "a limit across pages": ("-z", "5", "-E", "!pr=2/noprompt", "-E", "!domainScope", *DEVICES, "1.1"),
    "a page as large as the limit": ("-z", "3", "-E", "!pr=3/noprompt", "-E", "!domainScope", *DEVICES, "1.1"),
}


@pytest.mark.parametrize("name", SAME)
def test_slapd_says_the_same(server: OurServer, slapd_url: str, name: str) -> None:
    ours, theirs = (search(each, *SAME[name]) for each in (server, slapd_url))
    assert ours[0] == theirs[0]
    # All but the cookies, and who is served first: references by slapd in their place in the tree.
    assert sorted(_content(ours)) == sorted(_content(theirs))


def _content(answer: tuple[int, str, str]) -> list[str]:
    lines = (answer[1] + answer[2]).splitlines()
    return [line for line in lines if not line.startswith("# pagedresults")]


def test_ldapwhoami_under_proxied_authorization(server: OurServer) -> None:
    def whoami(uid: str, password: str, authzid: str) -> tuple[int, str]:
        bind = ("-x", "-D", f"uid={uid},{PEOPLE}", "-w", password, "-H", server.url)
        return run(tool("ldapwhoami"), *bind, "-e", f"!authzid={authzid}")[:2]

    assert whoami("admin", "admin secret", f"dn:{U1}") == (0, f"dn:{U1}\n")
    assert whoami("u1", "password", "") == (0, "anonymous\n")
    assert "123" in whoami("u1", "password", "u:admin")[1]


def test_ldap3_pages_sorts_and_follows_no_reference(server: OurServer) -> None:
    with ldap3.Connection(
        ldap3.Server(server.url, get_info=ldap3.ALL), U1, "password", auto_referrals=False
    ) as connection:
        assert "1.2.840.113556.1.4.319" in {control[0] for control in connection.server.info.supported_controls}
        # types-ldap3 takes the generator for a function that returns nothing.
        found: Any = list(
            paged_search_generator(  # type: ignore[call-overload, func-returns-value]
                connection, BASE, "(cn=zq*)", attributes=["cn"], paged_size=3, paged_criticality=True
            )
        )
        entries = [each for each in found if each["type"] == "searchResEntry"]
        # Within a page the generator goes from the last to the first.
        assert sorted(entry["attributes"]["cn"] for entry in entries) == [[f"zq{number}"] for number in range(10)]
        (reference,) = [each for each in found if each["type"] == "searchResRef"]
        assert reference["uri"][0] == "ldap://one.example/ou=away,dc=example??sub"


def test_ldap3_cancels_nothing_that_is_over(server: OurServer) -> None:
    with ldap3.Connection(ldap3.Server(server.url), U1, "password") as connection:
        connection.extended("1.3.6.1.1.8", b"\x30\x03\x02\x01\x63", no_encode=True)
        assert connection.result["result"] == 119


def test_options_limit_searches(tmp_path: Path) -> None:
    with running_server(tmp_path, "--size-limit", "2", "--sort-limit", "1", "--time-limit", "5m") as limited:
        status, output, _ = search(limited, "-b", BASE, "1.1")
        assert (status, len(names(output))) == (4, 2)
        assert search(limited, "-b", BASE, "1.1", "-E", "!sss=cn")[0] == 12
