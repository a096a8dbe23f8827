"""Everything that a person reads exists in both languages, with the same values in it."""

import re
import string

import pytest

import pullback as pb
from pullback.core.mapping import CATALOGUE
from pullback.glass.language import STRINGS, kink, language, locale_language, text, words, zh_mappings

KINKS = {name: m.kink for name, m in CATALOGUE.items() if m.kink is not None}
ENGLISH_SENTENCE = re.compile(r"[A-Za-z]{2,}(?:[ ,;:]+[A-Za-z]{2,}){3,}")
CODE = re.compile(r"`[^`]*`|\b\w+_\w+\b|<[^>]*>|\{[^{}]*\}|pip install \S+|--\S+")


def fields(template):
    """The values that a template asks for, each with how it is to be written."""
    return sorted({(name, spec) for _, name, spec, _ in string.Formatter().parse(template) if name is not None})


def is_chinese(english, chinese):
    """Whether a translation is one: it has Chinese characters, unless there is nothing to translate."""
    plain = CODE.sub("", english)
    wordless = not re.search(r"[A-Za-z]{3,}", plain)
    return (wordless or re.search(r"[\u4e00-\u9fff]", chinese)) and not ENGLISH_SENTENCE.search(CODE.sub("", chinese))


def test_both_languages_have_the_same_keys():
    assert STRINGS["en"].keys() == STRINGS["zh"].keys()


@pytest.mark.parametrize("key", sorted(STRINGS["en"]))
def test_a_string_and_its_translation_take_the_same_values(key):
    assert fields(STRINGS["en"][key]) == fields(STRINGS["zh"][key])
    assert is_chinese(STRINGS["en"][key], STRINGS["zh"][key]), STRINGS["zh"][key]
    assert not re.search(r"[\u4e00-\u9fff]", STRINGS["en"][key]), STRINGS["en"][key]


@pytest.mark.parametrize(
    ("declared", "translated"),
    [({n: m.words for n, m in CATALOGUE.items()}, zh_mappings.WORDS), (KINKS, zh_mappings.KINKS)],
    ids=["words", "kinks"],
)
def test_every_mapping_is_translated_and_nothing_else(declared, translated):
    assert declared.keys() == translated.keys()
    for name, english in declared.items():
        assert {f for f, _ in fields(english)} == {f for f, _ in fields(translated[name])}, name
        assert is_chinese(english, translated[name]), name


def test_the_check_of_translations_can_fail():
    assert not is_chinese("the sum of {x}", "the sum of {x}")
    assert not is_chinese("the sum of {x} over all its axes", "和 the sum over all axes of {x}")
    assert is_chinese("{x} = {y}", "{x} = {y}")
    assert fields("{x:.3g} of {y}") != fields("{y} 的 {x}")


def test_words_fill_in_the_names_of_the_arguments():
    assert words(pb.multiply, "en", a="x", b="W") == "the product of x and W"
    assert words(pb.multiply, "zh", a="x", b="W") == "x 与 W 的积"
    assert kink(pb.relu, "zh") == "在 0 处取 0，与 PyTorch 和 JAX 相同"
    assert kink(pb.multiply, "zh") is None


def test_a_mapping_of_ones_own_speaks_for_itself_in_either_language():
    own = pb.relu.replace(words="{x}, rectified", kink="nothing")
    assert words(own, "zh", x="z") == "z, rectified"
    assert kink(own, "zh") == "nothing"


def test_the_language_is_the_one_asked_for_or_the_locales(monkeypatch):
    assert language("zh") == "zh"
    monkeypatch.setenv("LC_ALL", "zh_TW.UTF-8")
    assert language() == "zh"
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert language() == "en"
    monkeypatch.setattr("locale.getlocale", lambda: ("Chinese (Simplified)_China", "936"))
    assert locale_language({}) == "zh"


def test_another_language_and_a_missing_key_are_errors():
    with pytest.raises(ValueError, match="expected 'en' or 'zh', got 'fr'"):
        language("fr")
    with pytest.raises(KeyError):
        text("no.such.key", "en")
