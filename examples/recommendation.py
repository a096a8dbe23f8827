"""What will somebody think of a film they have not seen? Factorisation, and a network, on ratings of known making.

The ratings are made here, so that the truth is known: everybody and every film has a place in a plane of tastes that
nobody sees; a film pleases those who are near, r = 2.5 + b_user + c_film + 2.5 exp(−d² / 2s²), and each rating has
noise of standard deviation 0.4. No model can have a smaller error on ratings it has not seen than that noise. One
rating in eight is known.

    biases           how kind somebody is, how good a film is: no taste at all
    factorisation    and the inner product of a vector for each (Koren, Bell, Volinsky 2009)
    neural           and a network that gets both vectors (He et al. 2017)

All three are trained by `Trainer.fit`, with the weight decay that suits each. An inner product has to add up many
dimensions to say "near"; a network has not. It depends on the data: with a liking that is itself an inner product (of
four numbers), factorisation gets 0.46 and the network 0.69, as Rendle et al. found in 2020.

    python examples/recommendation.py            # draws runs/examples/recommendation.png
    python examples/recommendation.py --quick    # fewer people, films and epochs

Sources: Y. Koren, R. Bell, C. Volinsky, "Matrix factorization techniques for recommender systems", Computer 42, 2009;
X. He et al., "Neural collaborative filtering", WWW 2017; S. Rendle et al., "Neural collaborative filtering vs. matrix
factorization revisited", RecSys 2020.

Reached (seeds 0, 1, 2): root mean squared errors of 0.427, 0.425, 0.432 for the network and 0.482, 0.482, 0.484 for
factorisation, where the noise alone is 0.400, 0.398, 0.405; biases 0.80. About 10 seconds on one core.
"""

import sys
from pathlib import Path

import numpy as np

import pullback as pb
from pullback import nn, optim
from pullback.data import ArrayDataset, DataLoader
from pullback.train import Trainer

GOALS = {"neural: error / noise": ("<=", 1.15), "factorisation: error / noise": ("<=", 1.3)}
PICTURE = Path("runs/examples/recommendation.png")

NOISE = 0.4
SPREAD = 0.5  # s: how far taste reaches; the places are in [−1, 1]²


class Ratings:
    """People, films, and what some of the people said about some of the films."""

    def __init__(self, people, films, count, seed):
        generator = np.random.default_rng(seed)
        self.people, self.films = people, films
        self.person_place, self.film_place = (generator.uniform(-1, 1, (n, 2)) for n in (people, films))
        kindness, quality = generator.normal(0, 0.4, people), generator.normal(0, 0.4, films)
        pairs = generator.choice(people * films, count, replace=False)
        person, film = pairs // films, pairs % films
        expected = 2.5 + kindness[person] + quality[film] + self.liking(person, film)
        self.noise = generator.normal(0, NOISE, count)
        self.columns = person, film, (expected + self.noise).astype(np.float32)

    def liking(self, person, film):
        distance = np.linalg.norm(self.person_place[person] - self.film_place[film], axis=-1)
        return 2.5 * np.exp(-(distance**2) / (2 * SPREAD**2))

    def part(self, rows):
        return ArrayDataset(*(column[rows] for column in self.columns))


class Biases(nn.Module):
    def __init__(self, ratings, mean):
        super().__init__()
        self.mean = mean
        self.kindness, self.quality = nn.Embedding(ratings.people, 1), nn.Embedding(ratings.films, 1)
        for embedding in (self.kindness, self.quality):
            nn.init.zeros_(embedding.weight)

    def forward(self, person, film):
        return self.mean + self.kindness(person)[:, 0] + self.quality(film)[:, 0] + self.taste(person, film)

    def taste(self, person, film):
        return 0.0


class Factorisation(Biases):
    def __init__(self, ratings, mean, size=16):
        super().__init__(ratings, mean)
        self.person, self.film = nn.Embedding(ratings.people, size), nn.Embedding(ratings.films, size)
        for embedding in (self.person, self.film):
            nn.init.normal_(embedding.weight, std=0.1)

    def taste(self, person, film):
        return pb.sum(self.person(person) * self.film(film), axis=-1)


