"""Compares samples with real images under a protocol that is part of the result."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.data.points import modes, quality
from tfgan2.errors import UserError
from tfgan2.evaluation.cache import CachedArrays, default_cache_dir
from tfgan2.evaluation.extractor import BANK_SIZE, SPLITS, Extracted, FeatureSummary
from tfgan2.evaluation.features import make_extractor
from tfgan2.evaluation.figures import METRICS
from tfgan2.evaluation.request import EvaluationRequest
from tfgan2.evaluation.result import Evaluation, Sheet
from tfgan2.evaluation.samples import Chunk, RealSamples, Samples
from tfgan2.images import from_uint8
from tfgan2.metrics import frechet_distance, kid, modes_found, nearest_neighbours, prdc, psnr

if TYPE_CHECKING:
    from tfgan2.data import Progress

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
PRDC_NEIGHBOURS = 5
CLASS_FOUND = 0.1
"""A class counts as found above this fraction of its frequency in the real images."""

_QUERIES, _NEIGHBOURS, _SHOWN = 8, 6, 64


class SampleEvaluator:
    """Compares samples with real images, as often as `evaluate` is called.

    Attributes:
        samples: the images to evaluate.
        reals: of the same shape; all of them are used, by KID and PRDC the first 10,000.
        request: its metrics, features, count, seed and cache directory are used.
        extractor: of features; None for points.
        count: number of samples, reduced to those that exist.
        obstacles: the metrics and figures that are not possible, with the reason.
        metrics: the metrics to compute: those requested, or all that are possible.
    """

    def __init__(
        self, samples: Samples, reals: RealSamples, request: EvaluationRequest, progress: Progress
    ) -> None:
        """Trains or loads the feature extractor.

        Raises:
            UserError: a metric or features that are not possible, samples of another shape than the
                real images, or fewer than 2 of either.
        """
        self.samples, self.reals, self.request, self.progress = samples, reals, request, progress
        if tuple(samples.image_shape) != tuple(reals.image_shape):
            own, other = ("x".join(map(str, each.image_shape)) for each in (samples, reals))
            raise UserError(
                f"samples of {own} cannot be compared with images of {other}: "
                "give real images of that size"
            )
        self.count = min(request.count, samples.count or request.count)
        if min(self.count, reals.dataset.num_images) < 2:
            raise UserError("at least 2 real and 2 generated images are needed")
        self._cache_dir = request.cache_dir or default_cache_dir()
        self.extractor = make_extractor(
            request.features, reals.training_data, cache_dir=self._cache_dir, progress=progress
        )
        self._classes = self._label_classes()
        self.obstacles = self._find_obstacles()
        for name in request.metrics or []:
            if name in self.obstacles:
                raise UserError(f"metric {name!r} is not possible: {self.obstacles[name]}")
        possible = [name for name in METRICS if name not in self.obstacles]
        if self.extractor is not None and self.extractor.name.startswith("inception"):
            possible.remove("neighbours")  # takes as long as all others together
        chosen = possible if request.metrics is None else request.metrics
        self.metrics = tuple(dict.fromkeys(chosen))

    def _label_classes(self) -> np.ndarray | None:
        """The class that each label of the samples means, or None if one of them means no class."""
        labels = self.samples.label_names
        classes = self.extractor.class_names if self.extractor else ()
        if not labels or not set(labels) <= set(classes):
            return None
        return np.array([classes.index(name) for name in labels])

    def _find_obstacles(self) -> dict[str, str]:
        extractor, real_images = self.extractor, self.reals.dataset
        if extractor is None:
            names = {*METRICS, "mode_kl"} - {"modes"}
            return dict.fromkeys(names, "points have modes only")
        stacked = real_images.name == "stacked_mnist"
        predicts = bool(extractor.class_names)
        no_classes = f"{extractor.name!r} has no classes, give classifier or inception"
        others = f"{extractor.name!r} does not predict the dataset's classes, give classifier"
        enough = min(self.count, real_images.num_images) > PRDC_NEIGHBOURS
        labelled = self._classes is not None
        # Where two reasons apply, the last counts.
        conditions = (
            ("is", extractor.num_classes, no_classes),
            ("prdc", enough, f"it needs more than {PRDC_NEIGHBOURS} samples and real images"),
            ("classes", not stacked, "the classes of stacked_mnist are its modes, give modes"),
            ("classes", predicts, others),
            ("label_accuracy", labelled, "these samples have no classes of the dataset"),
            ("modes", stacked, "only ring8, grid25 and stacked_mnist have known modes"),
            ("modes", predicts, others),
            ("good_samples", False, "only points are near a mode or not"),
            ("pairs", self.samples.paired, "these samples have no targets"),
        )
        return {name: reason for name, possible, reason in conditions if not possible}

    def evaluate(self) -> Evaluation:
        """Evaluates the samples."""
        if self.extractor is None:
            return self._evaluate_points()
        generated, first = self._generated_summary()
        queries = generated["bank"][:_QUERIES] if "neighbours" in self.metrics else None
        real, nearest = self._real_summary(queries)
        figures: dict[str, float] = {}
        for name in self.metrics:
            values = map(float, self._compute(name, generated, real))
            figures |= dict(zip(METRICS[name], values, strict=False))
        sheets = {"samples": Sheet(from_uint8(first), None, f"the first {len(first)} samples")}
        if nearest is not None:
            rows = np.concatenate([first[: len(nearest), None], self._real_images(nearest)], axis=1)
            sheets["neighbours"] = Sheet(
                from_uint8(rows.reshape(-1, *rows.shape[2:])),
                rows.shape[1],
                "each row: a sample, then the real images with the nearest features. If they are "
                "the same, the model memorised them",
            )
        return Evaluation(figures, self._protocol(), dict(self.samples.about), sheets)

    def _extracted(
        self, samples: Samples, count: int, text: str
    ) -> Iterator[tuple[Chunk, Extracted]]:
        assert self.extractor is not None
        done = 0
        self.progress(text, done, count)
        for chunk in samples.chunks(count):
            yield chunk, self.extractor(chunk.images)
            done += len(chunk.images)
            self.progress(text, done, count)

    def _generated_summary(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Summarizes the samples; also returns the first ones.

        The summary also has `right`, the number of samples of the requested class, and `errors`:
        the sums of the absolute and squared differences from the targets, and their number.
        """
        summary = FeatureSummary(self.count)
        shown = np.zeros((0, *self.samples.image_shape), np.uint8)
        right, errors = 0, np.zeros(3)
        for chunk, extracted in self._extracted(self.samples, self.count, "evaluating samples"):
            summary.update(extracted)
            shown = np.concatenate([shown, chunk.images[: _SHOWN - len(shown)]])
            if self._classes is not None:
                assert extracted.probabilities is not None
                predicted = extracted.probabilities.argmax(axis=1)
                right += int((predicted == self._classes[chunk.labels]).sum())
            if chunk.targets is not None:
                difference = chunk.images.astype(np.float64) - chunk.targets
                errors += np.abs(difference).sum(), np.square(difference).sum(), difference.size
        arrays = {**summary.arrays(), "right": np.array(right), "errors": errors}
        return arrays, shown

    def _real_summary(
        self, queries: np.ndarray | None
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Summarizes the real images, from the cache or in one pass.

        Also returns the indices of those nearest to each query, or None without queries.
        """
        assert self.extractor is not None
        count = self.reals.dataset.num_images
        key = {
            "features": [self.extractor.name, self.extractor.protocol],
            "reference": self.reals.protocol,
            "content": self.reals.content,
            "kept": [BANK_SIZE, SPLITS],
            "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        }
        cached = CachedArrays(self._cache_dir, "reference", key)
        loaded, summary = cached.load(), FeatureSummary(count)

        def features() -> Iterator[np.ndarray]:
            for _, extracted in self._extracted(self.reals, count, "evaluating real images"):
                if loaded is None:
                    summary.update(extracted)
                yield extracted.features

        nearest = None
        if queries is not None:
            number = min(_NEIGHBOURS, count)
            nearest = nearest_neighbours(queries, features(), count=number)
        elif loaded is None:
            deque(features(), maxlen=0)
        if loaded is None:
            loaded = summary.arrays()
            cached.save(loaded)
        return loaded, nearest

    def _compute(
        self, metric: str, generated: dict[str, np.ndarray], real: dict[str, np.ndarray]
    ) -> Sequence[float]:
        """Returns the values of the figures of a metric, in the order of `METRICS`."""
        match metric:
            case "fid":
                sides = [(each["mean"], each["covariance"]) for each in (generated, real)]
                return (frechet_distance(*sides[0], *sides[1]),)
            case "kid":
                sizes = {"subsets": KID_SUBSETS, "subset_size": KID_SUBSET_SIZE}
                return kid(real["bank"], generated["bank"], seed=self.request.seed, **sizes)
            case "is":
                scores = generated["inception_scores"]
                return scores.mean(), scores.std(), real["inception_scores"].mean()
            case "prdc":
                return prdc(real["bank"], generated["bank"], neighbours=PRDC_NEIGHBOURS)
            case "classes":
                counts = generated["classes"]
                shares, real_shares = (x["classes"] / x["classes"].sum() for x in (generated, real))
                found = (counts > 0) & (shares >= CLASS_FOUND * real_shares)
                accuracy = [] if self._classes is None else [generated["right"] / self.count]
                return found.sum(), shares.min(), *accuracy
            case "modes":
                counts = generated["classes"]
                return modes_found(np.repeat(np.arange(len(counts)), counts), len(counts))
            case "pairs":
                absolute, squared, number = generated["errors"]
                root = np.full(1, np.sqrt(squared / number))
                return absolute / number, psnr(root, np.zeros(1), 255.0)
        return ()

    def _protocol(self) -> dict[str, Any]:
        """Contains the settings of all metrics, so that it does not depend on those requested."""
        assert self.extractor is not None
        real_count = self.reals.dataset.num_images
        banks = {"samples": min(self.count, BANK_SIZE), "real_images": min(real_count, BANK_SIZE)}
        protocol = {
            "tfgan2": version("tfgan2"),
            "features": {"name": self.extractor.name, **self.extractor.protocol},
            "reference": {**self.reals.protocol, "images": real_count},
            "samples": {**self.samples.protocol, "images": self.count},
            "kid": {
                "subsets": KID_SUBSETS,
                "subset_size": min(KID_SUBSET_SIZE, *banks.values()),
                "seed": self.request.seed,
                **banks,
            },
            "prdc": {"nearest": PRDC_NEIGHBOURS, **banks},
        }
        return {**protocol, "is": {"splits": SPLITS}} if self.extractor.num_classes else protocol

    def _real_images(self, indices: np.ndarray) -> np.ndarray:
        """The real images with these indices, uint8, shape (*indices.shape, H, W, C)."""
        images = np.zeros((*indices.shape, *self.reals.image_shape), np.uint8)
        start = 0
        for chunk in self.reals.chunks(int(indices.max()) + 1):
            here = (indices >= start) & (indices < start + len(chunk.images))
            images[here] = chunk.images[indices[here] - start]
            start += len(chunk.images)
        return images

    def _evaluate_points(self) -> Evaluation:
        name = self.reals.dataset.name
        points = np.concatenate([chunk.images for chunk in self.samples.chunks(self.count)])
        found = quality(points, name)
        protocol = {
            "tfgan2": version("tfgan2"),
            "reference": {"dataset": name, "modes": len(modes(name))},
            "samples": {**self.samples.protocol, "images": len(points)},
        }
        figures = {"modes_found": float(found.modes_found), "good_samples": found.good}
        sheets = {"samples": Sheet(points, None, f"{len(points):,} samples")}
        return Evaluation(figures, protocol, dict(self.samples.about), sheets)
