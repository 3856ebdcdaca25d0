"""The entries of another server, page by page, through ldap3."""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ldapserver.cli.exit_status import ANOTHER_FAILURE, USAGE, Failure
from ldapserver.cli.password import NoPassword
from ldapserver.cli.search_url import SearchURL
from ldapserver.directory.ldif import Attributes
from ldapserver.wire.messages import Scope

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

CONNECT_TIMEOUT = 10  # seconds; a host that drops packets would hold us for minutes
ANSWER_TIMEOUT = 60  # seconds
PAGE = 500  # entries; Active Directory gives no more than 1000 at once

# Exit status beside the server's own result codes, as of `ldp`.
UNREACHABLE = 81
UNPROVEN = 82
_CODES = range(1, 64)

_WRAPPED = re.compile(r"""\(["'](.*)["'],\)""", re.DOTALL)
_PAGED_RESULTS = "1.2.840.113556.1.4.319"  # RFC 2696


class RemoteFailure(Failure):
    """A server did not do what was asked of it."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to bind: by DIGEST-MD5 as `user`, or simply as the DN `simple`; with neither of them not at all."""

    user: str | None = None
    simple: str | None = None
    password: str = field(default="", repr=False)
    qop: str = "auth"
    start_tls: bool = False
    ca: str | None = None


def remote_entries(
    url: SearchURL, login: Login, referred: Callable[[str], None], *, operational: bool
) -> Iterator[tuple[str, Attributes]]:
    """Each entry's name and attributes, as the server has them and in its order; one page is held at a time.

    `referred` is told the URLs where there is more, which are not asked. With `operational` the operational
    attributes too. Raises RemoteFailure.
    """
    with connected(url, login) as connection:
        yield from _search(connection, url, referred, operational)


@contextmanager
def connected(url: SearchURL, login: Login) -> "Iterator[DigestConnection]":
    """A connection that is bound; whatever goes wrong on it inside the `with` is a RemoteFailure."""
    from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError, LDAPStartTLSError

    from sasl_digest import UsageError
    from sasl_digest.ldap3 import RspauthError

    connection = None
    try:
        connection = _connection(url, login)
        _open(connection, login)
        yield connection
    except UsageError as error:
        raise RemoteFailure(USAGE, str(error)) from None
    except UnicodeError:  # what a name of no host comes to, of more than 63 characters in a label
        raise RemoteFailure(ANOTHER_FAILURE, f"{url}: a name in it, or in the server's answer, is none") from None
    except RspauthError as error:
        raise RemoteFailure(UNPROVEN, f"{url}: {error}") from None
    except (LDAPCommunicationError, LDAPStartTLSError) as error:
        raise RemoteFailure(UNREACHABLE, f"{url}: {_reason(error)}") from None
    except (RemoteFailure, NoPassword):
        raise
    except (LDAPExceptionError, OSError) as error:
        raise RemoteFailure(ANOTHER_FAILURE, f"{url}: {_reason(error)}") from None
    except Exception as error:
        # ldap3's decoder raises whatever it stumbles over in what is no LDAP, or has a result code it does not know.
        raise RemoteFailure(ANOTHER_FAILURE, f"{url}: the server's answer cannot be read: {error!r}") from None
    finally:
        if connection is not None:
            with contextlib.suppress(OSError, LDAPExceptionError):
                connection.unbind()
            # ldap3 leaves it open where it could not be connected.
            if connection.socket is not None:
                connection.socket.close()


def _connection(url: SearchURL, login: Login) -> "DigestConnection":
    import ssl

    import ldap3

    from sasl_digest.ldap3 import Credentials, DigestConnection

    tls = None
    if url.server.tls or login.start_tls:
        if login.ca is not None:
            try:
                ssl.create_default_context(cafile=login.ca)
            except OSError as error:
                raise RemoteFailure(USAGE, f"argument --ca: {login.ca}: {error.strerror or error}") from None
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=login.ca)
    if url.server.path:
        server = ldap3.Server(str(url.server), get_info=ldap3.NONE, connect_timeout=CONNECT_TIMEOUT)
    else:
        server = ldap3.Server(
            url.server.host,
            url.server.port,
            use_ssl=url.server.tls,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=CONNECT_TIMEOUT,
        )
    plain: dict[str, Any] = {"auto_referrals": False, "check_names": False, "receive_timeout": ANSWER_TIMEOUT}
    if login.simple is not None:
        return DigestConnection(
            server, user=login.simple, password=login.password, authentication=ldap3.SIMPLE, **plain
        )
    if login.user is not None:
        credentials = Credentials(login.user, login.password, qop=login.qop)
        return DigestConnection(server, sasl_credentials=credentials, **plain)
    return DigestConnection(server, **plain)


