"""Recommendation and contrastive features: the data are what they claim, the classifiers are right, both learn."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def program(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_ratings_are_made_as_described():
    example = program("recommendation")
    ratings = example.Ratings(40, 30, 900, seed=5)
    person, film, rating = ratings.columns
    assert len(set(zip(person.tolist(), film.tolist(), strict=True))) == 900  # nothing is rated twice
    assert person.max() == 39 and film.max() == 29 and rating.dtype == np.float32
    assert ratings.noise.std() == pytest.approx(example.NOISE, rel=0.06)
    # What is left without noise and liking is a sum of one number per person and one per film.
    left = rating - ratings.noise - 2.5 - ratings.liking(person, film)
    table = np.zeros((900, 70))
    table[np.arange(900), person] = table[np.arange(900), 40 + film] = 1
    assert np.abs(table @ np.linalg.lstsq(table, left, rcond=None)[0] - left).max() < 1e-5
    near = ratings.liking(np.array([0]), np.array([0]))[0]
    d = ratings.person_place[0] - ratings.film_place[0]
    assert near == pytest.approx(2.5 * np.exp(-(d @ d) / (2 * 0.5**2)))


def test_taste_is_learnt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = program("recommendation").main(quick=True)
    assert figures["noise"] < figures["neural"] < 0.75 * figures["biases"]
    assert figures["noise"] < figures["factorisation"] < 0.75 * figures["biases"]
    assert (tmp_path / "runs/examples/recommendation.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_errors_come_near_the_noise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = program("recommendation")
    figures = example.main(seed=1)
    assert all(figures[name] <= goal for name, (_, goal) in example.GOALS.items())
    assert figures["neural: error / noise"] > 1


def test_the_linear_classifier_is_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 8)
    centres = generator.normal(size=(10, 6))
    features = (centres[labels] + 0.7 * generator.normal(size=(80, 6))).astype(np.float32)
    new = (centres[np.arange(500) % 10] + 0.7 * generator.normal(size=(500, 6))).astype(np.float32)
    expected = LogisticRegression(C=1.0, max_iter=1000).fit(features, labels).predict(new)
    assert np.mean(program("contrastive").linear(features, labels, new) == expected) > 0.99


def test_the_nearest_neighbour_is_scikit_learns():
    from sklearn.neighbors import KNeighborsClassifier

    generator = np.random.default_rng(1)
    features, new = generator.normal(size=(50, 5)), generator.normal(size=(200, 5))
    labels = generator.integers(0, 10, 50)
    expected = KNeighborsClassifier(1, metric="cosine").fit(features, labels).predict(new)
    assert np.array_equal(program("contrastive").nearest(features, labels, new), expected)


def test_two_views_are_two_and_still_show_the_digit():
    from pullback.data import load_digits

    images = load_digits("train", flatten=False)[0][:50, None]
    example, generator = program("contrastive"), np.random.default_rng(0)
    one, other = example.two_views((images,), generator)
    assert one.shape == images.shape and one.dtype == images.dtype and np.abs(one - other).max() > 0.1
    mean_view = np.mean([example.two_views((images,), generator) for _ in range(40)], axis=(0, 1)).reshape(50, 64)
    flat = images.reshape(50, 64)
    found = example.nearest(flat - flat.mean(0), np.arange(50), mean_view - mean_view.mean(0))
    assert np.mean(found == np.arange(50)) > 0.6  # by chance: 0.02; a mean of moved views is blurred


def test_features_are_learnt_without_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = program("contrastive").main(quick=True)
    assert figures["100 labels, features"] > 0.92
    assert figures["100 labels, features"] > figures["100 labels, untrained"] + 0.005
    assert figures["100 labels, gain over pixels"] > 0.005
    assert (tmp_path / "runs/examples/contrastive.png").stat().st_size > 5000


@pytest.mark.slow
def test_features_are_worth_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = program("contrastive")
    figures = example.main(seed=1)
    assert all(figures[name] >= goal for name, (_, goal) in example.GOALS.items())
