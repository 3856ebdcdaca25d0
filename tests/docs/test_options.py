"""docs/reference/options.md says what the parsers say."""

from tests.docs.options import PAGE, page


def test_the_page_of_options_is_what_the_parsers_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.docs.options"
