"""What a rule can see of a request."""

from dataclasses import dataclass

from ldapserver.faults.actions import CHALLENGE
from ldapserver.sasl.plain import MalformedPlain, PlainMessage
from ldapserver.wire.messages import (
    AddRequest,
    AnsweredRequest,
    BindRequest,
    CompareRequest,
    DelRequest,
    ExtendedRequest,
    ModifyDNRequest,
    ModifyRequest,
    SaslAuthentication,
    SearchRequest,
)
from sasl_digest import DigestResponse
from sasl_digest.errors import MalformedMessage

DIGEST_MD5 = "DIGEST-MD5"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `operation` as rules name it, `dn` what it is about, `user` the name that a bind brings."""

    operation: str
    dn: str | None = None
    oid: str | None = None
    user: str | None = None
    mechanism: str | None = None


def asked(request: AnsweredRequest) -> Asked:
    """The same request, to a rule."""
    if isinstance(request, BindRequest):
        return _bind(request)
    if isinstance(request, SearchRequest):
        return Asked("search", request.base_object)
    if isinstance(request, CompareRequest):
        return Asked("compare", request.entry)
    if isinstance(request, AddRequest):
        return Asked("add", request.entry)
    if isinstance(request, ModifyRequest):
        return Asked("modify", request.object)
    if isinstance(request, DelRequest):
        return Asked("delete", request.entry)
    if isinstance(request, ModifyDNRequest):
        return Asked("modify_dn", request.entry)
    assert isinstance(request, ExtendedRequest)
    return Asked("extended", oid=request.request_name)


def _bind(request: BindRequest) -> Asked:
    authentication = request.authentication
    if not isinstance(authentication, SaslAuthentication):
        anonymous = not request.name and not authentication.password
        return Asked("bind", user=request.name, mechanism="anonymous" if anonymous else "simple")
    mechanism, credentials = authentication.mechanism, authentication.credentials
    if not credentials:
        # EXTERNAL alone may have said all with nothing.
        return Asked("bind" if mechanism == "EXTERNAL" else CHALLENGE, mechanism=mechanism)
    try:
        if mechanism == DIGEST_MD5:
            user = DigestResponse.parse(credentials).username
        else:
            user = PlainMessage.parse(credentials).authcid if mechanism == "PLAIN" else ""
    except (MalformedMessage, MalformedPlain):
        user = ""
    return Asked("bind", user=user, mechanism=mechanism)
