"""The metrics by name, and which of them given samples and features allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.samples import RealSamples, Samples
from tfgan2.images import is_points

METRICS = {
    "fid": ("fid",),
    "kid": ("kid", "kid_std"),
    "is": ("is", "is_std", "is_real"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "classes": ("classes_found", "rarest_class"),
    "modes": ("modes_found", "mode_kl"),
    "pairs": ("l1", "psnr"),
    "neighbours": (),
}
"""The figures of each metric; `neighbours` gives images only."""

PRDC_NEIGHBOURS = 5


def check_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Returns metrics without duplicates; raises a UserError for an unknown one."""
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class AvailableMetrics:
    """The metrics that samples and features allow.

    Attributes:
        default: the metrics that are computed unless others are requested.
        obstacles: why each other metric is not possible.
        figures: the names of the figures of each possible metric.
    """

    default: tuple[str, ...]
    obstacles: dict[str, str]
    figures: dict[str, tuple[str, ...]]

    def choose(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Returns the requested metrics, or the default ones for None.

        Raises:
            UserError: a metric is unknown or not possible.
        """
        if names is None:
            return self.default
        for name in (names := check_metrics(names)):
            if name in self.obstacles:
                raise UserError(f"metric {name!r} is not possible: {self.obstacles[name]}")
        return names

    def metric_of(self, figure: str) -> str:
        """Returns the metric that has a figure.

        Raises:
            UserError: no possible metric has it.
        """
        for metric, figures in self.figures.items():
            if figure in figures:
                return metric
        names = [name for figures in self.figures.values() for name in figures]
        ranked = ", ".join(name for name in names if FIGURES[name].better)
        raise UserError(f"best metric {figure!r} cannot be measured here: choose from {ranked}")


def available_metrics(
    samples: Samples, reals: RealSamples, extractor: Extractor | None, count: int
) -> AvailableMetrics:
    """Returns the possible metrics; the arguments are those of `evaluate_samples`."""
    if is_points(reals.image_shape):
        obstacles = {name: "points have modes only" for name in METRICS if name != "modes"}
        return AvailableMetrics(("modes",), obstacles, {"modes": ("modes_found", "good_samples")})
    assert extractor is not None
    obstacles = {}
    if not extractor.num_classes:
        obstacles["is"] = f"{extractor.name!r} has no classes, give classifier or inception"
    if not extractor.class_names:
        obstacles["classes"] = obstacles["modes"] = (
            f"{extractor.name!r} does not predict the dataset's classes, give classifier"
        )
    elif reals.dataset.name != "stacked_mnist":
        obstacles["modes"] = "only ring8, grid25 and stacked_mnist have known modes"
    else:
        obstacles["classes"] = "the classes of stacked_mnist are its modes, give modes"
    if not samples.paired:
        obstacles["pairs"] = "these samples have no targets"
    default = [name for name in METRICS if name not in obstacles]
    if min(count, samples.count or count, reals.dataset.num_images) <= PRDC_NEIGHBOURS:
        obstacles["prdc"] = f"it needs more than {PRDC_NEIGHBOURS} samples and real images"
        default.remove("prdc")
    if extractor.name.startswith("inception"):
        default.remove("neighbours")  # takes as long as all others together
    figures = {name: of for name, of in METRICS.items() if name not in obstacles}
    if "classes" in figures and samples.labelled:
        figures["classes"] += ("label_accuracy",)
    return AvailableMetrics(tuple(default), obstacles, figures)
