"""Judges images by real ones, under a protocol that says what the figures can be compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from tfgan2.data.points import modes, quality
from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import Extracted, Extractor
from tfgan2.evaluation.references import Cache
from tfgan2.evaluation.report import FORMAT
from tfgan2.evaluation.samples import Chunk, RealSamples, Samples
from tfgan2.evaluation.summary import BANK, SPLITS, Summary
from tfgan2.images import from_uint8, is_points
from tfgan2.metrics import (
    frechet_distance,
    kid,
    label_accuracy,
    modes_found,
    nearest_neighbours,
    prdc,
    psnr,
)

Progress = Callable[[str, int, int], None]
Pictures = dict[str, tuple[np.ndarray, int | None, str]]

METRICS = {
    "fid": "Fréchet distance of the features",
    "kid": "kernel distance of the features",
    "is": "inception score",
    "prdc": "precision, recall, density and coverage",
    "classes": "classes found, and labels right",
    "modes": "modes of ring8, grid25 and stacked_mnist",
    "pairs": "L1 and PSNR to what was to come out",
    "neighbours": "the nearest real images of samples, as a picture",
}
_FIGURES = {
    "fid": ("fid",),
    "kid": ("kid", "kid_std"),
    "is": ("is", "is_std", "is_real"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "pairs": ("l1", "psnr"),
    "neighbours": (),
}
NEAREST = 5
KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
FOUND = 0.1
"""A class is found that is seen this often in the samples, as a share of how often in the reals."""

_QUERIES, _NEIGHBOURS, _SHOWN = 8, 6, 64


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        figures: by the names of `tfgan2.evaluation.figures.FIGURES`.
        protocol: what they can be compared under; JSON.
        who: what was judged; JSON.
        pictures: images in [-1, 1], shape (N, H, W, C), columns and a caption, by name.
    """

    figures: dict[str, float]
    protocol: dict[str, Any]
    who: dict[str, Any]
    pictures: Pictures

    @property
    def protocol_id(self) -> str:
        """8 hexadecimal digits, equal for equal protocols."""
        return hashlib.sha256(json.dumps(self.protocol, sort_keys=True).encode()).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        return {
            "tfgan2_evaluation": FORMAT,
            "who": self.who,
            "figures": self.figures,
            "protocol_id": self.protocol_id,
            "protocol": self.protocol,
        }


