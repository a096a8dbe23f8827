"""What is stored and what is computed again where it is used: the cheaper of the two, by the costs that are stated.

An array between two kernels is written once and read by each that uses it. Instead each of them may compute it for
itself, from what it reads anyway, or from arrays that are smaller or there in any case. The program is first grouped as
if all were stored. For each array between groups both ways are reckoned up: bytes moved against operations repeated
and bytes of what they are made of. What seems cheaper is computed again, the program is grouped anew, and that stands
if everything together (bytes moved, operations, memory at its fullest) costs less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .access import Access, Array
from .costs import KEPT, cost_of, moved
from .fuse import grouped
from .group import Group
from .memory import lifetimes, needed
from .program import Fold, Point, Program

__all__ = ["cost", "economical"]

ROUNDS = 3
"""How often a program is grouped anew at the most."""

SMALL = 1 << 14
"""Arrays of fewer bytes stay in the first cache: nothing is to be gained."""

LONGEST = 8
"""How many operations one after the other are computed again at the most."""

NEAR = 8
"""Groups through the same space, so few apart, become one where they read the same."""


def economical(program: Program) -> list[Group]:
    """Return the program as groups, in which what is cheaper to compute again than to store is computed again."""
    again: frozenset[Array] = frozenset()
    traffic = _Traffic(program, grouped(program, again))
    spent = traffic.cost()
    for _ in range(ROUNDS):
        more = again | _cheaper(traffic, again)
        if more == again:
            break
        other = _Traffic(program, grouped(program, more))
        spent_so = other.cost()
        if spent_so >= spent:
            break
        again, traffic, spent = more, other, spent_so
    return list(traffic.groups)


def cost(program: Program, groups: Sequence[Group]) -> float:
    """Return what groups cost together: bytes moved, operations, and memory where it is fullest."""
    return _Traffic(program, groups).cost()


def _in_memory(group: Group, stored: set[Array]) -> Iterator[Access]:
    """Go through the accesses of a group to what is in memory, those from the same place but once: the largest.

    What it has written itself, it has at hand.
    """
    written, read = group.touched()
    own = [a for a in written if a.role != "temporary" or a in stored]
    others = [a for a in read if a not in written and (a.role != "temporary" or a in stored)]
    for array in (*own, *others):
        largest: dict[int, Access] = {}
        for x in written.get(array) or read[array]:
            if x.offset not in largest or moved(x) > moved(largest[x.offset]):
                largest[x.offset] = x
        yield from largest.values()


def _fullest(groups: Sequence[Group], stored: set[Array]) -> int:
    change = [0] * (len(groups) + 1)
    for array, (first, last) in lifetimes(groups).items():
        if array in stored:
            change[first] += array.nbytes
            change[last + 1] -= array.nbytes
    most = now = 0
    for step in change:
        now += step
        most = max(most, now)
    return most


@dataclass
class _Traffic:
    """Who writes and who reads each temporary array."""

    program: Program
    groups: Sequence[Group]
    written: dict[Array, set[int]] = field(default_factory=dict)
    read: dict[Array, set[int]] = field(default_factory=dict)
    stored: set[Array] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stored = needed(self.program.results(), self.groups)
        for at, group in enumerate(self.groups):
            for known, touched in zip((self.written, self.read), group.touched(), strict=True):
                for array in touched:
                    known.setdefault(array, set()).add(at)

    def cost(self) -> float:
        """Return what the groups cost together."""
        total = 0.0
        for group in self.groups:
            total += sum(map(moved, _in_memory(group, self.stored)))
            total += sum(cost_of(i) for i in group.instructions if isinstance(i, Point | Fold))
        return total + KEPT * _fullest(self.groups, self.stored)


def _cheaper(traffic: _Traffic, again: frozenset[Array]) -> set[Array]:
    """Return arrays between groups that seem cheaper to compute again, with what is computed on the way to them."""
    makers = {i.out.array: i for i in traffic.program.instructions if isinstance(i, Point)}
    readers = traffic.program.readers()
    found: set[Array] = set()
    for array in traffic.stored:
        users = traffic.read.get(array, set()) - traffic.written.get(array, set())
        point = makers.get(array)
        if point is None or array in again or not users or not _may_wait(point):
            continue
        if not all(isinstance(i, Point | Fold) for i in readers[array]):
            continue
        chain, roots = _made_of(point, makers, traffic.stored)
        if len(chain) <= LONGEST and _pays(array, chain, roots, users, traffic):
            found.update(x.out.array for x in chain)
    return found


def _may_wait(point: Point) -> bool:
    array = point.out.array
    whole = array.role == "temporary" and not array.pieces and not array.layered and point.out == array.whole()
    return whole and array.nbytes >= SMALL


def _made_of(point: Point, makers: dict[Array, Point], stored: set[Array]) -> tuple[list[Point], list[Access]]:
    """Return the operations by which an array is made of arrays in memory (or of sums and products), and those."""
    chain, roots = [point], []
    for at in _growing(chain):
        for x in at.reads:
            maker = makers.get(x.array)
            if x.array in stored or maker is None or not _may_wait(maker):
                roots.append(x)
            elif maker not in chain:
                chain.append(maker)
    return chain, roots


def _growing(chain: list[Point]) -> Iterator[Point]:
    at = 0
    while at < len(chain) and at <= LONGEST:
        yield chain[at]
        at += 1


def _pays(array: Array, chain: list[Point], roots: list[Access], users: set[int], traffic: _Traffic) -> bool:
    groups = traffic.groups
    storing = array.nbytes * (1 + len(users))
    repeating = len(users) * sum(map(cost_of, chain))
    for user in users:
        near = range(max(0, user - NEAR), min(len(groups), user + NEAR + 1))
        alike = {at for at in near if at == user or _alike(groups[at], groups[user])}
        repeating += sum(moved(x) for x in roots if not traffic.read.get(x.array, set()) & alike)
    repeating += sum(moved(x) for x in roots if x.array.role == "temporary" and x.array not in traffic.stored)
    return repeating < storing


def _alike(one: Group, other: Group) -> bool:
    """Whether two groups go through the same space in the same way."""
    if one.kind != "nest" or other.kind != "nest" or one.folded != other.folded:
        return False
    return one.shape == other.shape if one.folded else math.prod(one.shape) == math.prod(other.shape)
