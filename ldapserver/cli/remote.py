"""Another server, through ldap3: a connection to it as somebody, and its entries page by page."""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ldapserver.cli.exit_status import ANOTHER_FAILURE, Failure
from ldapserver.cli.password import NoPassword
from ldapserver.cli.search_url import SearchURL
from ldapserver.directory.ldif import Attributes, InvalidLDIF
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
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
    """How to bind: by DIGEST-MD5 as `user`, simply as the DN `simple`, or as who TLS or the socket says (`external`).

    With none of them not at all. `service_host` is the server's name in digest-uri; of TLS `ca` and the client's
    `certificate` and `key` are files in PEM, and without `verify` whatever certificate the server shows is taken.
    `timeout` is for connecting and for each answer, in whole seconds.
    """

    user: str | None = None
    simple: str | None = None
    password: str = field(default="", repr=False)
    qop: str = "auth"
    start_tls: bool = False
    ca: str | None = None
    domain: str | None = None
    cipher: str | None = None
    service_host: str | None = None
    authzid: str | None = None
    channel_binding: bool = False
    external: bool = False
    verify: bool = True
    certificate: str | None = None
    key: str | None = None
    timeout: int | None = None

    @property
    def binds(self) -> bool:
        """Whether there is anything to bind as."""
        return self.user is not None or self.simple is not None or self.external


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
    with faults_told(str(url)):
        connection = connection_to(url.server, login)
        with closing(connection):
            _open(connection, login)
            yield connection


@contextmanager
def faults_told(where: str) -> Iterator[None]:
    """Whatever goes wrong inside the `with` on a connection to `where` is a RemoteFailure, or a UsageFault."""
    from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError, LDAPStartTLSError

    from sasl_digest import UsageError
    from sasl_digest.ldap3 import RspauthError

    try:
        yield
    except UsageError as error:
        raise UsageFault(str(error)) from None
    except UnicodeError:  # what a name of no host comes to, of more than 63 characters in a label
        raise RemoteFailure(ANOTHER_FAILURE, f"{where}: a name in it, or in the server's answer, is none") from None
    except RspauthError as error:
        raise RemoteFailure(UNPROVEN, f"{where}: {error}") from None
    except (LDAPCommunicationError, LDAPStartTLSError) as error:
        raise RemoteFailure(UNREACHABLE, f"{where}: {reason(error)}") from None
    except (Failure, NoPassword, UsageFault, InvalidLDIF, BrokenPipeError):
        raise
    except (LDAPExceptionError, OSError) as error:
        raise RemoteFailure(ANOTHER_FAILURE, f"{where}: {reason(error)}") from None
    except Exception as error:
        # ldap3's decoder raises whatever it stumbles over in what is no LDAP, or has a result code it does not know.
        raise RemoteFailure(ANOTHER_FAILURE, f"{where}: the server's answer cannot be read: {error!r}") from None


@contextmanager
def closing(connection: "DigestConnection") -> Iterator[None]:
    """End a connection, open or not, with the `with`."""
    from ldap3.core.exceptions import LDAPExceptionError

    try:
        yield
    finally:
        with contextlib.suppress(OSError, LDAPExceptionError):
            connection.unbind()
        # ldap3 leaves it open where it could not be connected.
        if connection.socket is not None:
            connection.socket.close()


def connection_to(server: ListenURL, login: Login) -> "DigestConnection":
    """A connection, not yet open. Raises UsageFault and UsageError."""
    import ldap3

    from sasl_digest.ldap3 import Credentials, DigestConnection

    if server.path:
        there = ldap3.Server(str(server), get_info=ldap3.NONE, connect_timeout=login.timeout or CONNECT_TIMEOUT)
    else:
        there = ldap3.Server(
            server.host,
            server.port,
            use_ssl=server.tls,
            tls=_tls(login) if server.tls or login.start_tls else None,
            get_info=ldap3.NONE,
            connect_timeout=login.timeout or CONNECT_TIMEOUT,
        )
    plain: dict[str, Any] = {
        "auto_referrals": False,
        "check_names": False,
        "receive_timeout": login.timeout or ANSWER_TIMEOUT,
    }
    if login.simple is not None:
        return DigestConnection(
            there, user=login.simple, password=login.password, authentication=ldap3.SIMPLE, **plain
        )
    if login.external:
        sasl = {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.EXTERNAL}
        return DigestConnection(there, sasl_credentials=(login.authzid or "").encode(), **sasl, **plain)
    if login.user is not None:
        credentials = Credentials(
            login.user,
            login.password,
            realm=login.domain,
            authzid=login.authzid,
            qop=login.qop,
            cipher=login.cipher,
            service_host=login.service_host,
            channel_binding=login.channel_binding,
        )
        return DigestConnection(there, sasl_credentials=credentials, **plain)
    return DigestConnection(there, **plain)