def _open(connection: "DigestConnection", login: Login) -> None:
    connection.open(read_server_info=False)
    if login.start_tls:
        connection.start_tls(read_server_info=False)
    if login.user is not None or login.simple is not None:
        connection.bind(read_server_info=False)
        expect_success("bind", connection)


def _search(
    connection: "DigestConnection", url: SearchURL, referred: Callable[[str], None], operational: bool
) -> Iterator[tuple[str, Attributes]]:
    bases = [url.base]
    if not url.base and url.scope != Scope.BASE_OBJECT:
        bases = _naming_contexts(connection)
        if not bases:
            raise RemoteFailure(
                ANOTHER_FAILURE, f"{url}: the server names no naming contexts: the URL must name a base"
            )
    attributes = list(url.attributes or ("*",)) + (["+"] if operational else [])
    told: set[str] = set()
    for base in bases:
        for response in _pages(connection, base, url, attributes):
            if response["type"] == "searchResRef":
                # slapd gives one that stands where a page ends on the next page too.
                for uri in set(response["uri"]) - told:
                    told.add(uri)
                    referred(uri)
            elif response["type"] == "searchResEntry":
                held: dict[str, list[bytes]] = response["raw_attributes"]
                name: bytes = response["raw_dn"]
                yield name.decode(), tuple((description, tuple(values)) for description, values in held.items())


def _naming_contexts(connection: "DigestConnection") -> list[str]:
    """What the server says it holds, RFC 4512 section 5.1."""
    connection.search("", "(objectClass=*)", "BASE", attributes=["namingContexts"])
    expect_success("search of the root DSE", connection)
    entries = [each for each in connection.response or () if each["type"] == "searchResEntry"]
    # Active Directory's configuration and schema are naming contexts of their own below another.
    return [
        value.decode()
        for entry in entries
        for name, values in entry["raw_attributes"].items()
        if name.lower() == "namingcontexts"
        for value in values
        if value
    ]


def _pages(
    connection: "DigestConnection", base: str, url: SearchURL, attributes: list[str]
) -> Iterator[dict[str, Any]]:
    import ldap3

    # Any: of ldap3's names the stubs know the values, and not this one's.
    scopes: dict[Scope, Any] = {
        Scope.BASE_OBJECT: ldap3.BASE,
        Scope.SINGLE_LEVEL: ldap3.LEVEL,
        Scope.WHOLE_SUBTREE: ldap3.SUBTREE,
    }
    # What has no pages is asked for as it is. For the others the control is not critical: a server that does not know
    # it gives all at once.
    page, cookie = (None if url.scope == Scope.BASE_OBJECT else PAGE), None
    while True:
        connection.search(
            base,
            url.filter,
            scopes[url.scope],
            dereference_aliases=ldap3.DEREF_NEVER,
            attributes=attributes,
            paged_size=page,
            paged_criticality=False,
            paged_cookie=cookie,
        )
        yield from connection.response or ()
        expect_success(f"search below {base}" if base else "search", connection)
        controls: dict[str, Any] = connection.result.get("controls") or {}
        cookie = controls.get(_PAGED_RESULTS, {}).get("value", {}).get("cookie")
        if not cookie:
            return


def expect_success(what: str, connection: "DigestConnection") -> None:
    """Raise RemoteFailure, in the server's words, where the last operation, which was `what`, did not succeed."""
    result: dict[str, Any] = connection.result
    code: int = result["result"]
    if code == 0:
        return
    said = (result.get("message") or "").rstrip("\0 \r\n")  # Active Directory's ends with a NUL
    line = f"{what}: {result['description']} ({code})" + (f": {said}" if said else "")
    raise RemoteFailure(code if code in _CODES else ANOTHER_FAILURE, line)


def _reason(error: Exception) -> str:
    """What ldap3 says: it wraps the text of one exception in a tuple, and that in the text of the next."""
    text = str(error)
    while (inner := _WRAPPED.fullmatch(text)) is not None:
        text = inner[1]
    return text
