"""What the command line says, in English and Chinese: one catalogue file a language, with the same keys."""

from __future__ import annotations

from collections.abc import Mapping

from . import en, zh

__all__ = ["CATALOGUES", "words_of"]

CATALOGUES: dict[str, Mapping[str, str]] = {"en": en.WORDS, "zh": zh.WORDS}


def words_of(language: str) -> Mapping[str, str]:
    """The catalogue of a language."""
    return CATALOGUES[language]
