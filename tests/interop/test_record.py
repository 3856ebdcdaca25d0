"""A session of OpenLDAP's tools with a real slapd, recorded by our proxy and played to the same tools."""

from pathlib import Path

import ldap3
import pytest

from ldapserver.capture.exchanges import digest_exchanges
from ldapserver.testing import recording, replaying, running_server
from tests.interop.conftest import tool
from tests.interop.server import run

USER = "dn:uid=u1,ou=people,dc=contoso,dc=com"


def who_am_i(url: str, qop: str = "auth") -> tuple[int, str]:
    """Bind by DIGEST-MD5 and ask who that makes us."""
    layer = "maxssf=0" if qop == "auth" else "minssf=1"
    command = [tool("ldapwhoami"), "-H", url, "-Q", "-Y", "DIGEST-MD5", "-U", "u1", "-w", "password", "-O", layer]
    status, output, _ = run(*command)
    return status, output.strip()


def test_slapd_is_recorded_and_played(directory_server: str, tmp_path: Path) -> None:
    path = str(tmp_path / "session.txt")
    with recording(to=directory_server) as proxy:
        found = who_am_i(proxy.url)
        proxy.save(path)
        (exchange,) = digest_exchanges(proxy.conversations[0])
    assert found[0] == 0
    assert (exchange.result_code, (exchange.rspauth or b"")[:8]) == (0, b"rspauth=")
    with replaying(path, strict=True, password="password") as played:
        assert who_am_i(played.url) == found
    # The recorded proof is of another cnonce: libsasl2 refuses it.
    with replaying(path) as played:
        assert who_am_i(played.url)[0] != 0


def test_a_layer_passes_the_proxy_unread(directory_server: str) -> None:
    from ldapserver.capture.messages import LAYER, Unreadable, messages

    with recording(to=directory_server) as proxy:
        assert who_am_i(proxy.url, "auth-conf")[0] == 0
        (said,) = proxy.conversations
    assert {read.reason for read in messages(said) if isinstance(read, Unreadable)} == {LAYER}


@pytest.fixture
def tshark() -> str:
    return tool("tshark")


def test_wireshark_reads_what_a_server_under_test_was_told_behind_start_tls(tshark: str, tmp_path: Path) -> None:
    path = str(tmp_path / "said.pcap")
    with running_server(tls=True) as server:
        connection = ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.NONE))
        connection.start_tls()
        connection.bind()
        connection.unbind()
        server.wait_for(lambda: server.requests.of("unbind"))
        server.save_pcap(path)
    # One connection behind the other from the same port, for that is how it was: neither is the other sent again.
    wrong = "_ws.malformed or tcp.analysis.retransmission or tcp.analysis.ack_lost_segment"
    assert run(tshark, "-r", path, "-Y", wrong)[:2] == (0, "")
    _, fields, _ = run(tshark, "-r", path, "-Y", "ldap", "-T", "fields", "-e", "ldap.protocolOp")
    assert fields.split() == ["23", "24", "0", "1", "2"]


def test_wireshark_has_nothing_against_what_we_write(directory_server: str, tshark: str, tmp_path: Path) -> None:
    path = str(tmp_path / "session.pcap")
    with recording(to=directory_server) as proxy:
        assert who_am_i(proxy.url)[0] == 0
        proxy.save_pcap(path)
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    # Wireshark takes whatever SASL carries for GSS-API, and wonders at a digest-response.
    wrong = "_ws.malformed or tcp.analysis.flags or (_ws.expert.severity >= warning and not gss-api)"
    assert run(tshark, "-r", path, *checks, "-Y", wrong)[:2] == (0, "")
    _, fields, _ = run(tshark, "-r", path, "-Y", "ldap", "-T", "fields", "-e", "ldap.protocolOp")
    assert fields.split()[:2] == ["0", "1"]
