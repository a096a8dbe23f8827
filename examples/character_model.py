"""Two language models by character, an LSTM and a small Transformer, beside the n-grams they have to beat.

The text is *The Valley of Bells*, 19,576 characters that come with pullback: the first 90 % are learnt, the last
10 % held out (settings were chosen with a part of the first 90 % held out instead). On so little text a network
is no sure winner. The baselines are interpolated Kneser–Ney models (Kneser & Ney, 1995; discount 0.75) of three and
of six characters; among orders one to eight, six is the best. The figure is the perplexity per character:
the number of equally likely characters that would be as hard to guess.

The Transformer sees 32 characters, the LSTM carries its state through all of the text. The Transformer's positions are
a penalty on distance, its slope another one for each head (ALiBi; Press et al., ICLR 2022), which on so
little text learns much faster than learnt positions do. Written as a PyTorch user writes it.

    python examples/character_model.py
    python examples/character_model.py --quick

Reached with seeds 0, 1 and 2: LSTM 4.17, 4.20 and 4.08, Transformer 5.14, 5.08 and 5.15; trigram 5.59, 6-gram 4.19. So
the LSTM is as good as the best n-gram, and the Transformer between the two. About 60 seconds of one core.
"""

import sys
import time
from collections import Counter, defaultdict
from itertools import chain, islice, repeat

import numpy as np

import pullback as pb
from pullback import nn, optim
from pullback.data import CharacterTokenizer, DataLoader, TokenWindows, load_text

GOALS = {
    "perplexity, LSTM": ("<=", 4.6),
    "perplexity, Transformer": ("<=", 5.3),
    "LSTM ÷ trigram": ("<=", 0.85),
    "Transformer ÷ trigram": ("<=", 0.95),
}


class LSTM(nn.Module):
    length = 64  # of the windows it learns from

    def __init__(self, characters):
        super().__init__()
        self.embedding = nn.Embedding(characters, 64)
        self.lstm = nn.LSTM(64, 256, batch_first=True)
        self.dropout_in, self.dropout_out = nn.Dropout(0.1), nn.Dropout(0.5)
        self.head = nn.Linear(256, characters)

    def forward(self, tokens):
        hidden, _ = self.lstm(self.dropout_in(self.embedding(tokens)))
        return self.head(self.dropout_out(hidden))


class Transformer(nn.Module):
    length, heads = 32, 4

    def __init__(self, characters, width=64):
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        layer = nn.TransformerEncoderLayer(
            width, self.heads, dim_feedforward=2 * width, dropout=0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=3, norm=nn.LayerNorm(width))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(width, characters)
        distance = np.arange(self.length)[:, None] - np.arange(self.length)
        slopes = 0.25 ** np.arange(1, self.heads + 1)
        self.penalty = np.where(distance < 0, -np.inf, -slopes[:, None, None] * distance).astype("f4")

    def forward(self, tokens):
        n, length = tokens.shape
        penalty = np.tile(self.penalty[:, :length, :length], (n, 1, 1))
        return self.head(self.dropout(self.encoder(self.dropout(self.embedding(tokens)), penalty)))


def train(model, tokens, steps, batch_size, seed, lr=0.008):
    loader = DataLoader(TokenWindows(tokens, model.length, stride=1), batch_size, shuffle=True, seed=seed)
    optimizer = optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = optim.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, pct_start=0.15)
    loss_fn = nn.CrossEntropyLoss()
    model.train()
    start, mean = time.perf_counter(), None
    for step, (inputs, following) in enumerate(islice(chain.from_iterable(repeat(loader)), steps), 1):
        logits = model(inputs)
        loss = loss_fn(logits.reshape(-1, logits.shape[-1]), following.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 100 == 0 or step == steps:
            passed = time.perf_counter() - start
            print(f"  step {step:4d}/{steps}  training perplexity {np.exp(mean):6.2f}  {passed:5.1f} s", flush=True)


def perplexity(model, tokens, begin, context):
    """exp of the mean −log p of tokens[begin:], each predicted from all that came before it, or the last `context`."""
    model.eval()
    half = context // 2 if context else len(tokens) - begin
    total = 0.0
    with pb.no_grad():
        for i in range(begin, len(tokens), half):
            known = tokens[max(0, i + half - context) if context else 0 : i + half]
            log_p = nn.functional.log_softmax(model(known[None, :-1])[0], -1).numpy()
            count = min(half, len(tokens) - i)
            total -= log_p[np.arange(-count, 0), known[-count:]].sum()
    return float(np.exp(total / (len(tokens) - begin)))


def kneser_ney(text, begin, order, discount=0.75):
    """The perplexity of text[begin:] under an interpolated Kneser–Ney model of text[:begin]."""
    follow = [defaultdict(Counter) for _ in range(order)]  # follow[k][k characters][next character]
    for k in range(order):
        for i in range(k, begin):
            follow[k][text[i - k : i]][text[i]] += 1
    for k in range(order - 1):  # lower orders count in how many different places, not how often
        follow[k] = defaultdict(Counter)
        for before, after in follow[k + 1].items():
            follow[k][before[1:]].update(after.keys())
    total = 0.0
    for i in range(begin, len(text)):
        p = 1 / len(set(text))
        for k in range(order):
            after = follow[k].get(text[i - k : i])
            if after is None:
                break
            count = after.total()
            p = max(after[text[i]] - discount, 0) / count + discount * len(after) / count * p
        total -= np.log(p)
    return float(np.exp(total / (len(text) - begin)))


def sample(model, tokenizer, start, count, rng, temperature=0.7):
    """Go on writing after `start`, character by character."""
    model.eval()
    text = start
    with pb.no_grad():
        for _ in range(count):
            known = tokenizer.encode(text)[-model.length :]
            scores = model(known[None])[0, -1].numpy() / temperature
            text += tokenizer.decode([np.argmax(scores + rng.gumbel(size=len(tokenizer)))])
    return text


def main(quick: bool = False, seed: int = 0) -> dict[str, float]:
    pb.random.manual_seed(seed)
    text = load_text("valley")
    begin = int(0.9 * len(text))
    tokenizer = CharacterTokenizer.fit(text)
    tokens = tokenizer.encode(text)
    figures = {f"perplexity, {name}": kneser_ney(text, begin, n) for name, n in (("trigram", 3), ("6-gram", 6))}
    for name, make, steps, batch_size in (("LSTM", LSTM, 600, 16), ("Transformer", Transformer, 900, 32)):
        model = make(len(tokenizer))
        print(f"{name}, {sum(parameter.size for parameter in model.parameters()):,} parameters")
        train(model, tokens[:begin], 30 if quick else steps, batch_size, seed)
        reached = perplexity(model, tokens, begin, context=Transformer.length + 1 if make is Transformer else None)
        figures |= {f"perplexity, {name}": reached, f"{name} ÷ trigram": reached / figures["perplexity, trigram"]}
        print(f"  perplexity of the held-out text {reached:.3f}")
        written = sample(model, tokenizer, "The bell", 50 if quick else 300, np.random.default_rng(seed))
        print("  it writes: " + written.replace("\n", "\n  ") + "\n")
    for name in ("trigram", "6-gram", "LSTM", "Transformer"):
        print(f"perplexity, {name:12} {figures[f'perplexity, {name}']:.3f}")
    return figures


if __name__ == "__main__":
    pb.set_num_threads(1)  # these matrices are too small for more
    main(quick="--quick" in sys.argv)
