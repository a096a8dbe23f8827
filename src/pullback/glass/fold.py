"""Folding: which boxes can be drawn as one, so that a drawing of any size opens with a few dozen boxes.

Groups are intervals of the order of computation, so a drawing in which any of them are closed has no cycle.
Leaves and constants stand in the innermost group that holds everything that reads them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .diagram import Box, Group

__all__ = ["MOST_BOXES", "fold", "open_at_first"]

MOST_BOXES = 60
"""So many boxes are visible at first, at most."""
FEWEST_BOXES = 5
"""Repetitions and chunks are opened while fewer boxes than this are visible."""
CROWD = 24
"""So many items a group has, at most; more are put into chunks."""
FEWEST_ROUNDS = 3
BESIDE_CHUNKS = 6
"""So many leaves and constants stand beside chunks, each of which reads most of them, at most; more are one box."""

Title = Callable[..., str]


def fold(boxes: Sequence[Box], title: Title) -> Group:
    """Put the boxes into groups: by module, by repetition, then by chunks.

    `title(kind, **facts)` gives the groups that have no name of their own one.
    """
    mint = _Mint()
    root = mint("root", "")
    _by_module([box for box in boxes if box.kind == "mapping"], root, mint)
    for group, _ in list(root.walk())[::-1]:  # inner groups first: what is inside takes part in what repeats
        _by_repetition(group, boxes, mint, title)
    for group, _ in list(root.walk())[::-1]:
        _by_chunks(group, boxes, mint, title)
    _place_sources(boxes, root, mint, title)
    return root


class _Mint:
    """Makes groups, and knows what each item looks like from outside: its shape as a number."""

    def __init__(self) -> None:
        self.count = 0
        self.looks: dict[Any, int] = {}

    def __call__(self, kind: str, title: str, items: Iterable[Group | int] = (), **facts: Any) -> Group:
        self.count += 1
        return Group(self.count - 1, kind, title, list(items), **facts)

    def look(self, item: Group | int, boxes: Sequence[Box]) -> int:
        if isinstance(item, Group):
            key: Any = (item.kind, item.title.split(":")[-1], item.times, *(self.look(x, boxes) for x in item.items))
        else:
            box = boxes[item]
            key = (id(box.mapping), box.spec, len(box.inputs))
        return self.looks.setdefault(key, len(self.looks))


# ------------------------------------------------------------------------------------------- by module


def _by_module(mappings: Sequence[Box], root: Group, mint: _Mint) -> None:
    """Open a group when the computation enters a module, and close it when it leaves."""
    paths = _paths(mappings)
    chain: list[tuple[Any, Group]] = []
    for box in mappings:
        depth = 0
        while depth < min(len(chain), len(box.scope)) and chain[depth][0] is box.scope[depth]:
            depth += 1
        del chain[depth:]
        for module in box.scope[depth:]:
            path = paths.get(id(module), "")
            name = type(module).__name__
            group = mint("module", f"{path.split('.')[-1]}: {name}" if path else name, path=path)
            (chain[-1][1] if chain else root).items.append(group)
            chain.append((module, group))
        (chain[-1][1] if chain else root).items.append(box.number)


def _paths(mappings: Sequence[Box]) -> dict[int, str]:
    outermost = {id(box.scope[0]): box.scope[0] for box in mappings if box.scope}
    return {id(inner): path for module in outermost.values() for path, inner in module.named_modules()}


# --------------------------------------------------------------------------------------- by repetition


def _by_repetition(group: Group, boxes: Sequence[Box], mint: _Mint, title: Title) -> None:
    """Replace the same items again and again by one group ×n, and look for more of the same inside each round."""
    waiting = [group]
    while waiting:
        whole = waiting.pop()
        looks = [mint.look(item, boxes) for item in whole.items]
        new: list[Group | int] = []
        at = 0
        following = _occurrences(looks)
        while at < len(looks):
            period, times = _longest_run(looks, at, following)
            if times < FEWEST_ROUNDS:
                new.append(whole.items[at])
                at += 1
                continue
            items = whole.items[at : at + period * times]
            if period > 1:
                rounds = [items[i : i + period] for i in range(0, len(items), period)]
                made = [
                    mint("round", title("round", number=i, times=times), round)
                    for i, round in enumerate(rounds, 1)
                ]
                waiting.extend(made)
                items = list(made)
            new.append(mint("repetition", title("repetition", times=times), items, times=times))
            at += period * times
        whole.items[:] = new


def _occurrences(looks: Sequence[int]) -> list[list[int]]:
    """For each position, the next few positions that look the same."""
    last: dict[int, list[int]] = {}
    found: list[list[int]] = [[] for _ in looks]
    for i in range(len(looks) - 1, -1, -1):
        ahead = last.get(looks[i], [])
        found[i] = ahead
        last[looks[i]] = [i, *ahead[:11]]
    return found


def _longest_run(looks: Sequence[int], at: int, following: list[list[int]]) -> tuple[int, int]:
    """Return period and number of rounds of the repetition from `at` that covers most (the shortest period of it)."""
    best = (1, 1)
    for other in following[at]:
        period = other - at
        times = 1
        first = looks[at : at + period]
        while looks[at + times * period : at + (times + 1) * period] == first:
            times += 1
        if times >= FEWEST_ROUNDS and times * period > best[0] * best[1]:
            best = (period, times)
    return best


# ------------------------------------------------------------------------------------------- by chunks


def _mappings(item: Group | int) -> int:
    """How many mappings an item holds (before leaves and constants have their places)."""
    if isinstance(item, int):
        return 1
    return sum(isinstance(inner, int) for group, _ in item.walk() for inner in group.items)


def _by_chunks(group: Group, boxes: Sequence[Box], mint: _Mint, title: Title) -> None:
    """Cut a crowd of items into chunks of equal length, and those again, until no group has too many."""
    items: list[Group | int] = list(group.items)
    spans: list[tuple[int, int]] = []
    for item in items:
        first = spans[-1][1] + 1 if spans else 1
        spans.append((first, first + _mappings(item) - 1))
    while len(items) > CROWD:
        length = -(-len(items) // -(-len(items) // CROWD))
        chunks: list[Group | int] = []
        merged: list[tuple[int, int]] = []
        for i in range(0, len(items), length):
            span = spans[i][0], spans[min(i + length, len(items)) - 1][1]
            chunks.append(mint("chunk", title("chunk", first=span[0], last=span[1]), items[i : i + length]))
            merged.append(span)
        items, spans = chunks, merged
    group.items[:] = items


# ---------------------------------------------------------------------------------- leaves and constants


def _place_sources(boxes: Sequence[Box], root: Group, mint: _Mint, title: Title) -> None:
    """Put each leaf and constant into the innermost group that holds all that reads it.

    What the program names but no module owns stands outside of modules: it is what they were given.
    """
    parent: dict[int, Group | None] = {}
    home: dict[int, Group] = {}
    for group, outer in root.walk():
        parent[group.number] = outer
        for item in group.items:
            if isinstance(item, int):
                home[item] = group

    def chain(group: Group) -> list[Group]:
        found = [group]
        while (outer := parent[found[-1].number]) is not None:
            found.append(outer)
        return found[::-1]

    places: dict[int, list[Group]] = {}
    for box in boxes:
        for x in box.inputs:
            if x.source is not None and boxes[x.source].kind != "mapping":
                here = chain(home[box.number])
                have = places.get(x.source)
                if have is not None:
                    here = [a for a, b in zip(have, here, strict=False) if a is b]
                places[x.source] = here
    held: dict[int, list[int]] = {}
    groups = {group.number: group for group, _ in root.walk()}
    for number in sorted(places):
        here = places[number]
        if not boxes[number].parameter and boxes[number].named:
            here = here[: next((i for i, group in enumerate(here) if group.kind == "module"), len(here))]
        held.setdefault(here[-1].number, []).append(number)
    lonely = [box.number for box in boxes if box.kind != "mapping" and box.number not in places]
    held.setdefault(root.number, []).extend(lonely)
    for number, sources in held.items():
        group = groups[number]
        chunked = any(isinstance(item, Group) and item.kind == "chunk" for item in group.items)
        crowded = len(sources) > (BESIDE_CHUNKS if chunked else CROWD)
        group.items[:0] = _crowd(sources, mint, title) if crowded else sources


def _crowd(sources: list[int], mint: _Mint, title: Title) -> list[Group | int]:
    items: list[Group | int] = list(sources)
    inside = [1] * len(items)
    while len(items) > 4:
        length = min(CROWD, len(items))
        items = [
            mint("inputs", title("inputs", count=sum(inside[i : i + length])), items[i : i + length])
            for i in range(0, len(items), length)
        ]
        inside = [sum(inside[i : i + length]) for i in range(0, len(inside), length)]
    return items


# ---------------------------------------------------------------------------------------- open at first


def open_at_first(root: Group, depth: int | None = None, most: int = MOST_BOXES) -> frozenset[int]:
    """Return the numbers of the groups that are open at first: outer ones before inner ones, while all fits.

    Repetitions and chunks stay closed unless the whole is small, or hardly anything else is visible; then what
    is in them stays closed. `depth` closes modules nested deeper than that.
    """
    groups = list(root.walk())
    level: dict[int, int] = {}
    total = sum(1 for group, _ in groups for item in group.items if isinstance(item, int))
    all_fits = total <= most // 2
    opened = {root.number}
    visible = len(root.items)
    waiting = deque([root])
    while waiting:
        group = waiting.popleft()
        for item in group.items:
            if isinstance(item, int):
                continue
            level[item.number] = level.get(group.number, 0) + (item.kind == "module")
            if depth is not None and level[item.number] > depth:
                continue
            if item.kind != "module" and not all_fits and visible >= FEWEST_BOXES:
                continue
            if visible - 1 + len(item.items) > most:
                continue
            visible += len(item.items) - 1
            opened.add(item.number)
            if item.kind == "module" or all_fits:
                waiting.append(item)
    return frozenset(opened)
