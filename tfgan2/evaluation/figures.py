"""The metrics, and the figures that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfgan2.errors import unknown
from tfgan2.metrics import frechet_distance, kid, modes_found, prdc, psnr

KID_SIZES = {"subsets": 100, "subset_size": 1000}
PRDC_NEIGHBOURS = 5
CLASS_FOUND = 0.1
"""A class counts as found above this fraction of its frequency in the real images."""

METRICS = {
    "fid": ("fid",),
    "kid": ("kid", "kid_std"),
    "is": ("is", "is_std"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "classes": ("classes_found", "rarest_class", "label_accuracy"),
    "intra": ("intra_fid", "intra_fid_worst"),
    "modes": ("modes_found", "mode_kl", "good_samples"),
    "pairs": ("l1", "psnr"),
    "neighbours": (),
}
"""The figures of each metric; `neighbours` gives images only."""
ON_REQUEST = ("intra",)
"""Metrics that are computed only if they are named: those that need much memory."""


def check_best(name: str) -> None:
    """Raises a UserError unless the figure has a better direction."""
    if name not in RANKED:
        raise unknown("figure", name, RANKED)


@dataclass(frozen=True)
class Figure:
    """A number that an evaluation gives: its title, its meaning in a line, and which is better.

    `better` is "lower", "higher" or "". A value without `digits` is a fraction, shown in percent.
    """

    title: str
    meaning: str
    better: str = ""
    digits: int | None = 2

    def text(self, value: float) -> str:
        """Formats a value for people."""
        return f"{value:.1%}" if self.digits is None else f"{value:,.{self.digits}f}"


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
    "precision": Figure(
        "precision", "samples near real images (Kynkäänniemi et al. 2019)", "higher", None
    ),
    "recall": Figure("recall", "real images near samples", "higher", None),
    "density": Figure(
        "density", "real images near a sample; real ones have 1 (Naeem et al. 2020)", "higher", 3
    ),
    "coverage": Figure("coverage", "real images with a sample nearby", "higher", None),
    "classes_found": Figure("classes", "at least a tenth as frequent as in the data", "higher", 0),
    "rarest_class": Figure("rarest class", "its share of the samples", "higher", None),
    "label_accuracy": Figure(
        "labels right", "samples that show the requested class", "higher", None
    ),
    "intra_fid": Figure(
        "intra FID", "mean of the FIDs of each class (Miyato and Koyama 2018)", "lower", 3
    ),
    "intra_fid_worst": Figure("worst class", "the largest of the FIDs of each class", "lower", 3),
    "modes_found": Figure("modes", "with at least one good sample", "higher", 0),
    "good_samples": Figure(
        "good", "samples within 3 standard deviations of a mode", "higher", None
    ),
    "mode_kl": Figure(
        "KL", "divergence of the modes from the uniform distribution, in nats", "lower", 3
    ),
    "l1": Figure("L1", "mean absolute difference from the target, on a scale of 0…255", "lower"),
    "psnr": Figure("PSNR", "peak signal-to-noise ratio to the target, in dB", "higher"),
}
RANKED = tuple(name for name, figure in FIGURES.items() if figure.better)
"""The figures that have a better direction."""


def compute_figures(
    metric: str, generated: dict[str, np.ndarray], real: dict[str, np.ndarray], seed: int
) -> dict[str, float]:
    """Computes the figures of a metric from summaries of samples and real images."""
    values: Sequence[float] = ()
    match metric:
        case "fid":
            sides = [(each["mean"], each["covariance"]) for each in (generated, real)]
            values = (frechet_distance(*sides[0], *sides[1]),)
        case "kid":
            values = kid(real["bank"], generated["bank"], seed=seed, **KID_SIZES)
        case "is":
            scores = generated["inception_scores"]
            values = scores.mean(), scores.std()
        case "prdc":
            values = prdc(real["bank"], generated["bank"], neighbours=PRDC_NEIGHBOURS)
        case "classes":
            counts = generated["classes"]
            shares, real_shares = (x["classes"] / x["classes"].sum() for x in (generated, real))
            found = (counts > 0) & (shares >= CLASS_FOUND * real_shares)
            accuracy = [generated["right"].sum() / counts.sum()] if "right" in generated else []
            values = found.sum(), shares.min(), *accuracy
        case "intra":
            distances = generated["intra"]
            values = distances.mean(), distances.max()
        case "modes":
            values = modes_found(generated["classes"])
        case "pairs":
            absolute, squared, number = generated["errors"]
            root = np.full(1, np.sqrt(squared / number))
            values = absolute / number, psnr(root, np.zeros(1), 255.0)
    return dict(zip(METRICS[metric], map(float, values), strict=False))
