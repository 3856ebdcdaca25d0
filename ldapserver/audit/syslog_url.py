"""The URLs of syslog receivers: syslog:///PATH, syslog+udp://HOST:PORT, syslog+tcp:// and syslog+tls://."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

UNIX, UDP, TCP, TLS = "syslog", "syslog+udp", "syslog+tcp", "syslog+tls"
# RFC 5426 section 3.3; RFC 6587 gives TCP none, and 601 is what IANA has for syslog-conn; RFC 5425 section 4.1.
PORTS = {UDP: 514, TCP: 601, TLS: 6514}
SCHEMES = (UNIX, *PORTS)


class InvalidSyslogURL(ValueError):
    """Not the URL of a syslog receiver; the text says why, without the URL."""


@dataclass(frozen=True, slots=True)
class SyslogURL:
    """Where to send: a Unix socket's path, or a host and a port; `ca` is a file of CAs in PEM, for TLS."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    ca: str | None = None

    @classmethod
    def parse(cls, text: str) -> "SyslogURL":
        """Read a URL. Raises InvalidSyslogURL."""
        scheme, _, rest = text.partition(":")
        if scheme not in SCHEMES:
            raise InvalidSyslogURL(f"must begin with {', '.join(f'{each}://' for each in SCHEMES)}")
        try:
            parts = urlsplit(text)
        except ValueError as error:  # brackets that do not close, or hold no IPv6 address
            raise InvalidSyslogURL(str(error)) from None
        if not rest.startswith("//") or parts.fragment:
            raise InvalidSyslogURL(f"must look like {_LOOKS[scheme]}")
        ca = _ca(parts.query, scheme)
        if scheme == UNIX:
            path = unquote(parts.path)
            if parts.netloc or path in ("", "/") or "\0" in path:
                raise InvalidSyslogURL(f"needs the absolute path of a socket, like {_LOOKS[scheme]}")
            return cls(scheme, path=path)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port == 0 or parts.netloc.endswith(":"):
            raise InvalidSyslogURL("the port must be a number from 1 to 65535")
        if not parts.hostname or parts.username is not None or parts.path not in ("", "/"):
            raise InvalidSyslogURL(f"must look like {_LOOKS[scheme]}")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise InvalidSyslogURL("no host has such a name") from None
        return cls(scheme, host=parts.hostname, port=port or PORTS[scheme], ca=ca)

    def __str__(self) -> str:
        """As it was written, the port always there."""
        if self.scheme == UNIX:
            return f"{UNIX}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


_LOOKS = {
    UNIX: "syslog:///dev/log",
    UDP: "syslog+udp://192.0.2.1:514",
    TCP: "syslog+tcp://192.0.2.1:601",
    TLS: "syslog+tls://logs.example.com:6514?ca=FILE",
}


def _ca(query: str, scheme: str) -> str | None:
    if not query:
        return None
    values = parse_qsl(query, keep_blank_values=True)
    if scheme != TLS or [name for name, _ in values] != ["ca"] or not values[0][1]:
        raise InvalidSyslogURL(f"?{query}: there is only ?ca=FILE, for {TLS}://")
    return values[0][1]
