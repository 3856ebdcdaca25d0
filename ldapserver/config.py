"""Every setting of a server, its default, and the rules that settings keep among themselves."""

import socket
from dataclasses import dataclass

from sasl_digest import QOP, Cipher
from sasl_digest.messages import DEFAULT_MAXBUF

MEBIBYTE = 1024 * 1024


# As of a domain controller: not looked at; verified where a client makes one; due from every client inside TLS.
CHANNEL_BINDING = ("never", "supported", "always")

MECHANISMS = ("DIGEST-MD5", "EXTERNAL", "PLAIN")
CERTIFICATE_MAPS = ("subject", "upn", "email", "certificate")


class InvalidConfig(ValueError):
    """A setting breaks a rule; the text names the setting and the rule."""


@dataclass(frozen=True)
class Config:
    """The settings of one server.

    `realm` is offered in the challenge, `netbios` is the domain's NetBIOS name, `hosts` the names accepted in
    digest-uri ("*" among them accepts any). `workstation` is what event 4776 names: a name, or "client" for the
    client's address. `computer` is the full name that events carry. `mechanisms` are those that clients may bind with
    where they can be used; `certificate_maps` are the ways from a client's certificate to an account, tried in their
    order. Sizes are in octets, times in seconds.
    """

    realm: str = "example.com"
    netbios: str = "EXAMPLE"
    hosts: tuple[str, ...] = ("localhost",)
    computer: str = "localhost"
    workstation: str = "LOCALHOST"
    mechanisms: tuple[str, ...] = MECHANISMS
    certificate_maps: tuple[str, ...] = ("subject", "upn")
    saslprep: bool = False  # whether PLAIN prepares what clients send; for DIGEST-MD5 the directory does so
    utf8: bool = True
    qop: tuple[QOP, ...] = (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF)
    ciphers: tuple[Cipher, ...] = (Cipher.TRIPLE_DES, Cipher.RC4)
    require_signing: bool = False  # a bind must come inside TLS, or bring a security layer
    layer_inside_tls: bool = True  # whether a security layer may be laid inside TLS
    maxbuf: int = DEFAULT_MAXBUF  # the longest buffer of a security layer that clients are told
    channel_binding: str = "never"  # or "supported", or "always": of clients inside TLS
    remember: float = 0.0  # how long a client may authenticate again in one round trip; 0 is not at all
    ad_errors: bool = False  # refusals in the words of a domain controller, which tell of an account's state
    ad_build: int = 17763  # the build number that they end with, "v4563" in hexadecimal
    logon_events: bool = False  # 4624, 4625 and 4634 beside 4776
    explain: bool = False  # whether clients may ask why their last bind failed
    admins: tuple[str, ...] = ()
    anonymous_search: bool = False
    read_only: bool = False  # nobody writes: of the copies that several processes serve, none knows of a change
    max_connections: int = 4096
    max_message: int = MEBIBYTE
    max_message_before_bind: int = 64 * 1024
    max_outstanding: int = 32  # operations of one connection under way at once; beyond it, reading waits
    size_limit: int = 0  # entries of one search, all pages together, for all but administrators; 0 is no limit
    time_limit: float = 3600.0  # for one search, or one page of it, for all but administrators; 0 is no limit
    max_sorted: int = 100_000  # entries that one search may sort
    idle_timeout: float = 900.0
    handshake_timeout: float = 30.0  # from the connection to its first whole message

    def __post_init__(self) -> None:
        """Raises InvalidConfig."""
        for name in (
            *("max_connections", "max_message", "max_message_before_bind", "max_outstanding"),
            *("max_sorted", "ad_build"),
            *("idle_timeout", "handshake_timeout"),
        ):
            if getattr(self, name) <= 0:
                raise InvalidConfig(f"{name}: must be more than 0")
        if self.channel_binding not in CHANNEL_BINDING:
            raise InvalidConfig(f"channel_binding: must be one of {', '.join(CHANNEL_BINDING)}")
        for setting, known in (("mechanisms", MECHANISMS), ("certificate_maps", CERTIFICATE_MAPS)):
            if not set(getattr(self, setting)) <= set(known):
                raise InvalidConfig(f"{setting}: must be of {', '.join(known)}")
        for name in ("remember", "size_limit", "time_limit"):
            if getattr(self, name) < 0:
                raise InvalidConfig(f"{name}: must not be less than 0")
        for name in ("realm", "netbios", "computer", "workstation"):
            # Octets typed in another encoding than the locale's arrive as lone surrogates: no record can hold them.
            try:
                getattr(self, name).encode()
            except UnicodeEncodeError:
                raise InvalidConfig(f"{name}: must be text in UTF-8") from None
        if not self.utf8:
            try:
                self.realm.encode("iso-8859-1")
            except UnicodeEncodeError:
                raise InvalidConfig("realm: not in ISO 8859-1, and charset is none") from None


def own_names() -> tuple[str, ...]:
    """This machine's names, as a client may look them up: short and full, both ways, and localhost.

    libldap names the server by the canonical name its own host name leads to, others by what its address leads to.
    """
    name = socket.gethostname()
    try:
        canonical = socket.gethostbyname_ex(name)[0]
    except OSError:  # a machine that does not know itself is still called by its name
        canonical = name
    return tuple(dict.fromkeys((name, name.partition(".")[0], canonical, socket.getfqdn(name), "localhost")))


def netbios_name(host: str) -> str:
    """The NetBIOS name of a host: its first label, in upper case, 15 characters at most."""
    return host.partition(".")[0].upper()[:15]
