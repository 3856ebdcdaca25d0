"""The URLs a server listens on: ldap://HOST:PORT, ldaps:// for TLS, and ldapi://%2Fpath for a Unix socket."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

LDAP_PORT = 389
LDAPS_PORT = 636


class InvalidURL(ValueError):
    """Not a URL to listen on; the text says why."""


@dataclass(frozen=True, slots=True)
class ListenURL:
    """Where to listen: an address and a port (0 for any free one), or the path of a Unix socket.

    With `tls` a connection begins with the handshake.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> "ListenURL":
        """Read a URL. Raises InvalidURL."""
        try:
            parts = urlsplit(text)
        except ValueError as error:  # brackets that do not close, or hold no IPv6 address
            raise InvalidURL(f"{text}: {error}") from None
        if parts.scheme not in ("ldap", "ldaps", "ldapi"):
            raise InvalidURL(f"{text}: must begin with ldap://, ldaps:// or ldapi://")
        if parts.query or parts.fragment or (parts.path not in ("", "/")):
            raise InvalidURL(f"{text}: nothing may follow the address")
        if parts.scheme == "ldapi":
            path = unquote(parts.netloc)
            if not path.startswith("/"):
                raise InvalidURL(
                    f"{text}: needs an absolute path with its slashes as %2F, like ldapi://%2Frun%2Fldapi"
                )
            if "\0" in path:
                raise InvalidURL(f"{text}: no path holds %00")
            return cls(path=path)
        try:
            port = parts.port
        except ValueError:
            raise InvalidURL(f"{text}: the port must be a number from 0 to 65535") from None
        if not parts.hostname or parts.username is not None:
            raise InvalidURL(f"{text}: needs an address, like ldap://127.0.0.1:3890")
        tls = parts.scheme == "ldaps"
        if port is None:
            port = LDAPS_PORT if tls else LDAP_PORT
        return cls(host=parts.hostname, port=port, tls=tls)

    def __str__(self) -> str:
        """As it was written, the port always there."""
        if self.path:
            return "ldapi://" + quote(self.path, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"

    def address(self) -> str:
        """The IP address to listen on. Raises InvalidURL when the host is not known here."""
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            pass
        try:
            return str(socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            raise InvalidURL(f"{self}: {error.strerror}") from None
        except UnicodeError:
            raise InvalidURL(f"{self}: no host has such a name") from None


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
