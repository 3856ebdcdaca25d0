"""What was said to a server under test, as files: octet by octet, in the clear, without passwords."""

from pathlib import Path

import ldap3
import pytest

from ldapserver.capture.messages import Message, Read, messages
from ldapserver.capture.source import read_conversations
from ldapserver.testing import Server, running_server
from sasl_digest.ldap3 import Credentials, DigestConnection

PASSWORD = "wonderland"


def talk(server: Server) -> None:
    """A simple bind behind StartTLS, a digest with a layer, and a bind inside TLS: each with a search behind it."""
    server.add_user("alice", PASSWORD)
    where = ldap3.Server(server.url, get_info=ldap3.NONE)
    behind = ldap3.Connection(where, f"uid=alice,ou=people,{server.base_dn}", PASSWORD)
    behind.start_tls()
    sealed = DigestConnection(
        where,
        authentication=ldap3.SASL,
        sasl_mechanism="DIGEST-MD5",
        sasl_credentials=Credentials("alice", PASSWORD, qop="auth-conf"),
    )
    inside = ldap3.Connection(ldap3.Server(server.ldaps_url, get_info=ldap3.NONE), behind.user, PASSWORD)
    for connection in (behind, sealed, inside):
        assert connection.bind()
        assert connection.search(server.base_dn, "(uid=alice)", attributes=["cn"])
        connection.unbind()
    server.wait_for(lambda: len(server.requests.of("unbind")) == 3 and not server.connections.open)


def operations(reads: list[Read]) -> list[str]:
    """The names of the operations, all of which can be read."""
    assert all(isinstance(read, Message) and read.message is not None for read in reads)
    return [type(read.message.operation).__name__ for read in reads if isinstance(read, Message) and read.message]


SEARCHED = ["SearchRequest", "SearchResultEntry", "SearchResultDone", "UnbindRequest"]
BOUND = ["BindRequest", "BindResponse"]


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_what_was_said_is_saved_in_the_clear_and_without_passwords(process: bool, tmp_path: Path) -> None:
    with running_server(tls=True, process=process) as server:
        talk(server)
        server.save_recording(tmp_path / "said.txt")
        server.save_recording(str(tmp_path / "whole.txt"), redact=False)
        server.save_pcap(tmp_path / "said.pcap")
        with pytest.raises(FileExistsError):
            server.save_pcap(tmp_path / "said.pcap")
        address = f"{server.host}:{server.port}"
    expected = [["ExtendedRequest", "ExtendedResponse"], BOUND + SEARCHED, BOUND * 2 + SEARCHED, BOUND + SEARCHED]
    for name, redacted in (("said.txt", True), ("whole.txt", False), ("said.pcap", True)):
        recorded = read_conversations(str(tmp_path / name), pytest.fail)
        reads = [list(messages(each)) for each in recorded.conversations]
        assert [operations(each) for each in reads] == expected, name
        octets = b"".join(read.octets for each in reads for read in each)
        assert (PASSWORD.encode() in octets) is not redacted
        if name != "said.pcap":
            assert recorded.redacted is redacted
            assert {each.server for each in recorded.conversations} == {address}


def test_what_was_cleared_is_not_saved_and_who_is_there_goes_on(tmp_path: Path) -> None:
    with running_server() as server:
        connection = ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.NONE), auto_bind=True)
        server.clear()
        connection.search("", "(objectClass=*)", search_scope=ldap3.BASE)
        server.save_recording(tmp_path / "said.txt")
        connection.unbind()
    (conversation,) = read_conversations(str(tmp_path / "said.txt"), pytest.fail).conversations
    assert not conversation.begun
    assert operations(list(messages(conversation))) == SEARCHED[:3]
