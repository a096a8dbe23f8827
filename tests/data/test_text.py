"""Text: files, tokenisers, windows."""

import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.data import (
    BytePairTokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    DataLoader,
    TokenWindows,
    read_text,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_bytes_and_characters_come_back(text):
    assert ByteTokenizer().decode(ByteTokenizer().encode(text)) == text
    assert ByteTokenizer().encode(text).tolist() == list(text.encode())
    if text:
        tokenizer = CharacterTokenizer.fit(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert len(tokenizer) == len(set(text)) and tokenizer.encode(text).max() < len(tokenizer)


def test_a_character_that_is_not_known():
    with pytest.raises(ValueError, match="'x' at position 1 is not among the characters"):
        CharacterTokenizer.fit("ab").encode("axb")
    tokenizer = CharacterTokenizer.fit("ab", unknown="?")
    assert tokenizer.decode(tokenizer.encode("axb")) == "a?b"


@pytest.mark.parametrize("tokens", [[-1], [256], [0.5], [[1]]])
def test_what_is_no_token(tokens):
    with pytest.raises(ValueError, match="expected tokens from 0 to 255"):
        ByteTokenizer().decode(tokens)


def test_empty_and_impossible_alphabets():
    with pytest.raises(ValueError, match="at least one character"):
        CharacterTokenizer.fit("")
    with pytest.raises(ValueError, match="single characters"):
        CharacterTokenizer(["ab"])
    assert ByteTokenizer().decode([]) == "" and ByteTokenizer().decode([0xC3]) == "\ufffd"


@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 20))
def test_windows_are_the_slices(length, stride, more):
    tokens = np.arange(100, 100 + length + 1 + more)
    data = TokenWindows(tokens, length, stride)
    starts = range(0, len(tokens) - length, stride)
    assert len(data) == len(starts)
    for index, start in enumerate(starts):
        x, y = data[index]
        assert x.tolist() == tokens[start : start + length].tolist()
        assert y.tolist() == tokens[start + 1 : start + length + 1].tolist()
    x, _ = next(iter(DataLoader(data, len(data))))
    assert x.tolist() == [tokens[start : start + length].tolist() for start in starts]


def test_windows_that_cannot_be():
    with pytest.raises(ValueError, match="at least length \\+ 1 = 4 tokens, got 3"):
        TokenWindows([1, 2, 3], 3)
    with pytest.raises(TypeError, match="integers of shape"):
        TokenWindows([0.5, 1.0], 1)
    with pytest.raises(ValueError, match="length and stride >= 1"):
        TokenWindows([1, 2, 3], 0)
    with pytest.raises(IndexError, match="out of range for 2 windows"):
        TokenWindows([1, 2, 3], 1)[2]


def test_text_files(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo\rthree\n".encode())
    assert read_text(path) == "one\ntwo\nthree\n"
    path.write_bytes(b"one\ntw\xff\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 2: expected utf-8 text, but byte 6 \(0xff\) is not"):
        read_text(path)
    with pytest.raises(ValueError, match="more than max_bytes=3"):
        read_text(path, max_bytes=3)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")


@given(st.binary(max_size=60))
def test_any_bytes_are_text_or_a_value_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(content)
    try:
        text = read_text(path)
    except ValueError as error:
        assert "expected utf-8 text" in str(error)
    else:
        assert text == content.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


# -------------------------------------------------------------------------------------- byte pairs


def test_byte_pairs():
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    tokenizer = BytePairTokenizer.fit(["low lower lowest newer newest"] * 20, vocabulary=280)
    text = "lowest 新しい\n  newer"
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text and len(tokens) < len(text.encode()) and 256 < len(tokenizer) <= 280
    again = BytePairTokenizer(tokenizer.state)
    assert again.encode(text).tolist() == tokens.tolist()
    with pytest.raises(ValueError, match="at least the 256 bytes"):
        BytePairTokenizer.fit(["a"], vocabulary=255)
    for state in ("", "{}", "no json"):
        with pytest.raises(ValueError, match="expected the state of a tokeniser"):
            BytePairTokenizer(state)


def test_byte_pairs_through_a_stand_in(monkeypatch):
    """What is handed to the library and taken from it, also where it is not installed."""

    class Stored:
        @staticmethod
        def from_str(state):
            return Stored()

        def encode(self, text):
            return types.SimpleNamespace(ids=list(text.encode()))

        def decode(self, tokens):
            return bytes(tokens).decode()

        def get_vocab_size(self):
            return 300

    library = types.ModuleType("tokenizers")
    library.Tokenizer = Stored
    monkeypatch.setitem(sys.modules, "tokenizers", library)
    for part in ("decoders", "models", "pre_tokenizers", "trainers"):
        monkeypatch.setitem(sys.modules, f"tokenizers.{part}", types.ModuleType(part))
    tokenizer = BytePairTokenizer("{}")
    assert tokenizer.encode("ab").tolist() == [97, 98] and tokenizer.encode("ab").dtype == np.int64
    assert tokenizer.decode(np.array([97])) == "a" and len(tokenizer) == 300
    with pytest.raises(ValueError, match="tokens from 0 to 299"):
        tokenizer.decode([300])


def test_without_the_library_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install 'pullback\[text\]'"):
        BytePairTokenizer.fit(["a"])
