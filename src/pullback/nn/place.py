"""Where in a model an error happened: the path of the layer, as `named_modules` spells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.scope import present_scope

if TYPE_CHECKING:
    from .module import Module

__all__ = ["note_layer"]


def note_layer(error: Exception, module: Module) -> None:
    """Note on `error`, which passes through `module`, the layer that it comes from.

    The innermost module is remembered on the way out; the outermost one knows its path.
    """
    culprit = vars(error).setdefault("_layer", module)
    if len(present_scope()) > 1 or culprit is module:
        return
    path = next((path for path, inside in module.named_modules() if inside is culprit), None)
    if path is not None:
        error.add_note(f"in the layer {path!r}, a {type(culprit).__name__} of {type(module).__name__}")
