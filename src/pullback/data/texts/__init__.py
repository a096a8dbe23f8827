"""Texts that come with the package, for language models small enough to watch; PROVENANCE.md says where from."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["load_text"]

FOLDER = Path(__file__).parent
SHA256 = {"valley": "af505999f6e911303bf73e3f8cb3b82a6c642386ebec410a956741b5905b59db"}


@cache
def load_text(name: str = "valley") -> str:
    """Return one of the texts that come with the package.

    "valley": *The Valley of Bells*, a story of 19,576 characters, 55 of them different, written for pullback.
    Raises ValueError for a text that does not exist, and for a file that is not the one shipped.

    >>> text = load_text("valley")
    >>> len(text), len(set(text))
    (19576, 55)
    >>> text[:19]
    'THE VALLEY OF BELLS'
    """
    if name not in SHA256:
        raise ValueError(f"load_text: there is no text {name!r}; there are {', '.join(SHA256)}")
    content = (FOLDER / f"{name}.txt").read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != SHA256[name]:
        raise ValueError(
            f"{FOLDER / name}.txt: the file is not the one shipped with pullback: expected SHA-256 {SHA256[name]}, "
            f"got {actual}; reinstalling pullback restores it"
        )
    return content.decode("ascii")
