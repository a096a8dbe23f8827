"""Where a graph was cut is noted while values are kept, and only then; what is noted does not outlive the arrays."""

import gc
import weakref

import numpy as np
import pytest

import pullback as pb
from pullback.transforms import provenance
from pullback.transforms.provenance import cut_of, exits


def payload(x):
    return x._payload


@pytest.fixture
def w():
    return pb.tensor(np.array([1.0, 2.0]), requires_grad=True)


def test_outside_of_keep_values_nothing_is_noted(w):
    h = (w * 2).detach()
    with pb.no_grad():
        k = w * 3
    n = w > 1
    before = exits()
    w.numpy()
    assert [cut_of(payload(x)) for x in (h, k, n)] == [None] * 3 and exits() == before


def in_no_grad(w):
    with pb.no_grad():
        return pb.exp(w)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda w: (w * 2).detach(), "detached"),
        (lambda w: pb.stop_gradient(w), "detached"),
        (lambda w: w.data, "detached"),
        (in_no_grad, "no_grad"),
        (lambda w: w > 1, "integer"),
        (lambda w: w.astype(np.int64), "integer"),
        (lambda w: pb.argmax(w), "integer"),
        (lambda w: (w * 2).detach() + 1, "detached"),
        (lambda w: pb.sum((w > 1) * 1.0), "integer"),
    ],
)
def test_a_cut_knows_its_kind_its_line_and_what_lies_beyond(w, make, kind):
    with pb.keep_values():
        y = make(w)
    cut = cut_of(payload(y))
    assert cut.kind == kind and cut.origin[0] == __file__
    beyond = [cut]
    while not any(link is w._link or getattr(link, "links", (None,))[0] is w._link for link in beyond[-1].links):
        beyond.append(beyond[-1].cuts[0])


def test_the_graph_itself_is_not_noted_and_works_as_before(w):
    with pb.keep_values():
        loss = pb.sum(w * w)
        assert cut_of(payload(loss)) is None and loss.requires_grad
        with pb.no_grad():
            assert not (w * 2).requires_grad
        assert (w * 2).requires_grad
    loss.backward()
    assert w.grad.tolist() == [2.0, 4.0]


def test_what_is_noted_goes_with_the_array(w):
    with pb.keep_values():
        made = [(w * 2).detach(), pb.sum(w).detach(), pb.stop_gradient(w * 3), pb.sum(w > 1)]
    keys = [id(payload(x)) for x in made]
    held = [weakref.ref(payload(x)) for x in made]
    assert all(key in provenance._cuts for key in keys)
    made.clear()
    gc.collect()
    assert [array() for array in held] == [None] * 4 and not any(key in provenance._cuts for key in keys)


def test_numbers_that_leave_are_noted_with_their_line(w):
    with pb.keep_values():
        (w * 2).numpy()
        float(pb.sum(w))
    assert [cut.words for cut in exits()] == ["numpy()", "item()"]
    assert all(cut.origin[0] == __file__ for cut in exits())
    with pb.keep_values():
        assert exits() == ()  # another computation


def test_an_exception_ends_the_watch(w):
    with pytest.raises(ZeroDivisionError), pb.keep_values():
        1 / 0
    assert provenance.watching.count == 0
    assert cut_of(payload(w.detach())) is None


def test_transforms_inside_keep_values_see_the_same_cuts(w):
    with pb.keep_values():
        value = pb.grad(lambda v: pb.sum(pb.stop_gradient(v * 2) * v))(w)
    assert value.tolist() == [2.0, 4.0]
