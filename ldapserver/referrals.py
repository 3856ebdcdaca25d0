"""Referral objects: entries that say where else to look (RFC 3296), and the URIs that are given out for them."""

from urllib.parse import quote, unquote

from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import ResultCode, Scope, SearchResultReference

_SCOPES = {Scope.BASE_OBJECT: "base", Scope.SINGLE_LEVEL: "one", Scope.WHOLE_SUBTREE: "sub"}


def above(directory: Directory, dn: DN) -> DN | None:
    """The topmost referral object that is `dn`, or that `dn` is below."""
    if not directory.referrals:
        return None
    key = dn.key
    for at in range(len(key) - 1, -1, -1):
        found = directory.referrals.get(key[at:])
        if found is not None:
            return found
    return None


async def at_or_above(directory: Directory, dn: DN) -> DN | None:
    """The same of a name that a client has made up, which may have twenty thousand parts."""
    # A referral object is an entry, and so are all between it and its naming context: where entries end, it is past.
    return above(directory, await directory.matched(dn)) if directory.referrals else None


async def refuse_referred(directory: Directory, dn: DN, scope: Scope | None = None) -> None:
    """Refuse what is asked of `dn`, with the URIs of who knows it, where it is a referral object or below one."""
    referral = await at_or_above(directory, dn)
    if referral is None:
        return
    entry = await directory.read(referral)
    uris = _uris(entry, dn, scope) if entry is not None else ()
    # "at least one URI" belongs to a referral: an object without any leads nowhere.  RFC 4511 section 4.1.10
    if not uris:
        raise OperationRefused(ResultCode.OTHER, f"the referral object {referral} has no ref", str(referral))
    raise OperationRefused(ResultCode.REFERRAL, matched_dn=str(referral), referral=uris)


async def continuations(directory: Directory, base: DN, scope: Scope) -> list[SearchResultReference]:
    """One for each referral object in scope of a search; what is below these is not ours to search."""
    if scope is Scope.BASE_OBJECT:
        return []
    # Below a referral object that is directly below the base, only that object itself is in scope of a singleLevel
    # search: there it is a search of base scope.  RFC 4511 section 4.5.3
    onward = Scope.BASE_OBJECT if scope is Scope.SINGLE_LEVEL else Scope.WHOLE_SUBTREE
    found = []
    for dn in directory.referrals.values():
        in_scope = dn.key[1:] == base.key if scope is Scope.SINGLE_LEVEL else dn.within(base)
        if not in_scope or above(directory, dn.parent) is not None:
            continue
        entry = await directory.read(dn)
        uris = _uris(entry, dn, onward) if entry is not None else ()
        if uris:
            found.append(SearchResultReference(uris))
    return found


def _uris(entry: Entry, dn: DN, scope: Scope | None) -> tuple[str, ...]:
    return tuple([_uri(value.decode("utf-8", "replace"), entry.dn, dn, scope) for value in entry.get("ref")])


def _uri(ref: str, referral: DN, dn: DN, scope: Scope | None) -> str:
    """A value of ref, which may have a label behind a blank, made to name `dn` and the scope to go on with there.

    The name in it is that of the referral object in the other server: what is below the one is below the other. URIs
    that are not LDAP's are left as they are.
    """
    uri = ref.partition(" ")[0]
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() not in ("ldap", "ldaps", "ldapi"):
        return uri
    host, _, path = rest.partition("/")
    name = unquote(path.partition("?")[0])
    if name:
        try:
            dn = DN((*dn.rdns[: len(dn.rdns) - len(referral.rdns)], *DN.parse(name).rdns))
        except InvalidDN:
            return uri
    onward = "" if scope is None else f"??{_SCOPES[scope]}"
    return f"{scheme}://{host}/{quote(str(dn), safe='=,+')}{onward}"
