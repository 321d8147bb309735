"""Evaluations while a run trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import runs
from tfgan2.errors import unknown
from tfgan2.evaluation.available import available_metrics
from tfgan2.evaluation.cache import ArrayCache, default_cache_dir
from tfgan2.evaluation.evaluate import evaluate_samples
from tfgan2.evaluation.features import make_extractor
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.result import run_result_dir
from tfgan2.evaluation.samples import (
    Samples,
    label_classes,
    model_samples,
    real_samples,
    translated_samples,
)

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.data.dataset import Progress
    from tfgan2.models.base import GenerativeModel

_DEFAULT_METRICS = ("fid", "prdc", "classes", "modes", "pairs")


class Evaluator:
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

        Args:
            config: of the run.
            model: the model to evaluate.
            dataset: of the run.
            progress: as for `evaluate_samples`.

        Raises:
            UserError: metrics or features that the data do not allow.
        """
        options = config.training
        self._flavour, self._progress = config.flavour, progress
        self._count = options.evaluate_count
        self._cache = ArrayCache(default_cache_dir())
        translates = not hasattr(model, "draw_latents")
        self._reals = real_samples(dataset, held_out=translates, split=config.data.split)
        self._samples: Samples
        if translates:
            self._samples = translated_samples(model, dataset.held_out or dataset, {})
        else:
            names = model.label_names(dataset.class_names)
            classes = label_classes(names, self._reals.dataset.class_names)
            self._samples = model_samples(model, {}, 0, classes)
        self._extractor = make_extractor(
            options.evaluate_features, dataset, cache_dir=self._cache.directory, progress=progress
        )
        available = available_metrics(self._samples, self._reals, self._extractor, self._count)
        metrics = available.choose(options.evaluate_metrics or None)
        if not options.evaluate_metrics:
            metrics = tuple(name for name in metrics if name in _DEFAULT_METRICS)
        self.prefix = f"{self._extractor.name if self._extractor else 'points'}/"
        self.best_metric = options.best_metric or ("fid" if self._extractor else "good_samples")
        check_best(self.best_metric)
        self._metrics = tuple(dict.fromkeys([*metrics, available.metric_of(self.best_metric)]))

    def __call__(self, run_dir: Path, step: int, num_images: int) -> dict[str, float]:
        """Evaluates the model as it is now and writes the result to the run's `evaluation/`.

        Args:
            run_dir: the run directory.
            step: training steps done.
            num_images: real images shown, counted each time.

        Returns:
            The figures, by name without the prefix.

        Raises:
            OSError: the result cannot be written.
        """
        evaluation = evaluate_samples(
            self._samples,
            self._reals,
            self._extractor,
            metrics=self._metrics,
            count=self._count,
            cache=self._cache,
            progress=self._progress,
        )
        about = {"run": run_dir.name, "flavour": self._flavour, "step": step}
        about = {**about, "kimg": num_images / 1000, **evaluation.about}
        evaluation = replace(evaluation, about=about)
        evaluation.write(run_result_dir(run_dir, evaluation))
        return evaluation.figures


def check_best(name: str) -> None:
    """Raises a UserError unless the figure has a better direction."""
    ranked = [key for key, figure in FIGURES.items() if figure.better]
    if name not in ranked:
        raise unknown("figure", name, ranked)


def is_better(name: str, value: float, best: float | None) -> bool:
    """Returns whether a figure's value is better than the best so far, or the first."""
    if best is None:
        return True
    return value < best if FIGURES[name].better == "lower" else value > best
