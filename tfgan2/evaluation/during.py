"""Evaluations while a run trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import runs
from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.evaluate import Possible, check_metrics, evaluate, possible
from tfgan2.evaluation.features import extractor_for
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.references import Cache, cache_folder
from tfgan2.evaluation.report import folder_of, write
from tfgan2.evaluation.samples import (
    LatentSamples,
    Samples,
    TranslatedSamples,
    label_places,
    real_samples,
)

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress
    from tfgan2.models.base import GenerativeModel

_USUAL = ("fid", "prdc", "classes", "modes", "pairs")


class Evaluator:
    """Judges a model that is being trained.

    Attributes:
        prefix: of the names of the figures in the statistics, such as "classifier/": a figure says
            little without its features.
        best_metric: the figure by which the best checkpoint is kept.
    """

    def __init__(
        self,
        config: runs.RunConfig,
        model: GenerativeModel,
        dataset: ImageDataset,
        progress: Progress,
    ) -> None:
        """Trains or loads what is needed.

        Args:
            config: of the run.
            model: what is judged.
            dataset: of the run.
            progress: as for `tfgan2.data.load_dataset`.

        Raises:
            UserError: metrics or features that the data do not allow.
        """
        options = config.training
        self._flavour, self._progress = config.flavour, progress
        self._count = options.evaluate_count
        self._references = Cache(cache_folder())
        latent = hasattr(model, "draw_latents")
        self._reals = real_samples(dataset, held_out=not latent, split=config.data.split)
        self._fakes: Samples = (
            LatentSamples(
                model,
                {},
                0,
                label_places(
                    model.label_names(dataset.class_names), self._reals.dataset.class_names
                ),
            )
            if latent
            else TranslatedSamples(model, dataset.held_out or dataset, {})
        )
        self._extractor = extractor_for(
            options.evaluate_features,
            dataset,
            cache=self._references.folder,
            progress=progress,
        )
        allowed = possible(self._fakes, self._reals, self._extractor, self._count)
        self._metrics = check_metrics(options.evaluate_metrics or []) or tuple(
            name for name in allowed.usual if name in _USUAL
        )
        for metric in self._metrics:  # told now rather than at the first evaluation, an hour later
            allowed.check(metric)
        self.prefix = f"{self._extractor.name if self._extractor else 'points'}/"
        self.best_metric = options.best_metric or ("fid" if self._extractor else "good_samples")
        check_best(self.best_metric)
        self._metrics = _with(self.best_metric, self._metrics, allowed)

    def __call__(self, run: Path, step: int, num_images: int) -> dict[str, float]:
        """Judges the model as it is now.

        Args:
            run: the result goes to its `evaluation/`.
            step: updates done.
            num_images: real images that it has seen, each as often as it saw it.

        Returns:
            The figures, by name without the prefix.

        Raises:
            OSError: the disk refuses.
        """
        found = evaluate(
            self._fakes,
            self._reals,
            self._extractor,
            metrics=self._metrics,
            count=self._count,
            references=self._references,
            progress=self._progress,
        )
        place = {"run": run.name, "flavour": self._flavour, "step": step}
        found = replace(found, who={**place, "kimg": num_images / 1000, **found.who})
        write(folder_of(run, found), found.to_json(), found.pictures)
        return found.figures


def _with(figure: str, metrics: tuple[str, ...], allowed: Possible) -> tuple[str, ...]:
    """The metrics, and that which has this figure."""
    for metric, figures in allowed.figures.items():
        if figure in figures:
            return metrics if metric in metrics else (*metrics, metric)
    known = [name for figures in allowed.figures.values() for name in figures]
    better = ", ".join(name for name in known if FIGURES[name].better)
    raise UserError(f"best metric {figure!r} cannot be measured here: choose from {better}")


def check_best(name: str) -> None:
    """Raises a UserError unless one value of this figure is better than another."""
    judged = [key for key, figure in FIGURES.items() if figure.better]
    if name not in judged:
        raise unknown("figure", name, judged)


def is_better(name: str, value: float, than: float | None) -> bool:
    """Whether a figure's value is better than another, or the first."""
    if than is None:
        return True
    return value < than if FIGURES[name].better == "lower" else value > than
