"""Evaluations while a run trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import runs
from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.evaluate import SampleEvaluator
from tfgan2.evaluation.figures import FIGURES, METRICS, RANKED
from tfgan2.evaluation.request import EvaluationRequest
from tfgan2.evaluation.result import result_dir
from tfgan2.evaluation.samples import run_samples

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress
    from tfgan2.models.base import GenerativeModel
    from tfgan2.options import TrainingOptions

_DEFAULT_METRICS = ("fid", "prdc", "classes", "modes", "pairs")


class Evaluator(SampleEvaluator):
    """Evaluates a model that is being trained.

    Attributes:
        prefix: of the names of the figures in the statistics, such as "classifier/".
        best_metric: the figure by which the best checkpoint is chosen.
    """

    def __init__(
        self,
        config: runs.RunConfig,
        model: GenerativeModel,
        dataset: ImageDataset,
        progress: Progress,
    ) -> None:
        """Trains or loads the feature extractor.

        Raises:
            UserError: metrics or features that the data do not allow.
        """
        options, self._flavour = config.training, config.flavour
        request = request_of(options)
        samples, reals = run_samples(model, dataset, {}, request.seed, config.data.split)
        super().__init__(samples, reals, request, progress)
        if request.metrics is None:
            self.metrics = tuple(name for name in self.metrics if name in _DEFAULT_METRICS)
        self.prefix = f"{self.extractor.name if self.extractor else 'points'}/"
        self.best_metric = options.best_metric or ("fid" if self.extractor else "good_samples")
        self.metrics = tuple(dict.fromkeys([*self.metrics, self._metric_of(self.best_metric)]))

    def _metric_of(self, figure: str) -> str:
        possible = {
            figure: metric
            for metric, figures in METRICS.items()
            for figure in figures
            if not self.obstacles.keys() & {metric, figure}
        }
        if figure not in possible:
            ranked = ", ".join(name for name in possible if name in RANKED)
            raise UserError(f"best metric {figure!r} cannot be measured here: choose from {ranked}")
        return possible[figure]

    def __call__(self, run_dir: Path, step: int, num_images: int) -> dict[str, float]:
        """Evaluates the model as it is now and writes the result to the run's `evaluation/`.

        Args:
            run_dir: the run directory.
            step: training steps done.
            num_images: real images shown, counted each time.

        Returns:
            The figures, by name without the prefix.
        """
        evaluation = self.evaluate()
        about = {"run": run_dir.name, "flavour": self._flavour, "step": step}
        about = {**about, "kimg": num_images / 1000, **evaluation.about}
        evaluation = replace(evaluation, about=about)
        evaluation.write(result_dir(run_dir, evaluation))
        return evaluation.figures


def request_of(options: TrainingOptions) -> EvaluationRequest:
    """Returns the request of each evaluation; raises a UserError for what no data would allow."""
    if options.best_metric is not None and options.best_metric not in RANKED:
        raise unknown("figure", options.best_metric, RANKED)
    return EvaluationRequest(
        metrics=options.evaluate_metrics or None,
        features=options.evaluate_features,
        count=options.evaluate_count,
    )


def is_better(name: str, value: float, best: float | None) -> bool:
    """Returns whether a figure's value is better than the best so far, or the first."""
    if best is None:
        return True
    return value < best if FIGURES[name].better == "lower" else value > best
