"""The names of numbers are right, and the translator learns them."""

import re

import numpy as np
import pytest

from examples.__main__ import load

ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"]
ONES += ["fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
VALUES = {name: i for i, name in enumerate(ONES, 1)} | {name: 10 * i for i, name in enumerate(TENS, 2)}


def value(name):
    """The number that a name stands for, read from left to right: multiply at hundred and thousand, else add."""
    total = part = 0
    for word in re.split("[ -]", name):
        if word == "thousand":
            total, part = 1000 * part, 0
        elif word == "hundred":
            part *= 100
        elif word not in ("and", "zero"):
            part += VALUES[word]
    return total + part


def test_every_name_stands_for_its_number():
    example = load("numbers_in_words")
    assert [value(example.in_words(n)) for n in range(10_000)] == [*range(10_000)]
    for n, name in {0: "zero", 40: "forty", 115: "one hundred and fifteen", 200: "two hundred"}.items():
        assert example.in_words(n) == name
    assert example.in_words(7042) == "seven thousand and forty-two"
    assert example.in_words(9999) == "nine thousand nine hundred and ninety-nine"


def test_what_is_written_is_what_is_read_one_later():
    example = load("numbers_in_words")
    digits, read, written = example.as_tokens([7, 1234])
    assert example.DIGITS.decode(digits[0]) == "7___"
    assert example.LETTERS.decode(read[0]).startswith("<seven>") and read.shape == written.shape
    np.testing.assert_array_equal(read[:, 1:], written[:, :-1])


def test_it_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = load("numbers_in_words").main(quick=True)
    assert figures["first word right"] > 0.8 and figures["exact match"] > 0.3
    assert (tmp_path / "runs/examples/numbers_in_words.png").stat().st_size > 1000


@pytest.mark.slow
def test_it_reaches_its_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = load("numbers_in_words")
    assert example.main()["exact match"] >= example.GOALS["exact match"][1]
