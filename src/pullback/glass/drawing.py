"""A drawing: one picture of a computation in several forms."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core.errors import GradientError
from .carried import Receipts
from .diagram import Diagram
from .dot import to_dot
from .local import LocalReceipt
from .local_accounts import Accounts
from .local_writing import carried_locals, local_receipt
from .mermaid import to_mermaid
from .payload import payload
from .receipt import Receipt
from .recorded import Record
from .uninterrupted import uninterrupted

__all__ = ["Drawing"]


class Drawing:
    """A picture of a computation, made by `pullback.graph`.

    It opens with a few dozen boxes at most; modules, repetitions and long chains are folded. In a notebook it
    shows itself.
    """

    def __init__(
        self, diagram: Diagram, direction: str, lang: str, record: Record | None = None, explained: bool = False
    ) -> None:
        self.diagram = diagram
        self.direction = direction
        self.lang = lang
        self._record = record
        """The graph in nodes of its own, with its gradients; None where there are none."""
        self._explained = explained and record is not None
        """Whether the gradients are those of one number, so that full receipts can be written."""
        self._written: Receipts | None = None

    def mermaid(self) -> str:
        """Return a Mermaid flowchart."""
        return to_mermaid(self.diagram, self.diagram.opened, self.direction, self.lang)

    def dot(self) -> str:
        """Return a digraph in the language of Graphviz."""
        return to_dot(self.diagram, self.diagram.opened, self.direction, self.lang)

    def svg(self) -> str:
        """Return an SVG picture, readable on light and on dark ground.

        Raises ModuleNotFoundError without the extra "graph", which brings what the layout library runs in.
        """
        from .layout import to_svg

        return to_svg(payload(self.diagram, self.direction, self.lang, explorable=False))

    def html(self, path: str | Path | None = None) -> str:
        """Return one HTML page that needs no network: step, fold, look into every number. Writes it to `path` too."""
        page = self.to_html()
        if path is not None:
            Path(path).write_text(page, encoding="utf8")
        return page

    def to_html(self, serve_url: str | None = None) -> str:
        """Return the page; with `serve_url` one in which leaves can be edited, asking that address what follows.

        The page posts `{"name": …, "index": [i, …], "value": v}` to that address and draws what comes back: the
        `to_dict(receipts=False)` of the drawing computed anew, or `{"error": …}` with another status. For a receipt it
        posts `{"box": n, "part": p, "index": [i, …] or null}` to "receipt" beside it, and shows `{"symbol": …,
        "text": …}`.
        """
        from .html import to_page

        with uninterrupted():
            return to_page(self.to_dict(receipts=serve_url is None), serve_url)

    def to_dict(self, *, receipts: bool = True) -> dict[str, Any]:
        """Return everything the page shows as plain JSON data; without `receipts`, none that it carries along."""
        with uninterrupted():
            data = payload(self.diagram, self.direction, self.lang)
            data["explained"] = self._explained
            if self._record is not None:
                data["local"] = carried_locals(Accounts(self.diagram, self._record, self.lang))
        if receipts and self._explained:
            data["receipts"] = self._receipts().carried()
        return data

    def local(self, box: int, *, part: int = 0) -> LocalReceipt:
        """Return the local receipt of a box, by its number in `to_dict()["boxes"]`: what a click in the page shows.

        It is the account from the mappings that read the value; of an array that of the element of the largest
        gradient. `part` chooses among several results. Raises KeyError for a box, or a result of it, that there is
        not, and GradientError for a drawing without gradients.
        """
        if self._record is None:
            raise GradientError("local: this drawing has no gradients, so there is nothing to explain")
        if not 0 <= box < len(self.diagram.boxes) or not 0 <= part < self.diagram.boxes[box].parts:
            raise KeyError(box)
        accounts = Accounts(self.diagram, self._record, self.lang)
        return local_receipt(accounts, accounts.of(box, part))

    def receipt(self, box: int, index: tuple[int, ...] | None = None, *, part: int = 0) -> Receipt:
        """Return the receipt of the gradient that a box shows, by its number in `to_dict()["boxes"]`.

        `index` chooses an element, without it that of the largest gradient is taken; `part` chooses among several
        results. Raises KeyError for a box that there is not, IndexError for an element, GradientError for what gets
        no gradient, and for a drawing without gradients or one whose way back started from a gradient that was given.
        """
        if not self._explained:
            raise GradientError("receipt: this drawing has no gradients of one number, so there is nothing to explain")
        return self._receipts().of(box, part, index)

    def _receipts(self) -> Receipts:
        if self._written is None:
            assert self._record is not None
            self._written = Receipts(self.diagram, self._record.history, self.lang)
        return self._written

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    def __repr__(self) -> str:
        count = sum(box.kind == "mapping" for box in self.diagram.boxes)
        return f"<drawing of {self.diagram.title}: {count} mapping{'s' * (count != 1)}>"

    def _repr_svg_(self) -> str | None:
        # For where a notebook is shown without its scripts.
        return self.svg() if find_spec("quickjs") else None

    def _repr_html_(self) -> str:
        from .html import to_frame

        return to_frame(self.to_dict())
