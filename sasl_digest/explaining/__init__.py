"""Why a digest does not match: every value computed again, and the readings of it that would have matched.

For a person who looks at one exchange, with the password at hand; nothing here decides who gets in.
"""

from sasl_digest.explaining.departures import Departure, Hints
from sasl_digest.explaining.exchange import Exchange
from sasl_digest.explaining.explanation import Explanation, Finding, Value, Verdict, explain
from sasl_digest.explaining.rules import BrokenRule
from sasl_digest.explaining.search import Reading

__all__ = [
    "BrokenRule",
    "Departure",
    "Exchange",
    "Explanation",
    "Finding",
    "Hints",
    "Reading",
    "Value",
    "Verdict",
    "explain",
]
