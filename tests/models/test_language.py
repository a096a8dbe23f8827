"""Two language models on the text that comes with the package: their losses are those of the same PyTorch models."""

import numpy as np
import pytest

import pullback as pb
from pullback import data, nn, optim

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")

STEPS, BATCH, LENGTH = 100, 16, 32
TEXT = data.load_text("valley")
LETTERS = sorted(set(TEXT))
CODES = np.array([LETTERS.index(c) for c in TEXT])
CLASSES = len(LETTERS)


def batches():
    """The same batches for both: windows of the text, and the same windows one character later."""
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        starts = rng.integers(0, len(CODES) - LENGTH - 1, BATCH)
        rows = starts[:, None] + np.arange(LENGTH)
        yield CODES[rows], CODES[rows + 1]


class OurLSTM(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.embed = nn.Embedding(CLASSES, 24)
        self.lstm = nn.LSTM(24, width, num_layers=2, batch_first=True)
        self.out = nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0])


class TheirLSTM(torch.nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.embed = torch.nn.Embedding(CLASSES, 24)
        self.lstm = torch.nn.LSTM(24, width, num_layers=2, batch_first=True)
        self.out = torch.nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0])


class OurTransformer(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(CLASSES, width)
        self.positions = nn.SinusoidalPositionalEncoding(width, LENGTH, batch_first=True)
        layer = nn.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width))
        self.out = nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.out(self.encoder(self.positions(self.embed(x)), is_causal=True))


class TheirTransformer(torch.nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = torch.nn.Embedding(CLASSES, width)
        layer = torch.nn.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(width), enable_nested_tensor=False)
        self.out = torch.nn.Linear(width, CLASSES)
        angles = np.arange(LENGTH)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
        positions = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(LENGTH, width)
        self.positions = torch.tensor(positions, dtype=torch.float32)
        self.blocked = torch.tensor(~np.tri(LENGTH, dtype=bool))

    def forward(self, x):
        return self.out(self.encoder(self.embed(x) + self.positions, self.blocked, is_causal=True))


def torch_losses(net, lr):
    optimiser = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01)
    losses = []
    for x, y in batches():
        optimiser.zero_grad()
        logits = net(torch.tensor(x))
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, CLASSES), torch.tensor(y).reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return np.array(losses)


def our_losses(net, lr):
    optimiser = optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01)

    @pb.trace
    def step(x, y):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x).reshape((-1, CLASSES)), y.reshape((-1,)))
        loss.backward()
        nn.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        return loss

    return np.array([step(pb.tensor(x), pb.tensor(y)).item() for x, y in batches()])


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are quicker on one thread, above all where other tests run beside these."""
    before = pb.get_num_threads(), torch.get_num_threads()
    pb.set_num_threads(1)
    torch.set_num_threads(1)
    yield
    pb.set_num_threads(before[0])
    torch.set_num_threads(before[1])


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "lr"),
    [("LSTM", OurLSTM, TheirLSTM, 5e-3), ("Transformer", OurTransformer, TheirTransformer, 3e-3)],
)
def test_the_losses_of_a_hundred_steps_are_those_of_pytorch(agreement, name, ours, theirs, lr):
    torch.manual_seed(1)
    reference = theirs()
    net = ours()
    net.load_state_dict({path: x.numpy() for path, x in reference.state_dict().items()})
    want = torch_losses(reference, lr)
    have = our_losses(net, lr)
    assert want[0] == pytest.approx(np.log(CLASSES), rel=0.15)
    assert have[-1] < 0.75 * have[0]
    assert np.abs(have - want).max() < 1e-4
    reason = "100 steps in float32, in which the order of sums differs"
    agreement.compare("model", f"{name} language model", "losses", have, want, target=1e-4, reason=reason)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"), [("LSTM", OurLSTM, TheirLSTM), ("Transformer", OurTransformer, TheirTransformer)]
)
def test_loss_and_gradients_in_double_precision(agreement, name, ours, theirs):
    torch.manual_seed(2)
    reference = theirs().double()
    if name == "Transformer":
        reference.positions = reference.positions.double()
    net = ours().double()
    net.load_state_dict({path: x.numpy() for path, x in reference.state_dict().items()})
    if name == "Transformer":
        net.positions.table.assign_(reference.positions.numpy())
    x, y = next(batches())
    want = torch.nn.functional.cross_entropy(
        reference(torch.tensor(x)).reshape(-1, CLASSES), torch.tensor(y).reshape(-1)
    )
    want.backward()
    have = nn.functional.cross_entropy(net(x).reshape((-1, CLASSES)), y.reshape(-1))
    have.backward()
    agreement.compare("model", f"{name} language model", "value", have, want)
    largest = max(float(q.grad.abs().max()) for q in reference.parameters())
    for p, q in zip(net.parameters(), reference.parameters(), strict=True):
        error = np.abs(np.asarray(p.grad) - q.grad.numpy()).max() / largest
        agreement("model", f"{name} language model", "gradient", error)


def test_their_summaries_are_those_counted_by_hand():
    n, t, c = BATCH, LENGTH, CLASSES
    s = nn.summary(OurLSTM(), (n, t), dtype="int64")
    assert s.parameters == c * 24 + 4 * 48 * (24 + 48 + 2) + 4 * 48 * (48 + 48 + 2) + c * 48 + c
    flops = 2 * n * t * 48 * c + n * t * c  # the last layer
    for width in (24, 48):  # of the input of each layer of the LSTM
        flops += 2 * n * t * width * 192 + n * t * 192 + 192
        flops += t * (2 * n * 48 * 192 + n * 192 + n * 48 * 9)
    assert s.flops == flops

    s = nn.summary(OurTransformer(), (n, t), dtype="int64")
    e, f = 32, 64
    layer = 3 * e * e + 3 * e + e * e + e + e * f + f + f * e + e + 4 * e
    assert s.parameters == c * e + 2 * layer + 2 * e + e * c + c
    tokens = n * t * e
    norm = 8 * tokens + 2 * n * t  # mean 1, variance 3, difference, quotient, weight and bias; two per row
    # of the scores: the causal choice, and a softmax of two exponentials, a sum and a difference
    attention = (
        3 * (2 * tokens * e + tokens) + tokens + 2 * (2 * tokens * t) + 5 * (n * 4 * t * t) + 2 * tokens * e + tokens
    )
    network = 2 * tokens * f + n * t * f + n * t * f + 2 * n * t * f * e + tokens
    out = 2 * n * t * e * c + n * t * c
    assert s.flops == tokens + 2 * (attention + network + 2 * norm + 2 * tokens) + norm + out
