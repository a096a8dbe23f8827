"""English: drawings and the page."""

STRINGS: dict[str, str] = {}