class Neural(Biases):
    def __init__(self, ratings, mean, size=8, hidden=64):
        super().__init__(ratings, mean)
        self.person, self.film = nn.Embedding(ratings.people, size), nn.Embedding(ratings.films, size)
        for embedding in (self.person, self.film):
            nn.init.normal_(embedding.weight, std=0.5)
        self.network = nn.Sequential(
            nn.Linear(2 * size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def taste(self, person, film):
        return self.network(pb.concat([self.person(person), self.film(film)], axis=-1))[:, 0]


SETTINGS = {  # chosen on other ratings of the same making
    "biases": (Biases, {"lr": 0.01, "weight_decay": 0.3}),
    "factorisation": (Factorisation, {"lr": 0.02, "weight_decay": 0.3}),
    "neural": (Neural, {"lr": 0.01, "weight_decay": 0.5}),
}


def draw(ratings, models, person):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('no picture: matplotlib is not installed; pip install "pullback[plot]"')
        return
    films = np.arange(ratings.films)

    def more_than_others(taste):
        tables = [np.asarray(taste(np.full_like(films, p), films)) for p in (person, *range(0, ratings.people, 5))]
        more = tables[0] - np.mean(tables[1:], axis=0)
        return more - more.mean()

    with pb.no_grad():
        panels = {"the truth": more_than_others(ratings.liking)} | {
            name: more_than_others(model.taste) for name, model in models.items() if name != "biases"
        }
    figure = Figure(figsize=(11, 3.6), dpi=160, layout="constrained")
    for axes, (name, liking) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        x, y = ratings.film_place.T
        axes.scatter(x, y, c=liking, cmap="viridis", s=14, vmin=-1, vmax=1.5)
        axes.plot(*ratings.person_place[person], "P", color="#d9782d", markersize=9)
        axes.set(title=name, xticks=[], yticks=[], aspect="equal")
    figure.suptitle("How much more than others one person (+) likes each film (•); the places are hidden")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE)
    print(f"picture: {PICTURE}")


def main(quick: bool = False, seed: int = 0) -> dict[str, float]:
    pb.random.manual_seed(seed)
    people, films, known, epochs = (500, 250, 30_000, 12) if quick else (1000, 500, 60_000, 15)
    ratings = Ratings(people, films, count=known + known // 6, seed=100 + seed)
    train, test = ratings.part(slice(0, known)), ratings.part(slice(known, None))
    floor = float(np.sqrt(np.mean(ratings.noise[known:] ** 2)))
    mean = float(ratings.columns[2][:known].mean())

    models, errors = {}, {}
    for name, (kind, settings) in SETTINGS.items():
        print(name)
        models[name] = model = kind(ratings, mean)
        loader = DataLoader(train, batch_size=500, shuffle=True, seed=seed)
        optimizer = optim.AdamW(model.parameters(), **settings)
        schedule = optim.CosineAnnealingLR(optimizer, epochs * len(loader))
        trainer = Trainer(model, nn.MSELoss(), optimizer)
        trainer.fit(loader, epochs, each_step=[schedule])
        errors[name] = float(np.sqrt(trainer.evaluate(test, batch_size=5000)["loss"]))

    print(f"root mean squared error on {len(test)} ratings that nobody had seen; the noise alone: {floor:.3f}")
    for name, error in errors.items():
        print(f"  {name:15s}{error:.3f}")
    draw(ratings, models, person=int(np.argmin(np.linalg.norm(ratings.person_place - [0.4, 0.3], axis=1))))
    return {
        "noise": floor,
        **errors,
        "neural: error / noise": errors["neural"] / floor,
        "factorisation: error / noise": errors["factorisation"] / floor,
    }


if __name__ == "__main__":
    pb.set_num_threads(1)  # these matrices are too small for more
    main(quick="--quick" in sys.argv)
