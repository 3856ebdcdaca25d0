"""A web application that lets people in by their password in the directory; `test_app.py` beside it tests that.

    POST /login  name=alice&password=...     200 with who that is, 401, or 503 where no directory answers

It tries the servers that it is told of one after the other, and asks the first one that answers.
"""

from dataclasses import dataclass

import flask
import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPStartTLSError
from ldap3.utils.dn import escape_rdn

from sasl_digest.ldap3 import Credentials, DigestBindError, DigestConnection


@dataclass(frozen=True)
class Directory:
    """Where people are, and how they prove who they are: by a digest, or by their password as it is."""

    urls: tuple[str, ...]
    people: str = "ou=people,dc=example,dc=com"
    digest: bool = False
    ca: str | None = None  # the file of the CAs to trust, for ldaps://

    def login(self, name: str, password: str) -> str | None:
        """Who is let in, None where nobody is. Raises LDAPCommunicationError where no server answers."""
        failure: LDAPCommunicationError | None = None
        for url in self.urls:
            try:
                return self._login_at(url, name, password)
            except LDAPCommunicationError as error:
                failure = error
        raise failure or LDAPCommunicationError("there is no server to ask")

    def _login_at(self, url: str, name: str, password: str) -> str | None:
        tls = ldap3.Tls(validate=2, ca_certs_file=self.ca) if self.ca else None
        server = ldap3.Server(url, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
        if self.digest:
            credentials = Credentials(name, password)
            connection: ldap3.Connection = DigestConnection(server, sasl_credentials=credentials, receive_timeout=5)
        else:
            # A name that holds a comma is no way out of its place.
            dn = f"uid={escape_rdn(name)},{self.people}"
            connection = ldap3.Connection(server, dn, password, receive_timeout=5)
        try:
            # The one bind of a login: a second one would count a wrong password twice.
            if not connection.bind():
                return None
            return str(connection.extend.standard.who_am_i())
        finally:
            connection.unbind()


def create_app(directory: Directory) -> flask.Flask:
    """The application."""
    app = flask.Flask(__name__)

    @app.post("/login")
    def login() -> tuple[str, int]:
        name, password = flask.request.form["name"], flask.request.form["password"]
        if not (name and password):  # a simple bind without a password succeeds, as nobody
            return "name and password, please", 400
        try:
            who = directory.login(name, password)
        except (LDAPCommunicationError, LDAPStartTLSError, DigestBindError):
            return "the directory does not answer", 503
        return (f"welcome, {who}", 200) if who else ("no", 401)

    return app