def _tls(login: Login) -> Any:
    import ssl

    import ldap3

    if login.ca is not None:
        try:
            ssl.create_default_context(cafile=login.ca)
        except OSError as error:
            raise UsageFault(f"argument --ca: {login.ca}: {error.strerror or error}") from None
    if login.certificate is not None:
        try:
            # A passphrase would be asked for at the terminal, in OpenSSL's words and for each connection.
            ssl.create_default_context().load_cert_chain(login.certificate, login.key, lambda: b"")
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise UsageFault(f"argument --client-cert: {login.certificate}: {said}") from None
    return ldap3.Tls(
        validate=ssl.CERT_REQUIRED if login.verify else ssl.CERT_NONE,
        ca_certs_file=login.ca,
        local_certificate_file=login.certificate,
        local_private_key_file=login.key,
    )


def _open(connection: "DigestConnection", login: Login) -> None:
    connection.open(read_server_info=False)
    if login.start_tls:
        connection.start_tls(read_server_info=False)
    if login.binds:
        connection.bind(read_server_info=False)
        expect_success("bind", connection)


def _search(
    connection: "DigestConnection", url: SearchURL, referred: Callable[[str], None], operational: bool
) -> Iterator[tuple[str, Attributes]]:
    attributes = list(url.attributes or ("*",)) + (["+"] if operational else [])
    told: set[str] = set()
    for base in bases(connection, url):
        for page in pages(connection, base, url.scope, url.filter, attributes):
            for response in page:
                if response["type"] == "searchResRef":
                    # slapd gives one that stands where a page ends on the next page too.
                    for uri in set(response["uri"]) - told:
                        told.add(uri)
                        referred(uri)
                elif response["type"] == "searchResEntry":
                    yield name_and_attributes(response)
            expect_success(f"search below {base}" if base else "search", connection)


def name_and_attributes(response: dict[str, Any]) -> tuple[str, Attributes]:
    """Of an entry as ldap3 has it, the name and the attributes as the server gave them."""
    held: dict[str, list[bytes]] = response["raw_attributes"]
    name: bytes = response["raw_dn"]
    return name.decode(), tuple((description, tuple(values)) for description, values in held.items())


def bases(connection: "DigestConnection", url: SearchURL) -> list[str]:
    """Below what to search: the URL's base, or all that the server holds. Raises RemoteFailure."""
    if url.base or url.scope == Scope.BASE_OBJECT:
        return [url.base]
    contexts = _naming_contexts(connection)
    if not contexts:
        raise RemoteFailure(ANOTHER_FAILURE, f"{url}: the server names no naming contexts: the URL must name a base")
    return contexts


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


def pages(
    connection: "DigestConnection",
    base: str,
    scope: Scope,
    filter: str,
    attributes: list[str],
    *,
    page_size: int | None = None,
    size_limit: int = 0,
) -> Iterator[list[dict[str, Any]]]:
    """What ldap3 gives of a search, page by page; `connection.result` is that of the page, and the last may fail.

    `page_size` entries come at once, PAGE of them without it; 0 is for all of them.
    """
    import ldap3

    # Any: of ldap3's names the stubs know the values, and not this one's.
    scopes: dict[Scope, Any] = {
        Scope.BASE_OBJECT: ldap3.BASE,
        Scope.SINGLE_LEVEL: ldap3.LEVEL,
        Scope.WHOLE_SUBTREE: ldap3.SUBTREE,
    }
    # What has no pages is asked for as it is. For the others the control is not critical: a server that does not know
    # it gives all at once.
    page, cookie = (None if scope == Scope.BASE_OBJECT else PAGE if page_size is None else page_size or None), None
    while True:
        connection.search(
            base,
            filter,
            scopes[scope],
            dereference_aliases=ldap3.DEREF_NEVER,
            attributes=attributes,
            size_limit=size_limit,
            paged_size=page,
            paged_criticality=False,
            paged_cookie=cookie,
        )
        yield connection.response or []
        cookie = next_page(connection)
        if connection.result["result"] != 0 or not cookie:
            return


def next_page(connection: "DigestConnection") -> bytes | None:
    """Where the search that was answered last goes on; None, or empty, where it has come to its end."""
    controls: dict[str, Any] = connection.result.get("controls") or {}
    cookie: bytes | None = controls.get(_PAGED_RESULTS, {}).get("value", {}).get("cookie")
    return cookie


def expect_success(what: str, connection: "DigestConnection") -> None:
    """Raise RemoteFailure, in the server's words, where the last operation, which was `what`, did not succeed."""
    result: dict[str, Any] = connection.result
    code: int = result["result"]
    if code == 0:
        return
    said = (result.get("message") or "").rstrip("\0 \r\n")  # Active Directory's ends with a NUL
    line = f"{what}: {result['description']} ({code})" + (f": {said}" if said else "")
    raise RemoteFailure(status_of(code), line)


def status_of(code: int) -> int:
    """The exit status that tells a result code."""
    return code if code == 0 or code in _CODES else ANOTHER_FAILURE


def reason(error: Exception) -> str:
    """What ldap3 says: it wraps the text of one exception in a tuple, and that in the text of the next."""
    text = str(error)
    while (inner := _WRAPPED.fullmatch(text)) is not None:
        text = inner[1]
    # Of a wrong name it shows the whole certificate.
    return re.sub(r"certificate \{.*\} doesn't match any name in", "the certificate is for none of", text).rstrip()
