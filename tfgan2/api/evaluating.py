"""Evaluates a model while it trains."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from tfgan2.evaluation.during import Evaluator, is_better
from tfgan2.training.callbacks import StepCallback
from tfgan2.training.session import Session


class Evaluation(StepCallback):
    """Evaluates every N steps, logs the figures and keeps the best checkpoint."""

    def __init__(self, session: Session) -> None:
        """Trains or loads the feature extractor; raises a UserError for impossible metrics."""
        display = session.display
        super().__init__(session.config.training.evaluate_every or 0)
        self.session = session
        self.best: dict[str, Any] | None = None
        with contextlib.closing(display):
            about = session.config, session.model, session.dataset
            self.evaluator = Evaluator(*about, display.loading)

    def state(self) -> dict[str, Any]:
        return {"best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best = state.get("best")

    def act(self) -> None:
        session, evaluator = self.session, self.evaluator
        if self.model.stop_training:  # there may be no time left for an evaluation
            session.saving.save()
        started = time.perf_counter()
        images = self.step * session.statistics.images_per_step
        figures = evaluator(session.run_dir, self.step, images)
        session.statistics.add({evaluator.prefix + name: figures[name] for name in figures})
        metric, value = evaluator.best_metric, figures[evaluator.best_metric]
        best = is_better(metric, value, self.best["value"] if self.best else None)
        if best:
            self.best = {"metric": metric, "value": value, "step": self.step}
            session.saving.save(best=True)
        values = " ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in figures.items())
        seconds = f"{time.perf_counter() - started:.0f} s{' | best so far' if best else ''}"
        session.display.say(f"step {self.step} | {evaluator.prefix} {values} | {seconds}")
