"""Attribute options: which descriptions another one means too (RFC 4512 section 2.5.2, RFC 3866)."""

from collections.abc import Iterable, Sequence


def has_options(options: Sequence[str], asked: Iterable[str]) -> bool:
    """Whether each of the options `asked` for is among `options`, all in lower case.

    One that ends with a hyphen is a language range, which `lang-en-` is for `lang-en` and for `lang-en-gb`.
    RFC 3866 section 2.2
    """
    return all(
        any(f"{each}-".startswith(wanted) for each in options) if wanted.endswith("-") else wanted in options
        for wanted in asked
    )
