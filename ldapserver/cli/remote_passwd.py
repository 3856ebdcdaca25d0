"""`ldapserver passwd` on a server: by Password Modify (RFC 3062), or as Active Directory has it, by unicodePwd."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldapserver.cli.exit_status import ANOTHER_FAILURE
from ldapserver.cli.password import made_up
from ldapserver.cli.password_change import CONSTRAINT_VIOLATION, NO_SUCH_OBJECT, Changed, PasswordChange
from ldapserver.cli.remote import (
    Login,
    RemoteFailure,
    connected,
    expect_success,
)
from ldapserver.cli.search_url import SearchURL
from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.directory.account_reset import ATTRIBUTES, AccountReset, reset
from ldapserver.directory.authzid import AuthzId
from ldapserver.directory.entry import Entry
from ldapserver.directory.filetime import filetime_at
from ldapserver.directory.names import PEOPLE, dns_domain, netbios_domain
from ldapserver.usage import UsageFault
from ldapserver.wire.dn import DN, InvalidDN

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"  # RFC 3062 section 2
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"  # RFC 4532 section 2
ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"  # [MS-ADTS] 3.1.1.3.4.3.1

# What a domain controller's error at the head of its text says about a password, [MS-ERREF] 2.2.
_WINDOWS_ERRORS = {
    0x1F: "passwords are written on a connection that is encrypted",
    0x56: "the old password is wrong",
    0x52D: "the domain's policy does not allow this password: too short, too simple, used before or too soon",
}


def change_on_server(url: SearchURL, login: Login, asked: PasswordChange, clock: Clock = SYSTEM_CLOCK) -> Changed:
    """Do it. Raises RemoteFailure, NoPassword and UsageFault."""
    with connected(url, login) as connection:
        return change_over(connection, url, login, asked, clock)


def change_over(
    connection: "DigestConnection", url: SearchURL, login: Login, asked: PasswordChange, clock: Clock = SYSTEM_CLOCK
) -> Changed:
    """The same over a connection that is bound already, as `login` says."""
    return _Server(url, login, connection).change(asked, clock)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What of the root DSE says how passwords are set, and where accounts are."""

    password_modify: bool
    active_directory: bool
    contexts: tuple[str, ...]


