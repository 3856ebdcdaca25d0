"""DIGEST-MD5 for ldap3 2.9.1 that believes no server without proof (RFC 2831 section 2.1.3, RFC 4513 section 5.2.1).

    DigestConnection(server, sasl_credentials=Credentials("u1", "password", realm="CONTOSO"), auto_bind=True)

or `install()`, after which every `ldap3.Connection` whose `sasl_mechanism` is DIGEST-MD5 binds this way: REUSABLE's
pool and the connections that follow a referral are always plain ones, and only `install()` reaches them.

    Credentials("u1", "password", qop=["auth-conf", "auth-int"])

asks for a security layer: all that follows the bind is sealed, or signed where the server cannot seal. It stays until
the connection ends or another bind lays another one; a bind with qop auth, or one that fails, leaves it as it is (RFC
4422 section 3.7). RESTARTABLE lays it again on every connection it makes. TLS goes below it, whichever came first.

What ends a bind, in every strategy:

* The server says no: ldap3's own behaviour. `bind()` is False, or raises under `raise_exceptions`.
* The server says yes, and its rspauth is wrong or missing: the connection is closed and RspauthError raised.
* The client cannot or may not answer (a malformed challenge, no qop in common, `strict_realm`): the exchange is
  aborted, the connection stays open and anonymous, and DigestBindError is raised.
* The connection breaks or the answer does not come in time: it is closed, and ldap3's exception raised.

A buffer of the layer that somebody altered ends the connection: for the caller it broke, in the way of the strategy.
"""

from sasl_digest.ldap3.connection import DigestConnection, install, uninstall
from sasl_digest.ldap3.credentials import Credentials
from sasl_digest.ldap3.exchange import DigestBindError, RspauthError

__all__ = ["Credentials", "DigestBindError", "DigestConnection", "RspauthError", "install", "uninstall"]
