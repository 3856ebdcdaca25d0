"""Controls: what a request asks for beside its operation, and what goes with the answer (RFC 4511 section 4.1.11)."""

from ldapserver.controls.known import SUPPORTED_CONTROLS, read_controls
from ldapserver.controls.requested import (
    NO_CONTROLS,
    Controls,
    PagedResults,
    ServerSideSort,
    SortKey,
    VirtualListView,
)
from ldapserver.controls.responses import (
    paged_results_response,
    post_read_response,
    pre_read_response,
    sort_response,
    virtual_list_view_response,
)

__all__ = [
    "NO_CONTROLS",
    "SUPPORTED_CONTROLS",
    "Controls",
    "PagedResults",
    "ServerSideSort",
    "SortKey",
    "VirtualListView",
    "paged_results_response",
    "post_read_response",
    "pre_read_response",
    "read_controls",
    "sort_response",
    "virtual_list_view_response",
]
