"""English: expressions, the commands, and the page that is served."""

STRINGS: dict[str, str] = {}
