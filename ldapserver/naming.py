"""Which entry a request is about: by its DN, or in another form that the directory knows (`directory/dialect.py`)."""

from ldapserver.access import may_read_entries
from ldapserver.directory.dialect import Dialect
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import ResultCode

ANONYMOUS_MAY_NOT = "bind first: anonymous may read the root DSE and the subschema only"


def read_dn(context: Context, field: str, text: str) -> DN:
    """The name in a field of a request. Raises OperationRefused."""
    dialect = context.service.directory.dialect
    try:
        dn = None if dialect is None else _in_other_form(context, dialect, field, text)
        return DN.parse(text) if dn is None else dn
    except InvalidDN as error:
        raise OperationRefused(ResultCode.INVALID_DN_SYNTAX, f"{field}: {error}") from None


def _in_other_form(context: Context, dialect: Dialect, field: str, text: str) -> DN | None:
    try:
        dn = dialect.dn(text)
    except LookupError:
        _check_access(context)
        raise OperationRefused(ResultCode.NO_SUCH_OBJECT, f"{field}: {text} is not there") from None
    if dn is not None:
        _check_access(context)
    return dn


def _check_access(context: Context) -> None:
    """Who may not read entries is not told which there are either."""
    if not may_read_entries(context.identity, anonymous_search=context.service.config.anonymous_search):
        raise OperationRefused(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, ANONYMOUS_MAY_NOT)
