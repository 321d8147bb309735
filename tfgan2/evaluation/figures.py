"""The figures of an evaluation: what they are called, mean, and which of two is the better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A number that an evaluation gives.

    Attributes:
        title: for tables.
        meaning: in a line.
        better: "lower" or "higher"; "" where neither is.
        digits: after the point.
        percent: whether it is a share, 0…1.
    """

    title: str
    meaning: str
    better: str
    digits: int = 2
    percent: bool = False

    def text(self, value: float) -> str:
        """A value for people."""
        if self.percent:
            return f"{value:.1%}"
        return f"{value:,.{self.digits}f}"


FIGURES = {
    "fid": Figure("FID", "Fréchet distance of the features (Heusel et al. 2017)", "lower", 3),
    "kid": Figure(
        "KID",
        "kernel distance of the features, mean over subsets (Bińkowski et al. 2018)",
        "lower",
        5,
    ),
    "kid_std": Figure("KID std", "over the subsets", "", 5),
    "is": Figure(
        "IS", "inception score: sure of each, varied in all (Salimans et al. 2016)", "higher", 3
    ),
    "is_std": Figure("IS std", "over the splits", "", 3),
    "is_real": Figure("IS of reals", "what the reference itself reaches", "", 3),
    "precision": Figure(
        "precision",
        "samples that lie among the real (Kynkäänniemi et al. 2019)",
        "higher",
        percent=True,
    ),
    "recall": Figure("recall", "real images that lie among the samples", "higher", percent=True),
    "density": Figure(
        "density",
        "how densely reals lie around samples, 1 as around reals (Naeem et al. 2020)",
        "higher",
        3,
    ),
    "coverage": Figure("coverage", "real images with a sample near", "higher", percent=True),
    "classes_found": Figure(
        "classes", "shown at least a tenth as often as in the data", "higher", 0
    ),
    "rarest_class": Figure("rarest class", "its share of the samples", "higher", percent=True),
    "label_accuracy": Figure(
        "labels right", "samples that show the class asked for", "higher", percent=True
    ),
    "modes_found": Figure("modes", "with at least one good sample", "higher", 0),
    "good_samples": Figure(
        "good", "samples within 3 standard deviations of a mode", "higher", percent=True
    ),
    "mode_kl": Figure("KL", "of the modes to the data's, in nats", "lower", 3),
    "l1": Figure("L1", "to what was to come out, in steps of 0…255", "lower", 2),
    "psnr": Figure("PSNR", "to what was to come out, in dB", "higher", 2),
}
