"""The server's proof, made anew: a client's cnonce is of chance, so a recorded rspauth proves nothing to it.

With the password of the recorded account its response can be verified too, and is: one that is wrong is refused,
whatever was recorded. RFC 2831 section 2.1.3.
"""

import hmac
from dataclasses import dataclass, field, replace

from ldapserver.wire import messages as m
from sasl_digest import QOP, DigestResponse, MalformedMessage, Password, digest

_MECHANISM = "DIGEST-MD5"


@dataclass(frozen=True)
class Proof:
    """What proofs are made of."""

    password: Password = field(repr=False)

    def answer(self, asked: m.LDAPMessage, recorded: m.LDAPMessage) -> m.LDAPMessage | None:
        """What is answered in place of a recorded success of DIGEST-MD5; None for all else, which stands."""
        request, response = asked.operation, recorded.operation
        if not isinstance(request, m.BindRequest) or not isinstance(response, m.BindResponse):
            return None
        credentials = _response(request)
        if credentials is None or not (response.server_sasl_creds or b"").startswith(b"rspauth="):
            return None
        rspauth = self._rspauth(credentials)
        if rspauth is None:
            text = "ldapserver replay: the response is not of the password that was given"
            refused = m.BindResponse(m.ResultCode.INVALID_CREDENTIALS, "", text)
            return m.LDAPMessage(asked.message_id, refused)
        return replace(
            recorded,
            message_id=asked.message_id,
            operation=replace(response, server_sasl_creds=b"rspauth=" + rspauth),
        )

    def _rspauth(self, credentials: bytes) -> bytes | None:
        try:
            said = DigestResponse.parse(credentials)
        except MalformedMessage:
            return None
        authzid = None if said.authzid is None else said.authzid.encode()
        for username in filter(None, (said.username, said.other_username)):
            for secret in self.password.secrets(username, said.realm or ""):
                a1 = digest.a1(secret, nonce=said.nonce, cnonce=said.cnonce, authzid=authzid)
                keyed = digest.keyed(
                    digest.h(a1),
                    nonce=said.nonce,
                    nonce_count=said.nonce_count,
                    cnonce=said.cnonce,
                    qop=said.qop,
                )
                expected = digest.response_value(keyed, digest.a2_of_client(said.digest_uri, said.qop))
                if hmac.compare_digest(expected, said.response):
                    return digest.response_value(keyed, digest.a2_of_server(said.digest_uri, said.qop))
        return None


def asks_for_layer(request: m.Operation) -> bool:
    """Whether a bind chooses a security layer, which cannot be replayed: nothing recorded was inside that one."""
    try:
        credentials = _response(request) if isinstance(request, m.BindRequest) else None
        return credentials is not None and DigestResponse.parse(credentials).qop is not QOP.AUTH
    except MalformedMessage:
        return False


def _response(request: m.BindRequest) -> bytes | None:
    """The digest-response in a bind."""
    authentication = request.authentication
    if isinstance(authentication, m.SaslAuthentication) and authentication.mechanism.upper() == _MECHANISM:
        return authentication.credentials or None
    return None
