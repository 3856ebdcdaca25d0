"""A web application that lets people in by their password in the directory; `test_app.py` beside it tests that.

    POST /login  name=alice&password=...     200 with who that is, 401, or 503 where no directory can be asked

It asks the servers that it is told of one after the other, and believes the first that says yes or no.
"""

import ssl
from dataclasses import dataclass

import flask
import ldap3
from ldap3.core.exceptions import LDAPException, LDAPInvalidCredentialsResult
from ldap3.utils.dn import escape_rdn

from sasl_digest.ldap3 import Credentials, DigestConnection


class NoDirectory(Exception):
    """No server could be asked, or none that can be believed."""


@dataclass(frozen=True)
class Directory:
    """Where people are, and how they prove who they are: by a digest, or by their password as it is."""

    urls: tuple[str, ...]
    people: str = "ou=people,dc=example,dc=com"
    digest: bool = False
    ca: str | None = None  # the file of the CAs to trust for ldaps://; None: the system's
    timeout: int = 5  # seconds to wait for a connection, and for an answer

    def login(self, name: str, password: str) -> str | None:
        """Who is let in, None where nobody is. Raises NoDirectory."""
        failures = []
        for url in self.urls:
            try:
                return self._login_at(url, name, password)
            except LDAPInvalidCredentialsResult:
                return None  # that is an answer: to ask the next server would count a wrong password twice
            except LDAPException as failure:
                failures.append(f"{url}: {failure}")
        raise NoDirectory("; ".join(failures))

    def _login_at(self, url: str, name: str, password: str) -> str:
        """Who that is. Raises LDAPInvalidCredentialsResult for nobody, and LDAPException for all that fails."""
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self.ca)
        server = ldap3.Server(url, tls=tls, get_info=ldap3.NONE, connect_timeout=self.timeout)
        connection: ldap3.Connection
        if self.digest:
            who = Credentials(name, password)
            connection = DigestConnection(
                server, sasl_credentials=who, receive_timeout=self.timeout, raise_exceptions=True
            )
        else:
            # A name that holds a comma is no way out of its place.
            dn = f"uid={escape_rdn(name)},{self.people}"
            connection = ldap3.Connection(server, dn, password, receive_timeout=self.timeout, raise_exceptions=True)
        try:
            connection.bind()  # once: every bind counts towards a lockout
            return str(connection.extend.standard.who_am_i())
        finally:
            connection.unbind()


def create_app(directory: Directory) -> flask.Flask:
    """The application."""
    app = flask.Flask(__name__)

    @app.post("/login")
    def login() -> tuple[str, int]:
        name, password = flask.request.form["name"], flask.request.form["password"]
        if not (name and password):  # a simple bind without a password succeeds, as nobody: RFC 4513 section 5.1.2
            return "name and password, please", 400
        try:
            who = directory.login(name, password)
        except NoDirectory as failure:
            app.logger.error("nobody can log in: %s", failure)
            return "the directory does not answer", 503
        return (f"welcome, {who}", 200) if who else ("no", 401)

    return app
