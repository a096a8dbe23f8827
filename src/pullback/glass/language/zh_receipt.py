"""Chinese: receipts and reasons."""

STRINGS: dict[str, str] = {}
