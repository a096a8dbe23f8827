"""What the glass box says, in English and Chinese: one catalogue file a language and subject, with the same keys."""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping as ReadOnlyDict
from typing import Any

from ...core.mapping import CATALOGUE, Mapping
from . import en_cli, en_graph, en_plan, en_receipt, zh_cli, zh_graph, zh_mappings, zh_plan, zh_receipt

__all__ = ["LANGUAGES", "STRINGS", "kink", "language", "locale_language", "text", "words"]


def _merge(*parts: ReadOnlyDict[str, str]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for part in parts:
        if twice := merged.keys() & part.keys():
            raise ValueError(f"language: expected each key in one file, got {sorted(twice)} in two")
        merged |= part
    return merged


STRINGS: dict[str, ReadOnlyDict[str, str]] = {
    "en": _merge(en_receipt.STRINGS, en_graph.STRINGS, en_cli.STRINGS, en_plan.STRINGS),
    "zh": _merge(zh_receipt.STRINGS, zh_graph.STRINGS, zh_cli.STRINGS, zh_plan.STRINGS),
}
LANGUAGES = tuple(STRINGS)


def text(key: str, /, lang: str | None = None, **values: Any) -> str:
    """Return the string ``key`` of a language with ``values`` filled in.

    ``lang``: "en", "zh", or None for the locale's. Raises KeyError for a key, or a value, that is missing,
    and ValueError for another language.
    """
    return STRINGS[language(lang)][key].format(**values)


def words(mapping: Mapping, /, lang: str | None = None, **arguments: str) -> str:
    """Say what a mapping is, with the names of its arguments filled in.

    A mapping that is not in the catalogue (a user's own) is said in the words that it was declared with.

    >>> from pullback import log
    >>> words(log, "en", x="y"), words(log, "zh", x="y")
    ('the natural logarithm of y', 'y 的自然对数')
    """
    translated = _declared(mapping) and language(lang) == "zh"
    return (zh_mappings.WORDS[mapping.name] if translated else mapping.words).format(**arguments)


def kink(mapping: Mapping, /, lang: str | None = None, **arguments: str) -> str | None:
    """Say what a mapping chooses where it has no derivative; None where it always has one."""
    if mapping.kink is None:
        return None
    translated = _declared(mapping) and language(lang) == "zh"
    return (zh_mappings.KINKS[mapping.name] if translated else mapping.kink).format(**arguments)


def language(lang: str | None = None) -> str:
    """Return the language asked for, or the locale's for None. Raises ValueError for one that there is not."""
    if lang is None:
        return locale_language()
    if lang not in STRINGS:
        raise ValueError(f"lang: expected {' or '.join(map(repr, LANGUAGES))}, got {lang!r}")
    return lang


def locale_language(environment: ReadOnlyDict[str, str] = os.environ) -> str:
    """Return the language of the locale: "zh" for any Chinese one, else "en".

    >>> locale_language({"LANG": "zh_CN.UTF-8"}), locale_language({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"})
    ('zh', 'en')
    """
    named = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    chosen = next(filter(None, named), None) or locale.getlocale()[0] or ""
    return "zh" if chosen.lower().startswith(("zh", "chinese")) else "en"


def _declared(mapping: Mapping) -> bool:
    """Whether the words of a mapping are those of the catalogue; a copy with other words speaks for itself."""
    known = CATALOGUE.get(mapping.name)
    return known is not None and (known.words, known.kink) == (mapping.words, mapping.kink)
