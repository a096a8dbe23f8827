"""What does not fit says so, with the layer's path, and leaves everything as it was: the next step is the same."""

import re

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import ShapeError

rng = np.random.default_rng(51)
CODES, LENGTHS, LABELS = rng.integers(0, 9, (5, 4)), np.array([5, 2, 3, 1]), np.array([0, 2, 1, 1])
LOG_P = np.log(rng.dirichlet(np.ones(4), (6, 2)))


class Reader(nn.Module):
    """Codes (T, N) → logits (N, 3): every kind of state there is, parameters, statistics and chance."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        self.body = nn.ModuleDict({"memory": nn.LSTM(6, 6), "norm": nn.BatchNorm1d(6), "drop": nn.Dropout(0.2)})
        self.out = nn.Linear(6, 3)

    def forward(self, codes, lengths=None):
        _, (h, _) = self.body["memory"](self.embed(codes), None, lengths)
        return self.out(self.body["drop"](self.body["norm"](h[0])))


class Training:
    def __init__(self):
        pb.random.manual_seed(0)
        self.model = Reader().double()
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.loss = nn.CrossEntropyLoss(np.array([1.0, 2.0, 0.5]))

    def step(self, codes=CODES, lengths=LENGTHS, labels=LABELS, loss=None, hidden=None, poison=False):
        self.optimizer.zero_grad()
        value = (loss or self.loss)(self.model(codes, lengths), labels)
        value.backward()
        if poison:
            self.model.out.weight.grad = np.full((3, 6), np.nan)
        nn.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return value.item()

    def state(self):
        """Everything that a training keeps, the gradients aside."""
        slots = self.optimizer.state_dict()["state"]
        return {
            **{path: np.asarray(x).copy() for path, x in self.model.state_dict().items()},
            **{f"{i}.{name}": np.asarray(x).copy() for i, of in slots.items() for name, x in of.items()},
        }


BAD = {
    "embedding index": (
        {"codes": np.where(np.arange(5)[:, None] == 2, 9, CODES)},
        IndexError,
        r"index 9 at .*out of range: with num_embeddings = 9.*in the layer 'embed', an? Embedding of Reader",
    ),
    "sequence length": (
        {"lengths": np.array([5, 6, 3, 1])},
        ShapeError,
        r"LSTM\(6, 6\): expected lengths between 1 and 5.*got 6 for sequence 1.*in the layer 'body.memory'",
    ),
    "number of lengths": (
        {"lengths": np.array([5, 2])},
        ShapeError,
        r"expected lengths of shape \(4,\), one per sequence, got \(2,\).*in the layer 'body.memory'",
    ),
    "batch of one": (
        {"codes": CODES[:, :1], "lengths": LENGTHS[:1], "labels": LABELS[:1]},
        ShapeError,
        r"more than 1 value per channel in training, got x of shape \(1, 6\).*in the layer 'body.norm', a BatchNorm1d",
    ),
    "class weights": (
        {"loss": nn.CrossEntropyLoss(np.ones(4))},
        ShapeError,
        r"expected weight of shape \(3,\), one factor per class, got \(4,\)",
    ),
    "labels": (
        {"labels": LABELS[:3]},
        ShapeError,
        r"cross_entropy: expected labels of shape \(4,\) for 3 classes, got \(3,\)",
    ),
    "NaN gradients": (
        {"poison": True},
        ValueError,
        r"the total norm of the gradients is nan, so they cannot be clipped.*Nothing was changed",
    ),
}


def said(error):
    """The message and what was noted on the way out."""
    return " ".join([str(error.value), *getattr(error.value, "__notes__", ())])


@pytest.mark.parametrize("name", BAD)
def test_a_step_that_fails_changes_nothing_that_is_trained(name):
    settings, kind, text = BAD[name]
    training = Training()
    training.step()
    before, counter = training.state(), pb.random.get_state()
    with pytest.raises(kind) as error:
        training.step(**settings)
    assert re.search(text, said(error), re.S), said(error)
    after = training.state()
    # What ran before the error counts: a forward pass that succeeds moves running statistics and draws chance.
    forward_ran = name in ("class weights", "labels", "NaN gradients")
    for path, x in before.items():
        if not (forward_ran and path.startswith("body.norm.") and path.split(".")[-1] not in ("weight", "bias")):
            np.testing.assert_array_equal(after[path], x, err_msg=path)
    assert forward_ran or pb.random.get_state() == counter


@pytest.mark.parametrize("name", [name for name in BAD if name not in ("class weights", "NaN gradients")])
def test_a_traced_step_that_fails_changes_nothing_at_all(name):
    """Not even what a forward pass moves: a traced step writes when all of it has succeeded."""
    settings, kind, _ = BAD[name]
    training = Training()

    @pb.trace
    def step(codes, lengths, labels):
        training.optimizer.zero_grad()
        loss = training.loss(training.model(codes, lengths), labels)
        loss.backward()
        training.optimizer.step()
        return loss

    given = {"codes": CODES, "lengths": LENGTHS, "labels": LABELS}
    step(**given)
    before, counter = training.state(), pb.random.get_state()
    with pytest.raises(kind):
        step(**{**given, **settings})
    assert pb.random.get_state() == counter
    for path, x in before.items():
        np.testing.assert_array_equal(training.state()[path], x, err_msg=path)


@pytest.mark.parametrize("name", [name for name in BAD if name not in ("class weights", "labels", "NaN gradients")])
def test_the_step_after_an_error_is_the_one_that_would_have_been(name):
    settings, kind, _ = BAD[name]
    disturbed, alone = Training(), Training()
    pb.random.manual_seed(1)
    first = [alone.step() for _ in range(3)]
    pb.random.manual_seed(1)
    second = []
    for _ in range(3):
        second.append(disturbed.step())
        with pytest.raises(kind):
            disturbed.step(**settings)
    assert first == second
    for path, x in alone.state().items():
        np.testing.assert_array_equal(disturbed.state()[path], x, err_msg=path)


@pytest.mark.parametrize(
    ("layer", "x", "text"),
    [
        (nn.Linear(4, 2), (3, 5), r"in_features = 4, got x of shape \(3, 5\)"),
        (nn.Conv2d(3, 4, 3), (2, 4, 8, 8), r"3.*got x of shape \(2, 4, 8, 8\)"),
        (nn.LSTM(4, 3), (5, 2, 6), r"\(T, N, 4\).*input_size = 4, got \(5, 2, 6\)"),
        (nn.LayerNorm(4), (3, 5), r"\(…, 4\).*got.*\(3, 5\)"),
        (nn.MaxPool2d(2), (4, 4), r"\(N, C, H, W\).*got x of shape \(4, 4\)"),
    ],
)
def test_a_wrong_shape_names_what_was_expected_what_came_and_the_path(layer, x, text):
    model = nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity(), layer))
    before = {path: np.asarray(v).copy() for path, v in model.state_dict().items()}
    with pytest.raises(ShapeError) as error:
        model(np.zeros(x))
    kind = type(layer).__name__
    assert re.search(rf"{kind}.*expected .*{text}.*in the layer '1.1', a {kind} of Sequential", said(error), re.S)
    for path, v in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(v), before[path])


def test_ctc_targets_longer_than_their_inputs():
    model = nn.Linear(4, 4).double()
    loss = nn.CTCLoss()
    targets, input_lengths, target_lengths = np.array([[1, 2, 3], [1, 1, 0]]), np.array([6, 2]), np.array([3, 2])
    scores = pb.log_softmax(model(LOG_P), axis=-1)
    with pytest.raises(ValueError, match=r"(?s)index \(1,\) needs 3 times \(its 2 labels.*input has 2.*zero_infinity"):
        loss(scores, targets, input_lengths, target_lengths).backward()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("kind", ["SGD", "Adam", "LBFGS", "Muon", "Adafactor", "Rprop"])
def test_optimisers_without_parameters_or_with_one_given_twice(kind):
    make = getattr(optim, kind)
    with pytest.raises(ValueError, match=f"{kind}: got no parameters"):
        make([])
    with pytest.raises(ValueError, match=f"{kind}: a group has no parameters"):
        make([{"params": []}])
    p = nn.Parameter(np.ones((2, 2)))
    with pytest.raises(ValueError, match=rf"{kind}: parameter 1 of shape \(2, 2\) is given twice"):
        make([p, p])
    assert (np.asarray(p) == 1).all() and p.grad is None
    if kind != "LBFGS":  # which has one group
        optimiser = make([p])
        with pytest.raises(ValueError, match="is given twice"):
            optimiser.add_param_group({"params": [nn.Parameter(np.ones((2, 2))), p]})
        assert len(optimiser.param_groups) == 1
