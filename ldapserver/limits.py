"""How many entries a search may return, and how long it may take (RFC 4511 sections 4.5.1.4 and 4.5.1.5)."""

from collections.abc import Callable

from ldapserver.errors import OperationRefused
from ldapserver.operation import Context
from ldapserver.wire.messages import ResultCode, SearchRequest


class Limits:
    """The limits of one search; `returned` is what it has returned so far, on earlier pages too."""

    def __init__(self, size: float, seconds: float, clock: Callable[[], float]) -> None:
        """No limit is 0."""
        self.returned = 0
        self._size = size
        self._clock = clock
        self._deadline = clock() + seconds if seconds else None

    @classmethod
    def of(cls, context: Context, request: SearchRequest, clock: Callable[[], float], most: int = 0) -> "Limits":
        """The smaller of the client's and the server's; the server has none for administrators but `most` entries."""
        config, free = context.service.config, context.identity.admin
        return cls(
            _smaller(_smaller(request.size_limit, most), 0 if free else config.size_limit),
            _smaller(request.time_limit, 0 if free else config.time_limit),
            clock,
        )

    def exceeded_by(self, more: int) -> int | None:
        """Count `more` entries; how many of them may still be returned, or None when all may."""
        self.returned += more
        if not self._size or self.returned <= self._size:
            return None
        return max(int(self._size) - (self.returned - more), 0)

    def check_time(self) -> None:
        """Raises OperationRefused when the time is up."""
        if self._deadline is not None and self._clock() > self._deadline:
            raise OperationRefused(ResultCode.TIME_LIMIT_EXCEEDED)


def _smaller(one: float, other: float) -> float:
    return min(one, other) if one and other else one or other
