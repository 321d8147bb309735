"""The metrics, and the figures that they give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tfgan2.errors import unknown

METRICS = {
    "fid": ("fid",),
    "kid": ("kid", "kid_std"),
    "is": ("is", "is_std", "is_real"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "classes": ("classes_found", "rarest_class", "label_accuracy"),
    "modes": ("modes_found", "mode_kl", "good_samples"),
    "pairs": ("l1", "psnr"),
    "neighbours": (),
}
"""The figures of each metric; `neighbours` gives images only."""


def check_metrics(names: Iterable[str]) -> None:
    """Raises a UserError for an unknown metric."""
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)


@dataclass(frozen=True)
class Figure:
    """A number that an evaluation gives.

    Attributes:
        title: for tables.
        meaning: in a line.
        better: "lower", "higher", or "" if neither is better.
        digits: after the decimal point.
        percent: whether the value is a fraction, 0…1, shown in percent.
    """

    title: str
    meaning: str
    better: str = ""
    digits: int = 2
    percent: bool = False

    def text(self, value: float) -> str:
        """Formats a value for people."""
        return f"{value:.1%}" if self.percent else f"{value:,.{self.digits}f}"


FIGURES = {
    "fid": Figure("FID", "Fréchet distance of the features (Heusel et al. 2017)", "lower", 3),
    "kid": Figure(
        "KID", "kernel distance of the features, over subsets (Bińkowski et al. 2018)", "lower", 5
    ),
    "kid_std": Figure("KID std", "standard deviation over the subsets", digits=5),
    "is": Figure(
        "IS", "inception score: clear and varied classes (Salimans et al. 2016)", "higher", 3
    ),
    "is_std": Figure("IS std", "standard deviation over the splits", digits=3),
    "is_real": Figure("IS of reals", "inception score of the real images", digits=3),
    "precision": Figure(
        "precision", "samples near real images (Kynkäänniemi et al. 2019)", "higher", percent=True
    ),
    "recall": Figure("recall", "real images near samples", "higher", percent=True),
    "density": Figure(
        "density", "real images near a sample; real ones have 1 (Naeem et al. 2020)", "higher", 3
    ),
    "coverage": Figure("coverage", "real images with a sample nearby", "higher", percent=True),
    "classes_found": Figure("classes", "at least a tenth as frequent as in the data", "higher", 0),
    "rarest_class": Figure("rarest class", "its share of the samples", "higher", percent=True),
    "label_accuracy": Figure(
        "labels right", "samples that show the requested class", "higher", percent=True
    ),
    "modes_found": Figure("modes", "with at least one good sample", "higher", 0),
    "good_samples": Figure(
        "good", "samples within 3 standard deviations of a mode", "higher", percent=True
    ),
    "mode_kl": Figure("KL", "divergence of the modes from the data's, in nats", "lower", 3),
    "l1": Figure("L1", "mean absolute difference from the target, on a scale of 0…255", "lower"),
    "psnr": Figure("PSNR", "peak signal-to-noise ratio to the target, in dB", "higher"),
}
RANKED = tuple(name for name, figure in FIGURES.items() if figure.better)
"""The figures that have a better direction."""
