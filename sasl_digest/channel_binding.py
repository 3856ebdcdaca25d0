"""Channel bindings and the service's name, bound into a response by way of its cnonce.

draft-santesson-digestbind, as Windows speaks it ("extended protection"). A server whose nonce begins with
`+Upgraded+v1` knows of it, and a client may answer with

    cnonce = "+Upgraded+v1" | HEX(MD5( service-name ":" channel-binding )) | random
    hashed-dirs="service-name,channel-binding", service-name="ldap/HOST", channel-binding="..."

A server that does not care ignores the three directives, and the response verifies all the same.
"""

import hmac
from hashlib import md5

from sasl_digest.messages import DigestResponse
from sasl_digest.nonces import UPGRADED

HASHED_DIRS = (b"service-name", b"channel-binding")
NO_CHANNEL = b"0" * 32  # what a client says that has no channel to bind to
END_POINT = b"tls-server-end-point:"  # RFC 5929 section 4: the type that a server's certificate makes


def token(application_data: bytes) -> bytes:
    """The value of channel-binding: 32 hexadecimal digits of the MD5 of a gss_channel_bindings_struct.

    `application_data` is the type with its colon and the binding, such as `END_POINT` and a certificate's hash. The
    addresses are left out, as Windows leaves them.  RFC 2744 section 3.11, RFC 5056 section 2.1
    """
    no_addresses = bytes(16)
    struct = no_addresses + len(application_data).to_bytes(4, "little") + application_data
    return md5(struct).hexdigest().encode()


def head(service_name: bytes, channel_binding: bytes) -> bytes:
    """What a cnonce begins with that binds these two: 44 octets."""
    return UPGRADED + md5(service_name + b":" + channel_binding).hexdigest().encode()


def is_bound(response: DigestResponse) -> bool:
    """Whether the response binds both, and its cnonce, which the digest covers, agrees with what it says in the open.

    Whose service-name and which channel it is remains to be compared.
    """
    bound = response.bound
    if bound is None or bound.hashed_dirs != HASHED_DIRS:
        return False
    if bound.service_name is None or bound.channel_binding is None:
        return False
    expected = head(bound.service_name, bound.channel_binding)
    return hmac.compare_digest(response.cnonce[: len(expected)], expected)
