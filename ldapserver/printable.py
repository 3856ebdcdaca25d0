"""Text of others, as it may stand on a terminal."""


def printable(text: str) -> str:
    """`text` without what would move a terminal's cursor or end the line: control characters as escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
