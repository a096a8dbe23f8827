"""The sound is what the example says it is, and the network learns words from it."""

import numpy as np
import pytest

from examples.__main__ import load


@pytest.fixture(scope="module")
def example():
    return load("speech_commands")


def test_a_mel_band_is_loudest_for_a_tone_at_its_middle(example):
    middles = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 42)[1:-1] / 2595) - 1)
    time = np.arange(6400) / example.RATE
    for band in (15, 25, 35):
        tone = np.sin(2 * np.pi * middles[band] * time)
        assert set(example.log_mel(tone)[:, 40:60].argmax(axis=0)) == {band}


def test_noise_has_the_loudness_it_should(example):
    rng = np.random.default_rng(0)
    sound, noise = rng.normal(size=1000), rng.normal(size=1000)
    added = example.with_noise(sound, noise, 20) - sound
    assert np.mean(sound**2) / np.mean(added**2) == pytest.approx(100)


def test_a_voice_has_its_pitch(example):
    voice = {"pitch": 150.0, "tract": 1.0, "tilt": 0.8, "breath": 0.01}
    sound = example.say("on", voice, np.random.default_rng(0))
    assert len(sound) == 6400
    correlation = np.correlate(sound, sound, "full")[len(sound) :]
    period = 40 + correlation[40:100].argmax() + 1  # between 80 and 200 Hz
    assert example.RATE / period == pytest.approx(150, rel=0.2)  # it falls and trembles


def test_unusual_voices_are_beyond_all_others(example):
    rng = np.random.default_rng(0)
    usual = [example.speaker(rng)["tract"] for _ in range(200)]
    unusual = [example.speaker(rng, unusual=True)["tract"] for _ in range(200)]
    assert all(x < min(usual) + 0.01 or x > max(usual) - 0.01 for x in unusual)


def test_it_learns(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = example.main(quick=True)
    assert figures["accuracy, new speakers"] > 0.7  # one in eight by chance
    assert (tmp_path / "runs/examples/speech_commands.png").stat().st_size > 1000


@pytest.mark.slow
def test_it_reaches_its_figures(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = example.main()
    for name, (_, goal) in example.GOALS.items():
        assert figures[name] >= goal, name
    assert figures["accuracy, new speakers"] > figures["baseline, new speakers"] + 0.1
