"""SASLprep (RFC 4013): names and passwords in the one form that both ends hash.

RFC 2831 knows nothing of it; rfc2831bis-02 asks for it, and no client or server in use does it. So it is an option,
and needs the extra `saslprep` of this distribution.
"""

from sasl_digest.errors import UsageError


def prepare(text: str, name: str) -> str:
    """`text` as SASLprep has it for a string that is stored; `name` is what an error calls it.

    Raises UsageError when it holds what RFC 4013 section 2.3 to 2.5 forbid, when nothing is left of it, and when the
    library that knows the tables is not installed.
    """
    try:
        from passlib.utils import saslprep
    except ImportError:
        raise UsageError("SASLprep needs a library: install the extra, sasl-digest[saslprep]") from None
    try:
        prepared: str = saslprep(text, param=name)
    except ValueError as error:  # "<rule> in <name>", and never what was prepared
        raise UsageError(f"{name}: {str(error).partition(' in ')[0]} (RFC 4013)") from None
    if text and not prepared:
        raise UsageError(f"{name}: nothing is left of it (RFC 4013)")
    return prepared
