"""The autoencoder learns, and its baseline is the one that it says."""

import numpy as np
import pytest

from examples.__main__ import load
from pullback.data import load_digits


def test_the_baseline_is_the_one_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    example = load("autoencoder")
    images, _ = load_digits("train", dtype=np.float64)
    mean, directions = example.principal_components(images)
    theirs = decomposition.PCA(2).fit(images)
    ours = mean + (images - mean) @ directions.T @ directions
    np.testing.assert_allclose(ours, theirs.inverse_transform(theirs.transform(images)), atol=1e-10)


def test_the_vote_of_the_neighbours_is_the_one_of_scikit_learn():
    neighbors = pytest.importorskip("sklearn.neighbors")
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(200, 2)), rng.normal(size=(100, 2))
    labels, new_labels = rng.integers(0, 10, 200), rng.integers(0, 10, 100)
    theirs = neighbors.KNeighborsClassifier(10).fit(known, labels).score(new, new_labels)
    assert load("autoencoder").neighbours_right(known, labels, new, new_labels) == theirs


def test_a_few_epochs_already_do_better_than_straight_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = load("autoencoder").main(quick=True)
    assert figures["error ÷ PCA"] < 1 and figures["error of PCA"] == pytest.approx(0.0523, abs=0.0001)
    assert (tmp_path / "runs/examples/autoencoder.png").stat().st_size > 1000


@pytest.mark.slow
def test_it_reaches_its_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = load("autoencoder")
    figures = example.main()
    assert figures["error ÷ PCA"] <= example.GOALS["error ÷ PCA"][1]
    assert figures["neighbours right"] >= example.GOALS["neighbours right"][1]
