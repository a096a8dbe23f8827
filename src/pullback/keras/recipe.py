"""Recorded: an object that remembers the arguments it was made with, from which it can be made again."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["Recipe", "Recorded"]


class Recipe:
    """The arguments that an object was made with."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs


class Recorded:
    """Base of what a saved model describes by its class and its arguments: ``recipe`` has them."""

    recipe: Recipe

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        vars(made)["recipe"] = Recipe(args, kwargs)
        return made
