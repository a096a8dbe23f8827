"""What the command line says, in English and Chinese: one catalogue file a language, with the same keys."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import en, zh

__all__ = ["CATALOGUES", "default_language", "words_of"]

CATALOGUES: dict[str, Mapping[str, str]] = {"en": en.WORDS, "zh": zh.WORDS}


def default_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language of the locale: "zh" for any Chinese one, else "en".

    >>> default_language({"LANG": "zh_CN.UTF-8"}), default_language({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"})
    ('zh', 'en')
    """
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def words_of(language: str) -> Mapping[str, str]:
    """The catalogue of a language."""
    return CATALOGUES[language]
