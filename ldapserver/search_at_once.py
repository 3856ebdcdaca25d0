"""The answer to a search that finds a few entries at once: what `search` would say, without a way to wait.

Most searches are like this: one entry is looked up by its uid, and there are no controls. Who may look is decided as
in `search`, each time, and so is what matches. Whatever else there may be to say (a refusal, a referral, more than
one slice, what only an administrator sees) is left to it, so that it is said in one place.
"""

from collections.abc import Sequence

from ldapserver.access import Identity, may_read_entries
from ldapserver.directory.entry import Entry
from ldapserver.lookups import LONGEST
from ldapserver.results import SLICE
from ldapserver.search import is_special
from ldapserver.selection import Selection
from ldapserver.service import Service
from ldapserver.wire import ber
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import ResultCode, Scope, SearchRequest, SearchResultDone
from ldapserver.wire.responses import write_result, write_search_result_entry

SECOND = 1.0  # the shortest time limit of a client; none that is longer is over within a turn

_DONE = write_result(SearchResultDone(ResultCode.SUCCESS))


def search_at_once(service: Service, identity: Identity, message_id: int, request: SearchRequest) -> bytes | None:
    """The messages that answer a request without controls, to the last one; None where `search` has to answer it."""
    config, directory = service.config, service.directory
    ask = service.lookups.search_at_once(directory)
    if (
        ask is None
        or len(request.attributes) > LONGEST
        or directory.referrals
        or not may_read_entries(identity, anonymous_search=config.anonymous_search)
        or 0 < config.time_limit < SECOND
    ):
        return None
    base = _base(service, request)
    if base is None:
        return None
    dialect, filter = directory.dialect, request.filter
    entries = ask(base, request.scope, filter if dialect is None else dialect.filter(filter))
    if entries is None:
        return None
    most = len(entries)
    if (
        0 < request.size_limit < most
        or (0 < config.size_limit < most and not identity.admin)
        or (dialect is not None and dialect.max_page_size < most)
    ):
        return None
    written = _written(service, identity, request, entries)
    if written is None:
        return None
    number = ber.encoded_integer(message_id)
    messages = b"".join([ber.encoded(ber.SEQUENCE, number + each) for each in (*written, _DONE)])
    return messages if len(messages) <= SLICE else None


def _base(service: Service, request: SearchRequest) -> DN | None:
    """The baseObject, where it is the name of an entry of the directory's."""
    directory, text = service.directory, request.base_object
    try:
        base = service.lookups.base(text)
        if directory.dialect is not None and directory.dialect.dn(text) is not None:
            return None
    except (InvalidDN, LookupError):
        return None
    # The entries that belong to the server itself are in scope where they are named only.
    if request.scope is Scope.BASE_OBJECT and is_special(directory, base):
        return None
    return base


def _written(
    service: Service, identity: Identity, request: SearchRequest, entries: Sequence[Entry]
) -> list[bytes] | None:
    """The SearchResultEntry of each; None where it takes more than the entries to make them."""
    directory, lookups, base_object = service.directory, service.lookups, request.scope is Scope.BASE_OBJECT
    show: Selection | None = None
    choice = lookups.choice(directory, request.attributes)
    # What is kept is what anybody is shown of an entry by this list; it is another entry that a write leaves there.
    keeps = choice.kept and directory.dialect is None and not request.types_only and not choice.computed
    if identity.admin and choice.schemes:
        return None
    written = []
    for entry in entries:
        octets = choice.written.get(entry) if keeps else None
        if octets is None:
            subentry = lookups.is_subentry(directory, entry.get("objectClass"))
            if subentry and not base_object:
                continue  # seen by who asks for them.  RFC 3672 section 3
            if show is None:
                show = Selection(
                    service,
                    identity,
                    request.attributes,
                    types_only=request.types_only,
                    base_object=base_object,
                )
                if show.asks:
                    return None
            octets = write_search_result_entry(show.result_at_once(entry))
            if keeps and not subentry:
                lookups.keep(choice, entry, octets)
        written.append(octets)
    return written
