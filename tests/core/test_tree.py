"""Nested containers come apart and together again."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.core import tree

Point = collections.namedtuple("Point", "x y")
leaf = st.integers() | st.floats(allow_nan=False) | st.text(max_size=2)
containers = st.recursive(
    leaf | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


@given(containers)
def test_unflatten_undoes_flatten(value):
    leaves, structure = tree.flatten(value)
    again = tree.unflatten(structure, leaves)
    assert again == value and type(again) is type(value)
    assert structure.leaf_count == len(leaves) and None not in leaves
    assert tree.map(lambda x: x, value) == value


def test_order_is_insertion_order():
    assert tree.leaves({"b": 1, "a": [2, (3, None)]}) == [1, 2, 3]


def test_depth_is_limited_by_memory_alone():
    deep = 1
    for _ in range(50_000):
        deep = [deep]
    leaves, structure = tree.flatten(deep)
    assert leaves == [1]
    assert tree.leaves(tree.unflatten(structure, [2])) == [2]


def test_structures_that_differ_are_refused():
    with pytest.raises(ValueError, match="differ in structure"):
        tree.map(lambda a, b: a, [1, 2], [1])
    with pytest.raises(ValueError, match="expected 2 leaves, got 1"):
        tree.unflatten(tree.flatten([1, 2])[1], [1])
