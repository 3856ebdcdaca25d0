"""Who binds, and how well what follows is to be protected."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from sasl_digest.channel_binding import END_POINT, NO_CHANNEL, token
from sasl_digest.client import DigestClient
from sasl_digest.credentials import HA1, Password
from sasl_digest.end_point import end_point
from sasl_digest.errors import UsageError
from sasl_digest.messages import QOP, Cipher
from sasl_digest.outcomes import Remembered, Success
from sasl_digest.saslprep import prepare

# ldap3's names for a layer, in the fifth place of its tuple: 2.9.1 knows the first, its successor both.
_LAYERS = {"sign": QOP.AUTH_INT, "ENCRYPT": QOP.AUTH_CONF}
_CIPHERS = (Cipher.TRIPLE_DES, Cipher.RC4)

_Name = TypeVar("_Name", QOP, Cipher)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who binds: for ldap3's `sasl_credentials`, in place of its tuple `(realm or None, user, password, authzid)`.

    `ha1` is H(user:realm:password), 16 octets, in place of the password. `service_host` is the server's name for
    digest-uri when it is not the one that was connected to: Active Directory takes only names it is registered
    under. `strict_realm` refuses a `realm` that the server does not offer.

    `qop` and, for auth-conf, `cipher` are names or sequences of names, of which the first that the server offers is
    taken; as str, or as QOP and Cipher. The ciphers are 3des and rc4 when none is named.

    With `channel_binding` the response is bound to the TLS that the connection is in, or to none, for servers that
    know of it: a man in the middle with a certificate of his own cannot pass it on.

    With `saslprep` user and password are prepared first (RFC 4013), for servers that store them so; it needs the
    extra `saslprep`.

    With `remember` a further bind to the same server, on whatever connection that has this very object, takes one
    round trip, where the server remembers too (RFC 2831 section 2.2).
    """

    user: str
    password: str | None = field(default=None, repr=False)
    ha1: bytes | None = field(default=None, repr=False)
    realm: str | None = None
    authzid: str | None = None
    qop: QOP | str | Sequence[QOP | str] = QOP.AUTH
    cipher: Cipher | str | Sequence[Cipher | str] | None = None
    service_host: str | None = None
    strict_realm: bool = False
    channel_binding: bool = False
    saslprep: bool = False
    remember: bool = False
    _servers: dict[Hashable, Remembered] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises UsageError for what no server could be told."""
        if not self.user:
            raise UsageError("user: must not be empty")
        if (self.password is None) is (self.ha1 is None):
            raise UsageError("password, ha1: exactly one of them is due")
        if self.ha1 is not None:
            HA1(self.ha1)
            if self.realm is None:
                raise UsageError("realm: must be the one that ha1 was made of")
        if self.authzid == "":
            raise UsageError("authzid: must not be empty; None is for oneself")
        for name in ("user", "password", "realm", "authzid", "service_host"):
            try:
                (getattr(self, name) or "").encode()
            except UnicodeEncodeError:
                raise UsageError(f"{name}: cannot be written in UTF-8") from None
        if self.saslprep:
            self._prepared()
        sealing = QOP.AUTH_CONF in _named("qop", QOP, self.qop)
        if self.cipher is not None:
            _named("cipher", Cipher, self.cipher)
            if not sealing:
                raise UsageError("cipher: has no place without qop auth-conf")

    @classmethod
    def of(cls, value: object) -> Self:
        """`value`, the `sasl_credentials` of a connection, in this form. Raises UsageError when it is neither."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, tuple | list) or len(value) not in (4, 5):
            raise UsageError("sasl_credentials: Credentials are due, or (realm or None, user, password, authzid)")
        realm, user, password, authzid, layer = (*value, None)[:5]
        if not isinstance(user, str) or not isinstance(password, str):
            raise UsageError("sasl_credentials: user and password must be str")
        if not isinstance(realm, str | None) or not isinstance(authzid, str | None):
            raise UsageError("sasl_credentials: realm and authzid must be str or None")
        qop = QOP.AUTH
        if layer not in (None, ""):
            if not isinstance(layer, str) or layer not in _LAYERS:
                raise UsageError("sasl_credentials: the layer, in fifth place, must be 'sign', 'ENCRYPT' or None")
            qop = _LAYERS[layer]
        return cls(user, password, realm=realm or None, authzid=authzid or None, qop=qop)

    def __getitem__(self, index: int) -> str | None:
        """ldap3's log line reads the tuple's places; that of the password holds a star."""
        return (self.realm, self.user, "*", self.authzid)[index]

    def client(
        self, host: str, certificate: bytes | None = None, remembered: Remembered | None = None
    ) -> DigestClient:
        """The engine for one exchange with the LDAP service at `host`, which has shown this certificate, in DER."""
        channel = None
        if self.channel_binding:
            channel = NO_CHANNEL if certificate is None else token(END_POINT + end_point(certificate))
        user, password = self._prepared() if self.saslprep else (self.user, self.password)
        return DigestClient(
            user,
            Password(password) if password is not None else HA1(self.ha1 or b""),
            service="ldap",  # RFC 4513 section 5.2.1.1
            host=self.service_host or host,
            realm=self.realm,
            strict_realm=self.strict_realm,
            authzid=self.authzid,
            qop=_named("qop", QOP, self.qop),
            ciphers=_CIPHERS if self.cipher is None else _named("cipher", Cipher, self.cipher),
            channel_binding=channel,
            remembered=remembered,
        )

    def _prepared(self) -> tuple[str, str | None]:
        return prepare(self.user, "user"), None if self.password is None else prepare(self.password, "password")

    def remembered(self, place: Hashable) -> Remembered | None:
        """What was kept of `place`, for one connection only: each nonce-count is good once."""
        return self._servers.pop(place, None)

    def succeeded(self, place: Hashable, outcome: Success) -> None:
        """Keep what is needed to come back to `place`, if that was asked for."""
        if self.remember and outcome.remembered is not None:
            self._servers[place] = outcome.remembered


def _named(where: str, kind: type[_Name], value: _Name | str | Sequence[_Name | str]) -> tuple[_Name, ...]:
    """The members that `value` names, in its order. Raises UsageError."""
    names = [value] if isinstance(value, str | kind) else value
    found = []
    for name in names:
        try:
            found.append(kind(name.encode() if isinstance(name, str) else name))
        except ValueError:  # also: cannot be written in UTF-8
            known = ", ".join(member.decode() for member in kind)
            raise UsageError(f"{where}: {name!r} is none of {known}") from None
    if not found:
        raise UsageError(f"{where}: at least one must be named")
    return tuple(found)