class _Server:
    """A server that somebody is bound to."""

    def __init__(self, url: SearchURL, login: Login, connection: "DigestConnection") -> None:
        self._url = url
        self._login = login
        self._connection = connection
        self._facts = self._read_facts()

    def change(self, asked: PasswordChange, clock: Clock) -> Changed:
        """See `change_on_server`."""
        facts = self._facts
        if asked.new_password:
            self._check_way()
        dn = self._own_name(asked) if asked.user is None else self._named(asked.user, asked)
        by_unicode_pwd = asked.new_password and not facts.password_modify
        generated: str | None = None
        changes: dict[str, Any] = {}
        if by_unicode_pwd:
            password = made_up() if asked.password is None else asked.password(dn)
            generated = None if asked.password else password
            changes = {"unicodePwd": self._unicode_pwd(password, own=asked.user is None)}
        elif asked.new_password:
            generated = self._password_modify(dn, asked)
        changes |= self._state_changes(dn, asked.reset, clock)
        if changes:
            done = "the password is changed, but not the rest: " if asked.new_password and not by_unicode_pwd else ""
            self._modify(dn, changes, done)
        return Changed(dn, asked, generated)

    def _read_facts(self) -> _Facts:
        names = ["supportedExtension", "supportedCapabilities", "namingContexts", "defaultNamingContext"]
        dse = next(self._entries("", "BASE", "(objectClass=*)", names), None)
        held = Entry(DN(()), () if dse is None else dse[1])
        default = held.get("defaultNamingContext") or held.get("namingContexts")
        return _Facts(
            PASSWORD_MODIFY.encode() in held.get("supportedExtension"),
            ACTIVE_DIRECTORY.encode() in held.get("supportedCapabilities"),
            (self._url.base,) if self._url.base else tuple([each.decode() for each in default if each]),
        )

    def _check_way(self) -> None:
        """There must be a way to set a password here, before anybody is asked for one."""
        if self._facts.password_modify:
            return
        if not self._facts.active_directory:
            raise RemoteFailure(ANOTHER_FAILURE, f"{self._url}: the server has no Password Modify (RFC 3062)")
        server, login = self._url.server, self._login
        if not (server.tls or server.path or login.start_tls or login.qop == "auth-conf"):
            raise UsageFault(
                f"{self._url}: Active Directory takes no password in the clear: use ldaps://, --start-tls, or "
                "--qop auth-conf"
            )

    # Who it is

    def _own_name(self, asked: PasswordChange) -> str:
        self._connection.extended(WHO_AM_I)
        expect_success("Who am I?", self._connection)
        authzid = bytes(self._connection.result.get("responseValue") or b"").decode()
        meant = AuthzId.meant(authzid)
        if meant.dn is not None and meant.dn.rdns:
            return authzid.partition(":")[2]
        if not meant.name:
            raise RemoteFailure(ANOTHER_FAILURE, f"{self._url}: the server does not say who you are: name the user")
        return self._named(meant.name, asked)

    def _named(self, user: str, asked: PasswordChange) -> str:
        """The DN of the account that a server of these entries would take `user` for."""
        meant = AuthzId.meant(user)
        if meant.dn:
            return str(meant.dn)
        found = [
            dn
            for context in self._facts.contexts
            for dn, _ in self._entries(context, "SUBTREE", _filter(meant.name, context, asked), ["1.1"])
        ]
        if len(found) > 1:
            dns = " and ".join(found)
            line = f"{user!r}: {len(found)} entries answer to it: {dns}; name one of them by its DN"
            raise RemoteFailure(CONSTRAINT_VIOLATION, line)
        if not found:
            raise RemoteFailure(NO_SUCH_OBJECT, f"{user}: no account that can be seen answers to this name")
        return found[0]

    # What is done

    def _password_modify(self, dn: str, asked: PasswordChange) -> str | None:
        """Set it; what the server has made up, where it was asked to."""
        from ldapserver.controls.values import PasswdModifyRequestValue, PasswdModifyResponseValue, decode, encode
        from ldapserver.errors import OperationRefused

        own = asked.user is None
        password = None if asked.password is None else asked.password(dn)
        value = encode(
            PasswdModifyRequestValue,
            # Nobody named is who asks, and servers may want proof that it is still them.
            userIdentity=None if own else dn.encode(),
            oldPasswd=self._login.password.encode() if own else None,
            newPasswd=None if password is None else password.encode(),
        )
        self._connection.extended(PASSWORD_MODIFY, value)
        expect_success("Password Modify", self._connection)
        if password is not None:
            return None
        try:
            response = decode(
                PasswdModifyResponseValue, self._connection.result.get("responseValue") or None, "responseValue"
            )
            generated = bytes(response["genPasswd"]).decode()
        except (OperationRefused, UnicodeDecodeError, TypeError):
            generated = ""
        # It is printed as it is: a server must not command a terminal by it, nor end the line.
        if not generated or not generated.isprintable():
            line = "Password Modify: the server has changed the password, and does not say to what"
            raise RemoteFailure(ANOTHER_FAILURE, line)
        return generated

    def _unicode_pwd(self, password: str, *, own: bool) -> list[tuple[str, list[bytes]]]:
        """Users change theirs by taking the old one away, administrators reset it: [MS-ADTS] 3.1.1.3.1.5.1."""
        import ldap3

        from ldapserver.directory.ad.unicode_pwd import encode

        if own:
            return [(ldap3.MODIFY_DELETE, [encode(self._login.password)]), (ldap3.MODIFY_ADD, [encode(password)])]
        return [(ldap3.MODIFY_REPLACE, [encode(password)])]

    def _state_changes(self, dn: str, asked: AccountReset, clock: Clock) -> dict[str, Any]:
        import ldap3

        if not asked:
            return {}
        held = next(self._entries(dn, "BASE", "(objectClass=*)", list(ATTRIBUTES)), None)
        if held is None:
            raise RemoteFailure(NO_SUCH_OBJECT, f"{dn}: there is no such entry to be seen")
        entry = Entry(DN(()), held[1])
        changes = dict(reset(entry, asked, filetime_at(clock.ns()), new_password=False))
        if self._facts.active_directory:
            # The bits and counts follow there; -1 stands for now.  [MS-SAMR] 3.1.1.8.8, [MS-ADA3] pwdLastSet
            changes.pop("userAccountControl", None)
            changes.pop("badPwdCount", None)
            if asked.must_change is False:
                changes["pwdLastSet"] = (b"-1",)
            if asked.unlock:
                changes["lockoutTime"] = (b"0",)
        return {name: [(ldap3.MODIFY_REPLACE, list(values))] for name, values in changes.items()}

    def _modify(self, dn: str, changes: dict[str, Any], done: str) -> None:
        untyped: Any = self._connection
        untyped.modify(dn, changes)
        try:
            expect_success(f"{done}modify", self._connection)
        except RemoteFailure as failure:
            windows = re.search(r": ([0-9A-Fa-f]{8}): ", str(failure))
            words = _WINDOWS_ERRORS.get(int(windows[1], 16)) if windows and self._facts.active_directory else None
            if words is None:
                raise
            raise RemoteFailure(failure.status, f"{failure} ({words})") from None

    def _entries(
        self, base: str, scope: Any, filter: str, attributes: list[str]
    ) -> Iterator[tuple[str, list[tuple[str, tuple[bytes, ...]]]]]:
        import ldap3

        self._connection.search(
            base, filter, scope, dereference_aliases=ldap3.DEREF_NEVER, attributes=attributes, size_limit=0
        )
        response = self._connection.response or ()
        expect_success(f"search below {base}" if base else "search of the root DSE", self._connection)
        for each in response:
            if each["type"] == "searchResEntry":
                held: dict[str, list[bytes]] = each["raw_attributes"]
                name: bytes = each["raw_dn"]
                yield name.decode(), [(description, tuple(values)) for description, values in held.items()]


