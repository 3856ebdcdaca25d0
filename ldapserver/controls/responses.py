"""The controls that go with answers."""

from ldapserver.wire.messages import Control, ResultCode, SearchResultEntry
from ldapserver.wire.responses import write_search_result_entry

PRE_READ = "1.3.6.1.1.13.1"
POST_READ = "1.3.6.1.1.13.2"
PAGED_RESULTS = "1.2.840.113556.1.4.319"
SORT_RESPONSE = "1.2.840.113556.1.4.474"
VIRTUAL_LIST_VIEW_RESPONSE = "2.16.840.1.113730.3.4.10"


def pre_read_response(entry: SearchResultEntry) -> Control:
    """The entry as it was before the operation: the value is a whole SearchResultEntry (RFC 4527 section 3.1)."""
    return Control(PRE_READ, control_value=write_search_result_entry(entry))


def post_read_response(entry: SearchResultEntry) -> Control:
    """The entry as it is behind the operation (RFC 4527 section 3.2)."""
    return Control(POST_READ, control_value=write_search_result_entry(entry))


def paged_results_response(size: int, cookie: bytes) -> Control:
    """How many entries there are in all, 0 where that is not known, and the cookie, empty at the end (RFC 2696)."""
    from ldapserver.controls import values

    return Control(
        PAGED_RESULTS, control_value=values.encode(values.RealSearchControlValue, size=size, cookie=cookie)
    )


def sort_response(result_code: ResultCode, attribute: str | None = None) -> Control:
    """Whether the results are sorted, and the attribute for which they are not (RFC 2891 section 1.2)."""
    from ldapserver.controls import values

    octets = None if attribute is None else attribute.encode()
    value = values.encode(values.SortResult, sortResult=int(result_code), attributeType=octets)
    return Control(SORT_RESPONSE, control_value=value)


def virtual_list_view_response(
    target_position: int, content_count: int, result_code: ResultCode, context_id: bytes | None = None
) -> Control:
    """Where in the list the target is, from 1, and how long the list is (draft-ietf-ldapext-ldapv3-vlv-09)."""
    from ldapserver.controls import values

    value = values.encode(
        values.VirtualListViewResponse,
        targetPosition=target_position,
        contentCount=content_count,
        virtualListViewResult=int(result_code),
        contextID=context_id,
    )
    return Control(VIRTUAL_LIST_VIEW_RESPONSE, control_value=value)
