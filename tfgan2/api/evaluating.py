"""Evaluates a model while it trains."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tfgan2.errors import UserError
from tfgan2.evaluation.evaluate import SampleEvaluator
from tfgan2.evaluation.features import default_features
from tfgan2.evaluation.figures import FIGURES, METRICS, RANKED
from tfgan2.evaluation.request import EvaluationRequest
from tfgan2.evaluation.result import result_dir
from tfgan2.evaluation.samples import run_samples
from tfgan2.training import stats
from tfgan2.training.callbacks import StepCallback
from tfgan2.training.callbacks.base import Logs
from tfgan2.training.session import Session

_DEFAULT_METRICS = ("fid", "prdc", "classes", "modes", "pairs")


class Evaluation(StepCallback):
    """Evaluates every N steps, logs the figures and keeps the best checkpoint."""

    def __init__(self, session: Session) -> None:
        """Trains or loads the feature extractor; raises a UserError for impossible metrics."""
        options, split = session.config.training, session.config.data.split
        super().__init__(options.evaluate_every or 0)
        self.session = session
        self.best: dict[str, Any] | None = None
        self._is_pending = False  # there is a checkpoint of this step, and no evaluation yet
        metrics = [*(options.evaluate_metrics or ()), *_metrics_with(options.best_metric)]
        # Kept in the run's configuration: what is installed may change before it is resumed.
        options.evaluate_features = options.evaluate_features or default_features(
            session.dataset, metrics
        )
        request = EvaluationRequest(
            options.evaluate_metrics or None, options.evaluate_features, options.evaluate_count
        )
        compared = run_samples(session.model, session.dataset, {}, request.seed, split)
        try:
            evaluator = SampleEvaluator(*compared, request, session.display.loading)
        finally:
            session.display.close()
        self.prefix = f"{evaluator.extractor.name if evaluator.extractor else 'points'}/"
        self.best_metric = options.best_metric or ("fid" if evaluator.extractor else "good_samples")
        chosen = evaluator.metrics if request.metrics else _DEFAULT_METRICS
        metrics = [name for name in evaluator.metrics if name in chosen]
        metrics.append(_metric_of(self.best_metric, evaluator.obstacles))
        evaluator.metrics = tuple(dict.fromkeys(metrics))
        self.evaluator = evaluator

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "evaluation_is_pending": self._is_pending}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best = state.get("best")
        self._is_pending = state.get("evaluation_is_pending", False)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Makes up for an evaluation that a signal cut short."""
        super().on_train_begin(logs)
        if self._is_pending:
            self._evaluate()
            self.session.saving.save()  # else each resume would evaluate this step again

    def act(self) -> None:
        # Whatever stops the evaluation loses no step.
        self._is_pending = True
        self.session.saving.save(early=True)
        self._evaluate()

    def _evaluate(self) -> None:
        session = self.session
        started = time.perf_counter()
        result = self.evaluator.evaluate()
        kimg = self.step * session.statistics.images_per_step / 1000
        about = {"run": session.run_dir.name, "flavour": session.config.flavour, "step": self.step}
        result = replace(result, about={**about, "kimg": kimg, **result.about})
        result.write(result_dir(session.run_dir, result))
        figures, metric = result.figures, self.best_metric
        line = {self.prefix + name: figures[name] for name in figures}
        if not (self._is_pending and self._is_recorded(line)):
            session.statistics.add(line)
        sign = -1 if FIGURES[metric].better == "lower" else 1
        best = self.best is None or sign * figures[metric] > sign * self.best["value"]
        if best:
            self.best = {"metric": metric, "value": figures[metric], "step": self.step}
            session.saving.save(best=True)
        self._is_pending = False
        values = " ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in figures.items())
        seconds = f"{time.perf_counter() - started:.0f} s{' | best so far' if best else ''}"
        session.display.say(f"step {self.step} | {self.prefix[:-1]}: {values} | {seconds}")

    def _is_recorded(self, figures: Mapping[str, float]) -> bool:
        """Returns whether the last line of the statistics is that of these figures."""
        last = stats.read(self.session.run_dir)[-1:]
        return any({"step": self.step, **figures}.items() <= line.items() for line in last)


def _metrics_with(figure: str | None) -> list[str]:
    return [metric for metric, figures in METRICS.items() if figure in figures]


def _metric_of(figure: str, obstacles: Mapping[str, str]) -> str:
    """The metric that gives a figure; a UserError if it is not possible."""
    possible = {
        name: metric
        for metric, names in METRICS.items()
        for name in names
        if not obstacles.keys() & {metric, name}
    }
    if figure not in possible:
        ranked = ", ".join(name for name in possible if name in RANKED)
        raise UserError(f"best metric {figure!r} cannot be measured here: choose from {ranked}")
    return possible[figure]
