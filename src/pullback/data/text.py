"""Text: files, tokenisers, and the windows that a language model learns from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dataset import Dataset

__all__ = ["BytePairTokenizer", "ByteTokenizer", "CharacterTokenizer", "TokenWindows", "read_text"]

Tokens = NDArray[np.int64]


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8", *, max_bytes: int = 1 << 30) -> str:
    """The text of a file, with line ends as ``\\n`` and without a byte order mark.

    Raises ValueError naming the place for bytes that are not text in this encoding, and for a file of more than
    ``max_bytes``; OSError if it cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path}: it has more than max_bytes={max_bytes} bytes")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: expected {encoding} text, but byte {error.start} ({content[error.start]:#04x}) is "
            f"not: {error.reason}"
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


class CharacterTokenizer:
    """One token per character, numbered in the order of their code points.

    ``characters``: those that there are; `fit` takes them from a text. ``unknown``: a character that stands for all
    others, None for an error instead. `encode` gives int64 of shape (characters,), `decode` the text again.

    >>> tokenizer = CharacterTokenizer.fit("hello")
    >>> tokenizer.encode("hole"), tokenizer.decode([1, 0])
    (array([1, 3, 2, 0]), 'he')
    """

    def __init__(self, characters: Iterable[str], unknown: str | None = None) -> None:
        self.characters = tuple(sorted({*characters, *([] if unknown is None else [unknown])}))
        if any(len(character) != 1 for character in self.characters):
            raise ValueError("CharacterTokenizer: expected single characters")
        if not self.characters:
            raise ValueError("CharacterTokenizer: expected at least one character, got an empty text")
        self.unknown = unknown
        self._numbers = {character: number for number, character in enumerate(self.characters)}

    @classmethod
    def fit(cls, text: str, unknown: str | None = None) -> CharacterTokenizer:
        """A tokeniser for the characters of a text."""
        return cls(text, unknown)

    def __len__(self) -> int:
        """The number of different tokens."""
        return len(self.characters)

    def encode(self, text: str) -> Tokens:
        """The tokens of a text. Raises ValueError for a character that is not known, unless there is ``unknown``."""
        other = None if self.unknown is None else self._numbers[self.unknown]
        numbers = [self._numbers.get(character, other) for character in text]
        if other is None and None in numbers:
            place = numbers.index(None)
            raise ValueError(f"CharacterTokenizer: {text[place]!r} at position {place} is not among the characters")
        return np.array(numbers, np.int64)

    def decode(self, tokens: ArrayLike) -> str:
        """The text of tokens. Raises ValueError for what is no token."""
        return "".join(self.characters[i] for i in _checked(tokens, len(self)))


class ByteTokenizer:
    """One token per byte of the UTF-8 text: 256 tokens for all texts there are.

    >>> ByteTokenizer().encode("é"), ByteTokenizer().decode([0xC3, 0xA9])
    (array([195, 169]), 'é')
    """

    def __len__(self) -> int:
        """The number of different tokens."""
        return 256

    def encode(self, text: str) -> Tokens:
        """The bytes of a text. Raises UnicodeEncodeError for half a surrogate pair, which UTF-8 has not."""
        return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)

    def decode(self, tokens: ArrayLike) -> str:
        """The text of bytes; what is no UTF-8, such as a character cut in two, becomes U+FFFD."""
        return bytes(_checked(tokens, 256)).decode("utf-8", errors="replace")


class BytePairTokenizer:
    """Byte-pair encoding on bytes, by the ``tokenizers`` library (Sennrich et al., 2016; as GPT-2 has it).

    `BytePairTokenizer.fit(texts, vocabulary)` learns the merges; ``state`` is the tokeniser as JSON text, from which
    ``BytePairTokenizer(state)`` makes it again. Every text can be encoded, and comes back as it was.
    Raises ImportError without the library, ValueError for a vocabulary below 256 and a state that is none.
    """

    def __init__(self, state: str) -> None:
        library = _tokenizers()
        try:
            json.loads(state)
            self._tokenizer = library.Tokenizer.from_str(state)
        except Exception as error:  # the library raises bare Exceptions
            raise ValueError(f"BytePairTokenizer: expected the state of a tokeniser as JSON: {error}") from None
        self.state = state

    @classmethod
    def fit(cls, texts: Iterable[str], vocabulary: int = 1024) -> BytePairTokenizer:
        """Learn up to ``vocabulary`` tokens, of which 256 are the bytes, from texts."""
        library = _tokenizers()
        if vocabulary < 256:
            raise ValueError(f"BytePairTokenizer: vocabulary expected at least the 256 bytes, got {vocabulary}")
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary,
            show_progress=False,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer.to_str())

    def __len__(self) -> int:
        """The number of different tokens."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> Tokens:
        """The tokens of a text."""
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def decode(self, tokens: ArrayLike) -> str:
        """The text of tokens. Raises ValueError for what is no token."""
        return str(self._tokenizer.decode(_checked(tokens, len(self))))


class TokenWindows(Dataset):
    """Windows of a sequence of tokens, each with the token that follows at every place.

    ``tokens``: integers of shape (n,). Item i is (tokens[s : s+length], tokens[s+1 : s+length+1]) with
    s = i · ``stride`` (by default ``length``: windows side by side), both int64 of shape (length,).
    Raises ValueError for fewer than length + 1 tokens.

    >>> data = TokenWindows(np.arange(7), length=3)
    >>> len(data), data[1]
    (2, (array([3, 4, 5]), array([4, 5, 6])))
    """

    def __init__(self, tokens: ArrayLike, length: int, stride: int | None = None) -> None:
        self.tokens = np.asarray(tokens)
        self.length = int(length)
        self.stride = self.length if stride is None else int(stride)
        if self.tokens.ndim != 1 or self.tokens.dtype.kind not in "iu":
            raise TypeError(
                f"TokenWindows: tokens expected integers of shape (n,), got {self.tokens.dtype} of shape "
                f"{self.tokens.shape}"
            )
        if self.length < 1 or self.stride < 1:
            raise ValueError(f"TokenWindows: expected length and stride >= 1, got {length} and {stride}")
        if len(self.tokens) <= self.length:
            raise ValueError(
                f"TokenWindows: expected at least length + 1 = {self.length + 1} tokens, got {len(self.tokens)}"
            )
        self.gather = self._gather

    def __len__(self) -> int:
        return (len(self.tokens) - 1 - self.length) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Tokens, Tokens]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} windows")
        inputs, following = self._gather(np.array([index % len(self)]))
        return inputs[0], following[0]

    def _gather(self, indices: slice | NDArray[np.int64]) -> tuple[Tokens, Tokens]:
        """The windows at ``indices``, each of shape (len(indices), length)."""
        numbers = np.arange(len(self))[indices]
        places = numbers[:, None] * self.stride + np.arange(self.length + 1)
        windows = self.tokens[places].astype(np.int64)
        return windows[:, :-1], windows[:, 1:]


def _checked(tokens: ArrayLike, count: int) -> Sequence[int]:
    array = np.asarray(tokens)
    if array.size == 0:
        return []
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= count:
        raise ValueError(f"decode: expected tokens from 0 to {count - 1} of shape (n,), got {array!r:.80}")
    return array.tolist()


def _tokenizers() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise ImportError("byte-pair encoding needs the library tokenizers: pip install 'pullback[text]'") from None
    return tokenizers
