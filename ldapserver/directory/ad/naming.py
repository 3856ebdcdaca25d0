"""Which entry a name in another form than a DN's stands for ([MS-ADTS] 3.1.1.3.1.2.4 and 5.1.1.1.1)."""

from collections.abc import Iterator

from ldapserver.directory.account import AmbiguousName
from ldapserver.directory.ad.bind_names import candidates
from ldapserver.directory.ad.canonical import CanonicalName
from ldapserver.directory.ad.containers import well_known_container
from ldapserver.directory.ad.dn_forms import ByGUID, BySID, parse_dn_form
from ldapserver.directory.names import dns_domain
from ldapserver.directory.profile import View
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Equality

# What the entries of people, machines and what they are in are named by, and an index knows.
_NAMING = ("cn", "uid", "ou")


def named(view: View, text: str, domain: DN) -> DN | None:
    """The entry of a name in angle brackets; None for a name that begins otherwise.

    Raises InvalidDN, and LookupError when there is no such entry.
    """
    form = parse_dn_form(text)
    match form:
        case None:
            return None
        case ByGUID(guid):
            found = [entry.dn for entry in view.having("objectGUID", guid)]
        case BySID(sid):
            # "the objectSid or sIDHistory"
            found = [entry.dn for name in ("objectSid", "sIDHistory") for entry in view.having(name, sid)]
        case _:
            name = well_known_container(form.guid, domain) if form.dn == domain else None
            entry = None if name is None else view.entry(name)
            found = [] if entry is None else [entry.dn]
    if not found:
        raise LookupError(text)
    return found[0]


def bound_as(view: View, name: str, domain: DN) -> DN | None:
    """Whom the name of a bind stands for, in the first form that leads to one entry; AmbiguousName if to several."""
    for candidate in candidates(name, dns_domain=dns_domain(domain), netbios=view.netbios, suffixes=(view.realm,)):
        found = {dn.key: dn for dn in _at(view, candidate.target)}
        if len(found) > 1:
            raise AmbiguousName(f"{name!r}: {len(found)} entries answer to it")
        for dn in found.values():
            return dn
    return None


def _at(view: View, target: DN | CanonicalName | Equality) -> Iterator[DN]:
    match target:
        case DN():
            entry = view.entry(target)
            if entry is not None:
                yield entry.dn
        case Equality(attribute, value):
            yield from (entry.dn for entry in view.having(attribute, value))
        case CanonicalName(_, path) if path:
            value = path[-1].encode("utf-8", "surrogatepass")
            for attribute in _NAMING:
                yield from (entry.dn for entry in view.having(attribute, value) if target.names(entry.dn))
