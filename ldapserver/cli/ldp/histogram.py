"""How many operations took how long, in memory that does not grow: the buckets of an HDR histogram.

Each power of two is divided into 128 buckets, so a value is known to less than one part in a hundred, from one
microsecond to over an hour.
"""

from array import array

_BITS = 7  # of a value that are kept below its highest one: 128 buckets for each power of two
_EXACT = 2 << _BITS  # below that each value has a bucket of its own
LONGEST = (1 << 32) - 1  # microseconds, 71 minutes; what is longer counts as this long
_BUCKETS = _EXACT + (32 - _BITS - 1) * (1 << _BITS)


class Histogram:
    """Counts durations in microseconds."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BUCKETS))
        self._sum = 0
        self.count = 0
        self.least = 0  # exact, as is the greatest; microseconds
        self.greatest = 0

    def record(self, microseconds: int) -> None:
        """One more."""
        value = min(max(microseconds, 0), LONGEST)
        self._counts[_bucket(value)] += 1
        if not self.count or value < self.least:
            self.least = value
        if value > self.greatest:
            self.greatest = value
        self._sum += value
        self.count += 1

    @property
    def mean(self) -> float:
        """Microseconds; 0 without any."""
        return self._sum / self.count if self.count else 0.0

    def percentile(self, percent: float) -> int:
        """A duration in microseconds that so many percent did not exceed; 0 without any.

        It is the upper end of its bucket: never too good.
        """
        due = max(1, -int(-self.count * percent // 100))  # rounded up: of two, the 99th percentile is the second
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= due:
                return min(_upper(bucket), self.greatest)
        return self.greatest


def _bucket(value: int) -> int:
    if value < _EXACT:
        return value
    shift = value.bit_length() - _BITS - 1
    return (shift << _BITS) + (value >> shift)


def _upper(bucket: int) -> int:
    """The greatest value in a bucket."""
    if bucket < _EXACT:
        return bucket
    shift = (bucket >> _BITS) - 1
    return (((bucket & ((1 << _BITS) - 1)) | 1 << _BITS) + 1 << shift) - 1