def _filter(name: str, context: str, asked: PasswordChange) -> str:
    """What is true of the account of this name, as `directory.names` has it."""
    from ldap3.utils.conv import escape_filter_chars

    def equal(attribute: str, value: str) -> str:
        return f"({attribute}={escape_filter_chars(value)})"

    def user(value: str) -> str:
        return f"(|{equal('uid', value)}{equal('sAMAccountName', value)})"

    domain, realm = _domain(context, asked)
    classes = "".join(f"(objectClass={each})" for each in PEOPLE)
    nameless = "(!(uid=*))(!(sAMAccountName=*))(!(userPrincipalName=*))"
    readings = [user(name), equal("userPrincipalName", name), f"(&{equal('cn', name)}(|{classes}){nameless})"]
    before, backslash, after = name.partition("\\")
    if backslash and before.lower() == domain.lower():
        readings.append(user(after))
    before, at, after = name.rpartition("@")
    if at and after.lower() == realm.lower():
        readings.append(f"(&{user(before)}(!(userPrincipalName=*)))")
    return f"(|{''.join(readings)})"


def _domain(context: str, asked: PasswordChange) -> tuple[str, str]:
    """The NetBIOS and the DNS name of the domain."""
    try:
        dn = DN.parse(context)
    except InvalidDN:
        dn = DN(())
    # What is named below a domain is in it.
    labels = [at for at, rdn in enumerate(dn.rdns) if rdn[0].type.lower() == "dc"]
    if labels:
        dn = DN(dn.rdns[labels[0] :])
    netbios = netbios_domain(dn) if asked.netbios is None else asked.netbios
    return netbios, dns_domain(dn) if asked.realm is None else asked.realm
