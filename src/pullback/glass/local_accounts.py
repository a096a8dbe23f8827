"""The numbers of local receipts: of one box when it is asked for, or of all boxes of a drawing in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.interpret import EVALUATE, interpreting
from .diagram import Box, Diagram
from .edges import Spot, Surroundings
from .history import Place, owner, part_of
from .missing import why_constant
from .names import element_symbol
from .rates import MOST_WORK, Rate, measure
from .receipt import Reason
from .recorded import Record
from .scene import RELATIVE
from .undefined import why_undefined
from .zero import cancelled, why_zero

__all__ = ["Account", "Accounts"]

MOST_SEARCHED = 2000
"""So many boxes of a drawing get a search for why their gradient is zero; it takes a tenth of a millisecond each."""
MOST_USES = 40
"""So many uses of a value are told apart; of the others there is the sum."""
Element = tuple[int, ...]


class Account:
    """The gradient of one element of a box, and what the mappings that read it send back."""

    __slots__ = (
        "agrees", "before_hook", "box", "downstream", "exact", "gradient", "index", "omitted", "omitted_total", "part",
        "rates", "reason", "shape", "shown", "total", "value",
    )  # fmt: skip

    def __init__(self, box: Box, part: int, index: Element, value: Any) -> None:
        self.box, self.part, self.index = box, part, index
        self.shape, self.value = np.shape(value), None if value is None else value[index]
        self.gradient: Any = None
        self.before_hook: Any = None
        self.total: Any = None
        self.exact = self.agrees = False
        self.rates: list[Rate] = []
        """In the order of the way back."""
        self.shown: list[Rate] = []
        self.omitted, self.omitted_total = 0, 0.0
        self.reason: Reason | None = None
        self.downstream: int | None = None


class Accounts:
    """Writes the accounts of a drawing's boxes from the graph that it was made from."""

    def __init__(self, diagram: Diagram, record: Record, lang: str) -> None:
        assert record.gradients is not None
        self.diagram, self.record, self.lang = diagram, record, lang
        self.around = Surroundings(record.history, record.gradients)
        root = record.history.root
        self.root: Place = owner(root).serial, part_of(root)
        self.searched = 0

    def all(self) -> list[Account]:
        """Return the accounts of all boxes and of each of their outputs."""
        return self._measured([(box, part) for box in self.diagram.boxes for part in range(box.parts)], MOST_WORK)

    def of(self, number: int, part: int) -> Account:
        """Return that of one box; where the reason lies further on, the way there is followed."""
        found = self._measured([(self.diagram.boxes[number], part)], float("inf"))[0]
        if found.downstream is None:
            return found
        last: int = found.downstream
        onwards: int | None = last
        while onwards is not None:
            last, onwards = onwards, self._onwards(self._account(self.diagram.boxes[onwards], 0))
        found.downstream = last
        found.reason = self._measured([(self.diagram.boxes[last], 0)], MOST_WORK)[0].reason
        return found

    # ------------------------------------------------------------------------------------------ the sums

    def _measured(self, wanted: Sequence[tuple[Box, int]], most_work: float) -> list[Account]:
        with np.errstate(all="ignore"), interpreting(EVALUATE):
            accounts = [self._account(box, part) for box, part in wanted]
            measure(self.around, [rate for account in accounts for rate in account.rates], most_work)
            known: dict[int, Account] = {}
            for account in reversed(accounts):  # what reads a value comes before it, so that reasons can be handed on
                self._cut(account)
                self._explain(account, known)
                known.setdefault(account.box.number, account)
        return accounts

    def _account(self, box: Box, part: int) -> Account:
        value = box.value[part] if box.value.__class__ is tuple else box.value
        if box.serial is None or box.kind == "constant" or value is None or value.dtype.kind != "f" or not value.size:
            return Account(box, part, (), None)
        place = box.serial, part
        cotangents = self.around.cotangents
        g, arrived = cotangents.of(place), cotangents.before_hooks(place)
        account = Account(box, part, _largest(value, g), value)
        index = account.index
        account.gradient = value.dtype.type(0) if g is None else np.asarray(g)[index]
        before = value.dtype.type(0) if arrived is None else np.asarray(arrived)[index]
        if g is not arrived and not _same(account.gradient, before):
            account.before_hook = before
        total: Any = None
        for rate in self._rates(place, index):
            account.rates.append(rate)
            if rate.product is None:
                rate.product = value.dtype.type(0)
            else:
                total = space.add(total, rate.product)
        if place == self.root:
            account.total = account.gradient
            account.exact = account.agrees = True
            return account
        account.total = value.dtype.type(0) if total is None else total
        account.exact = _same(account.total, before)
        relative = RELATIVE[value.dtype.itemsize < 8]
        account.agrees = account.exact or bool(abs(account.total - before) <= relative * abs(before))
        return account

    def _rates(self, place: Place, index: Element) -> list[Rate]:
        """Return the uses of an element in the order in which the engine meets them on the way back."""
        readers = self.record.history.readers.get(place[0], ())
        last = -1
        group: list[Rate] = []
        groups: list[list[Rate]] = []
        for node, position in readers:
            number = self.record.places.get(node.serial)
            if number is None or part_of(node.links[position]) != place[1]:
                continue
            sent = self.diagram.boxes[number].inputs[position].product
            rate = Rate(node, position, index, None if sent is None else sent[index])
            if node.serial != last:
                group = []
                groups.append(group)
                last = node.serial
            group.append(rate)
        return [rate for group in reversed(groups) for rate in group]

    def _cut(self, account: Account) -> None:
        account.shown = account.rates
        if len(account.rates) <= MOST_USES:
            return
        sizes = np.abs(np.nan_to_num([float(rate.product) for rate in account.rates], nan=np.inf))
        kept = set(np.argsort(-sizes, kind="stable")[:MOST_USES].tolist())  # asked for membership only
        account.shown = [rate for i, rate in enumerate(account.rates) if i in kept]
        account.omitted = len(account.rates) - MOST_USES
        account.omitted_total = float(sum(float(r.product) for i, r in enumerate(account.rates) if i not in kept))

    # --------------------------------------------------------------------------------------- the reasons

    def _explain(self, account: Account, known: dict[int, Account]) -> None:
        box = account.box
        if account.gradient is None:
            if box.serial is None:
                account.reason = why_constant(box.value, box.spec.dtype, box.symbol, self.lang)
            return
        place = box.serial or 0, account.part
        g = account.gradient
        if place == self.root or (g != 0 and np.isfinite(g) and not self._cancels(account)):
            return
        if g != 0 and np.isfinite(g):
            account.reason = cancelled(self._symbol(account), self.lang)
            return
        onwards = self._onwards(account)
        if onwards is not None:
            account.downstream = onwards
            if onwards in known:
                account.reason = known[onwards].reason
                account.downstream = onwards if known[onwards].downstream is None else known[onwards].downstream
            return
        self.searched += 1
        if self.searched > MOST_SEARCHED:
            return
        spot = Spot(place, account.index)
        if g == 0:
            root = Spot(self.root, ())
            account.reason = why_zero(self.around, spot, root, self._symbol(account), self.lang, far=False)
        else:
            account.reason = why_undefined(self.around, spot, self.record.names, self.lang)

    def _onwards(self, account: Account) -> int | None:
        """Return the box further on whose gradient is as this one is, where all that arrives from there explains it."""
        if account.before_hook is not None or not account.rates:
            return None
        zero = account.gradient == 0
        first = None
        for rate in account.rates:
            number = self.record.places[rate.node.serial]
            g = self.diagram.boxes[number].gradient
            gs = g if g.__class__ is tuple else (g,)
            if zero and any(part is not None and np.any(part) for part in gs):
                return None
            if not zero and any(part is not None and not np.all(np.isfinite(part)) for part in gs):
                return number
            first = number if first is None else first
        return first if zero else None

    def _cancels(self, account: Account) -> bool:
        magnitude = sum(abs(float(rate.product)) for rate in account.rates)
        eps = float(np.finfo(account.gradient.dtype).eps)
        return len(account.rates) > 1 and abs(float(account.gradient)) <= 4 * eps * magnitude

    def _symbol(self, account: Account) -> str:
        name = self.record.names.of((account.box.serial or 0, account.part))
        return element_symbol(name, account.shape, account.index)


def _largest(value: Any, g: Any) -> Element:
    """Return the element of the largest gradient; NaN is larger than any number."""
    if not value.ndim:
        return ()
    if g is None:
        return (0,) * value.ndim
    sizes = np.abs(g)
    k = int(np.argmax(np.nan_to_num(sizes, nan=np.inf) if np.isnan(sizes).any() else sizes))
    return tuple(map(int, np.unravel_index(k, value.shape)))


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (np.isnan(a) and np.isnan(b)))
