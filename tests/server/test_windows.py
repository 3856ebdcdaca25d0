"""What Windows' own LDAP library does: the recorded exchange of WinLDAP, through the whole server, into 3des.

Everything it sends has its lengths in five octets (84 and four more); it reads the root DSE first, begins with
credentials that are empty and not absent, and names an empty realm although one is offered. A third party recorded
the digest-response (`tests/vectors/SOURCES.md`); password, H(A1) and rspauth belong to it.
"""

import json
from pathlib import Path
from typing import Any

from ldapserver.wire import codec
from ldapserver.wire.messages import BindResponse, ResultCode, Scope, SearchResultDone, SearchResultEntry
from sasl_digest import QOP, Cipher
from sasl_digest.layers import client_layer
from sasl_digest.nonces import Nonces, NonceState
from tests.server.stage import Stage, sasl, search, stage

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "exchanges.json").read_text(encoding="utf-8")
)["wldap32_recorded"]
LDIF = f"""\
dn: dc=contoso,dc=com
objectClass: domain
dc: contoso

dn: uid=alice,dc=contoso,dc=com
objectClass: account
uid: alice
userPassword: {RECORDED["password"]}
"""


class Recorded(Nonces):
    """The nonce of the recording."""

    def issue(self) -> bytes:
        nonce: str = RECORDED["nonce"]
        return nonce.encode()

    def state(self, nonce: bytes) -> NonceState:
        return NonceState.FRESH

    def expired(self, nonce: bytes) -> bool:
        return False


def windows(element: bytes) -> bytes:
    """The same BER, every length in five octets."""
    written = bytearray()
    at = 0
    while at < len(element):
        tag, length, content = element[at], element[at + 1], at + 2
        if length & 0x80:
            content += length & 0x7F
            length = int.from_bytes(element[at + 2 : content], "big")
        at = content + length
        inside = element[content:at]
        inside = windows(inside) if tag & 0x20 else inside
        written += bytes([tag, 0x84]) + len(inside).to_bytes(4, "big") + inside
    return bytes(written)


def send(on: Stage, data: bytes) -> bytes:
    on.session.data_received(data)
    written = bytes(on.channel.written)
    on.channel.written.clear()
    return written


def test_recorded_bind_ends_in_3des_and_searches_through_it() -> None:
    on = stage(LDIF, nonces=Recorded(), hosts=("127.0.0.1",), realm="contoso.com")
    root = windows(on.encoded(search("", Scope.BASE_OBJECT, attributes=("supportedSASLMechanisms",), time_limit=120)))
    assert b"DIGEST-MD5" in send(on, root)

    challenge = codec.decode(send(on, windows(on.encoded(sasl(b""))))).operation
    assert isinstance(challenge, BindResponse)
    assert challenge.result_code is ResultCode.SASL_BIND_IN_PROGRESS
    assert challenge.server_sasl_creds == (
        b'qop="auth,auth-int,auth-conf",cipher="3des,rc4",algorithm=md5-sess,nonce="%b",charset=utf-8,'
        b'realm="contoso.com"' % RECORDED["nonce"].encode()
    )

    success = codec.decode(send(on, windows(on.encoded(sasl(RECORDED["response_text"].encode()))))).operation
    assert isinstance(success, BindResponse)
    assert success.result_code is ResultCode.SUCCESS
    assert success.server_sasl_creds == b"rspauth=" + RECORDED["rspauth"].encode()
    (record,) = on.verdicts
    assert (record.account, record.realm, record.qop, record.cipher) == ("alice", "", "auth-conf", "3des")

    h_a1 = bytes.fromhex(RECORDED["H_A1"])
    layer = client_layer(h_a1, QOP.AUTH_CONF, Cipher.TRIPLE_DES, peer_maxbuf=65536, limit=65536)
    assert layer is not None
    sealed = send(on, layer.wrap(windows(on.encoded(search(filter="(uid=alice)")))))
    on.channel.written += layer.receive(sealed)
    entry, done = [message.operation for message in on.channel.taken()]
    assert isinstance(entry, SearchResultEntry)
    assert entry.object_name == "uid=alice,dc=contoso,dc=com"
    assert isinstance(done, SearchResultDone)
    assert done.result_code is ResultCode.SUCCESS
