"""The LDAP URL of a search: where, below what, which entries, what of them (RFC 4516)."""

from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from ldapserver.url import InvalidURL, ListenURL
from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION, DN, InvalidDN
from ldapserver.wire.filters import InvalidFilter, parse_filter
from ldapserver.wire.messages import Scope

SCHEMES = ("ldap://", "ldaps://", "ldapi://")
EVERY_ENTRY = "(objectClass=*)"  # "If <filter> is omitted, a filter of "(objectClass=*)" is assumed", section 2

# "scope = "base" / "one" / "sub"", section 2.
SCOPES = {"base": Scope.BASE_OBJECT, "one": Scope.SINGLE_LEVEL, "sub": Scope.WHOLE_SUBTREE}


@dataclass(frozen=True, slots=True)
class SearchURL:
    """A URL, read. Without a `base` all that the server has is meant, except where the scope is that of one entry.

    A scope that is not written is `sub`: RFC 4516 section 2 has `base`, which is the reading of a link to an entry
    and not of a thing to be exported.
    """

    server: ListenURL
    base: str
    attributes: tuple[str, ...]
    scope: Scope
    filter: str

    @classmethod
    def parse(cls, text: str) -> "SearchURL":
        """Read a URL. Raises InvalidURL."""
        scheme, _, rest = text.partition("://")
        if scheme.lower() not in ("ldap", "ldaps", "ldapi"):
            raise InvalidURL(f"{text}: must begin with ldap://, ldaps:// or ldapi://")
        address, slash, path = rest.partition("/")
        if "?" in address:
            raise InvalidURL(f"{text}: a '/' is due before the '?' (RFC 4516 section 2)")
        # "If no hostport is given, the client must have some a priori knowledge"
        where = address or "localhost"
        if address.startswith(":"):
            where = f"localhost{address}"
        server = ListenURL.parse(f"{scheme}://{where}")
        if not server.path and server.port == 0:
            raise InvalidURL(f"{text}: the port must be a number from 1 to 65535")
        parts = path.split("?") if slash else []
        if len(parts) > 5:
            raise InvalidURL(f"{text}: nothing may follow the extensions (RFC 4516 section 2)")
        base, attributes, scope, filter, extensions = (*parts, *[""] * (5 - len(parts)))
        # "the exclamation mark prefix ('!') [...] indicates that the extension is critical", and then must be known.
        for extension in _filled(extensions.split(",")):
            if extension.startswith("!"):
                raise InvalidURL(f"{text}: the extension {extension} is not known")
        names = tuple(_decoded(text, name) for name in _filled(attributes.split(",")))
        for name in names:
            if name not in ("*", "+", "1.1") and not ATTRIBUTE_DESCRIPTION.fullmatch(name):
                raise InvalidURL(f"{text}: {name!r} is no attribute")
        if scope.lower() not in ("", *SCOPES):
            raise InvalidURL(f"{text}: {scope!r} is no scope; there is {', '.join(SCOPES)}")
        read = cls(
            server,
            _decoded(text, base),
            names,
            SCOPES[scope.lower() or "sub"],
            _decoded(text, filter) or EVERY_ENTRY,
        )
        try:
            DN.parse(read.base)
            parse_filter(read.filter)
        except (InvalidDN, InvalidFilter) as error:
            raise InvalidURL(f"{text}: {error}") from None
        return read

    def __str__(self) -> str:
        """The server, and the base where one is named."""
        return f"{self.server}/{quote(self.base, safe='=,+')}"


def is_url(source: str) -> bool:
    """Whether a source is such a URL, and not the name of a file. Raises InvalidURL for the URL of something else."""
    if "://" not in source:
        return False
    if not source.lower().startswith(SCHEMES):
        raise InvalidURL(f"{source}: neither a file nor of {', '.join(SCHEMES)}")
    return True


def _filled(texts: list[str]) -> list[str]:
    """Those that hold something."""
    return [text for text in texts if text]


def _decoded(url: str, part: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeError:
        raise InvalidURL(f"{url}: not UTF-8 (RFC 4516 section 2.1)") from None