def check_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The metrics asked for, each once; raises a UserError for an unknown one."""
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    return tuple(dict.fromkeys(names))


def evaluate(
    fakes: Samples,
    reals: RealSamples,
    extractor: Extractor | None,
    *,
    metrics: Sequence[str] | None = None,
    count: int = 10_000,
    seed: int = 0,
    references: Cache | None = None,
    progress: Progress = lambda text, done, total: None,
) -> Evaluation:
    """Judges samples by real images.

    Args:
        fakes: what is judged.
        reals: of the same shape; all of them are used, for KID and PRDC the first 10,000.
        extractor: of features; None for points.
        metrics: some of `METRICS`; default: all that the samples allow.
        count: how many samples; fewer where there are fewer.
        seed: of the subsets of KID.
        references: keeps what is known of the reals, or None.
        progress: is told what is being done, how much of it is done, and of how much.

    Raises:
        UserError: an unknown metric or one that these samples do not allow, images of another shape
            than the real ones, or too few.
    """
    if tuple(fakes.image_shape) != tuple(reals.image_shape):
        raise UserError(
            f"samples of {_shape(fakes)} cannot be judged by images of {_shape(reals)}: "
            "give a reference of that size"
        )
    count = min(count, fakes.most or count)
    if min(count, reals.dataset.num_images) < 2:
        raise UserError("one image tells nothing: give 2 or more of either side")
    allowed = possible(fakes, reals, extractor, count)
    chosen = check_metrics(metrics) if metrics is not None else allowed.usual
    for name in chosen:
        allowed.check(name)
    if extractor is None:
        return _of_points(fakes, reals, count)
    return _Judge(fakes, reals, extractor, chosen, count, seed, references, progress).judge()


@dataclass(frozen=True)
class Possible:
    """Which metrics make sense.

    Attributes:
        usual: what is taken if nobody chooses.
        why_not: of each other, why it does not.
        figures: of each that does, the names of its figures.
    """

    usual: tuple[str, ...]
    why_not: dict[str, str]
    figures: dict[str, tuple[str, ...]]

    def check(self, name: str) -> None:
        """Raises a UserError unless the metric makes sense."""
        if name in self.why_not:
            raise UserError(f"metric {name!r} is not possible: {self.why_not[name]}")


def possible(
    fakes: Samples, reals: RealSamples, extractor: Extractor | None, count: int
) -> Possible:
    """Which metrics make sense; the arguments are those of `evaluate`."""
    if is_points(reals.image_shape):
        others = {name: "points are judged by their modes" for name in METRICS if name != "modes"}
        return Possible(("modes",), others, {"modes": ("modes_found", "good_samples")})
    assert extractor is not None
    why_not = {}
    named = f"features {extractor.name!r} name no classes"
    if not extractor.num_classes:
        why_not["is"] = f"{named}, give classifier or inception"
    if not extractor.class_names:
        why_not["classes"] = why_not["modes"] = f"{named} of the data, give classifier"
    elif reals.dataset.name != "stacked_mnist":
        why_not["modes"] = "ring8, grid25 and stacked_mnist alone have known modes"
    else:
        why_not["classes"] = "stacked_mnist has modes, give that"
    if not fakes.paired:
        why_not["pairs"] = "no sample has an image that it should have been"
    usual = [name for name in METRICS if name not in why_not]
    if min(count, fakes.most or count, reals.dataset.num_images) <= NEAREST:
        why_not["prdc"] = f"it needs more than {NEAREST} samples and real images"
        usual.remove("prdc")
    if extractor.name.startswith("inception"):
        usual.remove("neighbours")  # as slow as the rest together
    classes = ("classes_found", "rarest_class", *["label_accuracy"] * fakes.labelled)
    figures = {**_FIGURES, "classes": classes, "modes": ("modes_found", "mode_kl")}
    figures = {name: found for name, found in figures.items() if name not in why_not}
    return Possible(tuple(usual), why_not, figures)


class _Judge:
    """One evaluation of pictures."""

    def __init__(
        self,
        fakes: Samples,
        reals: RealSamples,
        extractor: Extractor,
        metrics: Sequence[str],
        count: int,
        seed: int,
        references: Cache | None,
        progress: Progress,
    ) -> None:
        self._fakes, self._reals, self._extractor = fakes, reals, extractor
        self._metrics, self._count, self._seed = metrics, count, seed
        self._references, self._progress = references, progress
        self._real_count = reals.dataset.num_images
        self._first: list[np.ndarray] = []
        self._seen: list[np.ndarray] = []
        self._asked: list[np.ndarray] = []
        self._absolute = self._square = 0.0
        self._values = 0

    def judge(self) -> Evaluation:
        made = Summary(self._count)
        for chunk, extracted in self._extracted(self._fakes, self._count, "judging samples"):
            made.update(extracted)
            self._keep(chunk, extracted)
        real, nearest = self._judged_reals(made)
        return Evaluation(
            self._figures(made, real),
            self._protocol(made, real),
            dict(self._fakes.who),
            self._pictures(nearest),
        )

    def _extracted(
        self, samples: Samples, count: int, what: str
    ) -> Iterator[tuple[Chunk, Extracted]]:
        done = 0
        self._progress(what, done, count)
        for chunk in samples.chunks(count):
            yield chunk, self._extractor(chunk.images)
            done += len(chunk.images)
            self._progress(what, done, count)

    def _keep(self, chunk: Chunk, extracted: Extracted) -> None:
        if sum(len(images) for images in self._first) < _SHOWN:
            self._first.append(chunk.images[:_SHOWN])
        if extracted.probabilities is not None:
            self._seen.append(extracted.probabilities.argmax(axis=1))
        if chunk.labels is not None:
            self._asked.append(chunk.labels)
        if chunk.targets is not None:
            difference = chunk.images.astype(np.float64) - chunk.targets
            self._absolute += float(np.abs(difference).sum())
            self._square += float(np.square(difference).sum())
            self._values += difference.size

    # --- the reference ---------------------------------------------------------------------------

    def _judged_reals(self, made: Summary) -> tuple[Summary, np.ndarray | None]:
        """What is known of the real images, from the cache or in one pass over them.

        Returns:
            That, and of the first samples the numbers of the nearest real images, shape
            (N, _NEIGHBOURS), if they are asked for.
        """
        key: dict[str, Any] = {}
        known = None
        if self._references is not None:
            key = {
                "features": [self._extractor.name, self._extractor.protocol],
                "reference": self._reals.facts,
                "content": self._reals.content,
                "kept": [BANK, SPLITS],
                "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
            }
            known = self._references.load(key)
        real = Summary(self._real_count) if known is None else Summary.of_arrays(known)

        def features() -> Iterator[np.ndarray]:
            images = self._extracted(self._reals, self._real_count, "judging real images")
            for _, extracted in images:
                if known is None:
                    real.update(extracted)
                yield extracted.features

        nearest = None
        if "neighbours" in self._metrics:
            queries, wanted = made.bank[:_QUERIES], min(_NEIGHBOURS, self._real_count)
            nearest = nearest_neighbours(queries, features(), nearest=wanted).indices
        elif known is None:
            for _ in features():
                pass
        if known is None and self._references is not None:
            self._references.save(key, real.arrays())
        return real, nearest

    # --- what is found ---------------------------------------------------------------------------

    def _figures(self, made: Summary, real: Summary) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in self._metrics:
            match name:
                case "fid":
                    found["fid"] = frechet_distance(*made.statistics(), *real.statistics())
                case "kid":
                    sizes = {"subsets": KID_SUBSETS, "subset_size": KID_SUBSET_SIZE}
                    distance = kid(real.bank, made.bank, seed=self._seed, **sizes)
                    found |= {"kid": distance.mean, "kid_std": distance.std}
                case "is":
                    scores = made.inception_scores()
                    found |= {"is": scores.mean(), "is_std": scores.std()}
                    found["is_real"] = real.inception_scores().mean()
                case "prdc":
                    found |= prdc(real.bank, made.bank, nearest=NEAREST)._asdict()
                case "classes":
                    found |= self._classes(made, real)
                case "modes":
                    modes_seen = modes_found(
                        np.concatenate(self._seen), len(self._extractor.class_names)
                    )
                    found |= {"modes_found": modes_seen.found, "mode_kl": modes_seen.divergence}
                case "pairs":
                    mean_square = self._square / self._values
                    error = np.full(1, np.sqrt(mean_square))
                    found["l1"] = self._absolute / self._values
                    found["psnr"] = psnr(error, np.zeros(1), 255.0)
        return {name: float(value) for name, value in found.items()}

    def _classes(self, made: Summary, real: Summary) -> dict[str, float]:
        assert made.classes is not None and real.classes is not None
        shares = made.classes / made.classes.sum()
        own = real.classes / real.classes.sum()
        found = {
            "classes_found": float(np.count_nonzero((made.classes > 0) & (shares >= FOUND * own))),
            "rarest_class": float(shares.min()),
        }
        if self._asked:
            asked = np.concatenate(self._asked)
            found["label_accuracy"] = label_accuracy(np.concatenate(self._seen), asked)
        return found

    def _protocol(self, made: Summary, real: Summary) -> dict[str, Any]:
        protocol: dict[str, Any] = {
            "tfgan2": version("tfgan2"),
            "features": {"name": self._extractor.name, **self._extractor.protocol},
            "reference": {**self._reals.facts, "images": self._real_count},
            "samples": {**self._fakes.facts, "images": self._count},
        }
        # Told whatever was asked for, so that figures of one protocol have one id.
        banks = {"samples": len(made.bank), "real_images": len(real.bank)}
        size = min(KID_SUBSET_SIZE, *banks.values())
        protocol["kid"] = {
            "subsets": KID_SUBSETS,
            "subset_size": size,
            "seed": self._seed,
            **banks,
        }
        protocol["prdc"] = {"nearest": NEAREST, **banks}
        if self._extractor.num_classes:
            protocol["is"] = {"splits": SPLITS}
        return protocol

    def _pictures(self, nearest: np.ndarray | None) -> Pictures:
        first = np.concatenate(self._first)[:_SHOWN]
        caption = f"the first {len(first)} samples"
        pictures: Pictures = {"samples": (from_uint8(first), None, caption)}
        if nearest is not None:
            found = self._real_images(nearest)
            rows = np.concatenate([first[: len(found), None], found], axis=1)
            pictures["neighbours"] = (
                from_uint8(rows.reshape(-1, *rows.shape[2:])),
                rows.shape[1],
                "on the left samples, beside each the real images whose features are nearest: were "
                "they the same, the model would have learnt them by heart",
            )
        return pictures

    def _real_images(self, numbers: np.ndarray) -> np.ndarray:
        """The real images of these numbers, uint8, shape (*numbers.shape, H, W, C)."""
        images = np.zeros((*numbers.shape, *self._reals.image_shape), np.uint8)
        start = 0
        for chunk in self._reals.chunks(int(numbers.max()) + 1):
            here = (numbers >= start) & (numbers < start + len(chunk.images))
            images[here] = chunk.images[numbers[here] - start]
            start += len(chunk.images)
        return images


def _of_points(fakes: Samples, reals: RealSamples, count: int) -> Evaluation:
    points = np.concatenate([chunk.images for chunk in fakes.chunks(count)])
    found = quality(points, reals.dataset.name)
    protocol = {
        "tfgan2": version("tfgan2"),
        "reference": {"dataset": reals.dataset.name, "modes": len(modes(reals.dataset.name))},
        "samples": {**fakes.facts, "images": len(points)},
    }
    figures = {"modes_found": float(found.modes_found), "good_samples": found.good}
    pictures: Pictures = {"samples": (points, None, f"{len(points):,} samples")}
    return Evaluation(figures, protocol, dict(fakes.who), pictures)


def _shape(samples: Samples) -> str:
    return "x".join(map(str, samples.image_shape))
