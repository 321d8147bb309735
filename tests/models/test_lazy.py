"""Lazy updates: their steps, and the optimizers that they change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import make_small, tensors_for

from tfgan2.models.game import DISCRIMINATOR, GENERATOR


def test_phases_name_the_updates_of_a_step() -> None:
    model = make_small("stylegan2")
    assert [model.phase_at(step) for step in range(5)] == [
        "game + R1 + path length",
        *["game"] * 3,
        "game + path length",
    ]
    plain = make_small("stylegan2", gamma=0.0, path_length_weight=0.0)
    assert {plain.phase_at(step) for step in range(32)} == {"game"}


def test_adam_is_that_of_the_game_alone() -> None:
    model = make_small("stylegan2", beta_1=0.5)
    for name, interval in ((DISCRIMINATOR, 16), (GENERATOR, 4)):
        share, optimizer = interval / (interval + 1), model.default_optimizer(name)
        assert float(optimizer.learning_rate) == pytest.approx(2.5e-3 * share)
        assert optimizer.beta_1 == pytest.approx(0.5**share)
        assert optimizer.beta_2 == pytest.approx(0.99**share)
    plain = make_small("stylegan2", path_length_weight=0.0).default_optimizer(GENERATOR)
    assert float(plain.learning_rate) == pytest.approx(2.5e-3) and plain.beta_2 == 0.99


def test_a_phase_does_its_updates_only() -> None:
    model = make_small("stylegan2")
    model.compile()
    batch = tensors_for(model)
    optimizers = [model.optimizers[name] for name in (GENERATOR, DISCRIMINATOR)]
    done = [0, 0]
    for phase, updates, metric in (
        ("game", [1, 1], None),
        ("game + path length", [2, 1], "path_length"),
        ("", [2, 2], "r1_penalty"),
    ):
        model.phase = phase
        metrics = model.train_step(batch)
        done = [a + b for a, b in zip(done, updates, strict=True)]
        assert [int(each.iterations) for each in optimizers] == done
        assert metric is None or metric in metrics
    assert int(model.step) == 3


def test_parts_are_compiled_once_for_all_phases() -> None:
    model, compiled = make_small("stylegan2"), []
    model.compile()

    def noted(part):
        compiled.append(part.__name__)
        return lambda batch: {part.__name__: 1}

    step = model.compiled_step(noted)
    assert compiled == ["update_for_r1", "update_for_path_length", "play"]
    for phase, names in (("game", ["play"]), ("game + R1", ["update_for_r1", "play"])):
        model.phase = phase
        assert list(step(None)) == names
    assert len(compiled) == 3


def test_a_penalty_counts_as_if_it_were_in_every_step() -> None:
    weights = []
    for phase in ("game + R1", ""):
        model = make_small("stylegan2", gamma=2.0)
        model.phase = phase
        weights.append(model.lazy_weight("R1"))
    assert weights == [16, 1]


def test_fit_has_the_phases_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_small("stylegan2", r1_interval=2, path_length_weight=0.0, base_channels=2)
    model.compile(run_eagerly=True)
    phases = []
    play = type(model).play

    def noted(self: Any, batch: Any) -> Any:
        phases.append(self.phase)
        return play(self, batch)

    monkeypatch.setattr(type(model), "play", noted)
    model.fit(np.zeros((8 * 2, 8, 8, 1), np.float32), batch_size=8, verbose=0)
    assert phases == ["game + R1", "game"]
