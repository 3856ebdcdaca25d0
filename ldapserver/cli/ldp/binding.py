"""A bind, and what is said of it in the words of LDP.exe.

What LDP.exe has no words for (a realm that was not offered, the verified rspauth) is said in its tone. Why a bind
could not be done at all goes to standard error, in one line.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldapserver.cli.exit_status import ANOTHER_FAILURE
from ldapserver.cli.ldp.transcript import DASHES, Output, Refused, error_name, refusal, result_object
from ldapserver.cli.remote import UNPROVEN, UNREACHABLE, Login, RemoteFailure, reason, status_of
from ldapserver.printable import printable

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

LDAP_AUTH_DIGEST = 16518  # winldap.h, 0x4086: LDP shows the method's number
LDAP_AUTH_EXTERNAL = 166  # winldap.h, 0xa6


@dataclass(frozen=True, slots=True)
class BindOutcome:
    """How a bind ended, as --json tells it."""

    outcome: str
    mechanism: str
    result: dict[str, Any]
    authenticated_as: str | None = None
    realm: str | None = None
    qop: str | None = None
    cipher: str | None = None
    note: str | None = None
    explained: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What `ldp bind --json` prints."""
        return {
            "outcome": self.outcome,
            "mechanism": self.mechanism,
            "authenticatedAs": self.authenticated_as,
            "realm": self.realm,
            "qop": self.qop,
            "cipher": self.cipher,
            **self.result,
            **({} if self.note is None else {"note": self.note}),
            **({"explained": list(self.explained)} if self.explained else {}),
        }


class NotBound(RemoteFailure):
    """The bind was broken off; the transcript has not said why."""

    def __init__(self, status: int, line: str, outcome: BindOutcome) -> None:
        super().__init__(status, line)
        self.outcome = outcome


class BindRefused(Refused):
    """The server has refused the bind."""

    def __init__(self, status: int, line: str, outcome: BindOutcome) -> None:
        super().__init__(status, line)
        self.outcome = outcome


def mechanism(login: Login) -> str:
    """What the bind is done by."""
    if login.simple is not None:
        return "simple"
    if login.external:
        return "EXTERNAL"
    return "anonymous" if login.user is None else "DIGEST-MD5"


def announce_and_bind(
    connection: "DigestConnection", login: Login, out: Output, where: str, *, explain: bool = False
) -> BindOutcome:
    """Bind, and say so. `where` names the server, which is asked to `explain` a refusal.

    Raises NotBound and BindRefused.
    """
    from ldap3.core.exceptions import LDAPCommunicationError

    from sasl_digest.ldap3 import DigestBindError, RspauthError

    call, stop = _announce(login, out)
    failed: tuple[int, str] | None = None
    try:
        connection.bind(read_server_info=False)
    except RspauthError as error:
        failed, line, status, ended = (82, "Local Error"), str(error), UNPROVEN, "server-unproven"
    except DigestBindError as error:
        failed, line, status, ended = (80, "Other"), str(error), ANOTHER_FAILURE, "broken-off"
    except LDAPCommunicationError as error:
        failed, line, status, ended = (81, "Server Down"), f"{where}: {reason(error)}", UNREACHABLE, "unreachable"
    if connection.digest_note is not None:
        out.say(f"Note: {printable(connection.digest_note)}.")
    if failed is not None:
        out.say(f"Error <{failed[0]}>: {call}() failed: {failed[1]}{stop}")
        out.say("Server error: <empty>")
        out.say(DASHES)
        nothing = {"code": None, "result": None, "text": printable(line)}
        raise NotBound(status, line, BindOutcome(ended, mechanism(login), nothing))
    result: dict[str, Any] = connection.result
    if result["result"] != 0:
        out.say(f"Error <{result['result']}>: {call}() failed: {error_name(result)}{stop}")
        out.say_server_error(result)
        explained = _explained(connection, out) if explain else ()
        out.say(DASHES)
        outcome = BindOutcome(
            "refused",
            mechanism(login),
            result_object(result),
            note=connection.digest_note,
            explained=explained,
        )
        raise BindRefused(status_of(result["result"]), refusal("bind", result), outcome)
    outcome = _outcome(connection, login)
    if outcome.mechanism == "DIGEST-MD5":
        out.say("Server proved itself: rspauth verified.")
        if outcome.qop not in (None, "auth"):
            cipher = "" if outcome.cipher is None else f", cipher {outcome.cipher}"
            out.say(f"Security layer: {outcome.qop}{cipher}.")
    name = outcome.authenticated_as
    if outcome.mechanism == "EXTERNAL":
        out.say("Authenticated by what the server knows of this connection.")
    else:
        out.say("Authenticated as: anonymous." if name is None else f"Authenticated as: '{printable(name)}'.")
    out.say(DASHES)
    return outcome


def _explained(connection: "DigestConnection", out: Output) -> tuple[str, ...]:
    """Why the server says that the bind has failed."""
    from ldapserver.cli.ldp.explain_live import ask

    explained = tuple(printable(line) for line in ask(connection))
    for line in explained:
        out.say(f"Explained: {line}")
    return explained


def _announce(login: Login, out: Output) -> tuple[str, str]:
    """Say what is called; the function's name, and what LDP ends its error with."""
    if login.simple is not None or not login.binds:
        # LDP ends this error without a full stop, and that of ldap_bind_s with one.
        call, user = "ldap_simple_bind_s", printable(login.simple or "NULL")
        out.say(f"res = {call}(ld, '{user}', <unavailable>); // v.3")
        return call, ""
    call = "ldap_bind_s"
    if login.external:
        out.say(f"res = {call}(ld, NULL, NULL, EXTERNAL ({LDAP_AUTH_EXTERNAL})); // v.3")
        return call, "."
    user, domain = printable(login.user or ""), printable(login.domain or "NULL")
    out.say(f"res = {call}(ld, NULL, &NtAuthIdentity, DIGEST ({LDAP_AUTH_DIGEST})); // v.3")
    out.say(f"{{NtAuthIdentity: User='{user}'; Pwd=<unavailable>; domain = '{domain}'}}")
    return call, "."


def _outcome(connection: "DigestConnection", login: Login) -> BindOutcome:
    """Of a bind that succeeded."""
    result = result_object(connection.result)
    if (proved := connection.digest_outcome) is None:
        return BindOutcome("success", mechanism(login), result, login.simple)
    name = f"{proved.realm}\\{proved.username}" if proved.realm else proved.username
    layer = proved.layer
    return BindOutcome(
        "success",
        mechanism(login),
        result,
        name,
        proved.realm,
        "auth" if layer is None else layer.qop.decode(),
        None if layer is None or layer.cipher is None else layer.cipher.decode(),
        connection.digest_note,
    )
