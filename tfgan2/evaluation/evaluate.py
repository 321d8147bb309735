"""Compares samples with real images under a protocol that is part of the result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.cache import cache_dir
from tfgan2.data.points import modes, quality
from tfgan2.errors import UserError
from tfgan2.evaluation.by_class import (
    ClassSummary,
    intra_distances,
    joined,
    label_accuracies,
    obstacle,
)
from tfgan2.evaluation.extractor import BANK_SIZE, SPLITS, Extracted, FeatureSummary
from tfgan2.evaluation.features import default_features, make_extractor
from tfgan2.evaluation.figures import (
    KID_SIZES,
    METRICS,
    ON_REQUEST,
    PRDC_NEIGHBOURS,
    compute_figures,
)
from tfgan2.evaluation.reference import ReferenceCache, summarized
from tfgan2.evaluation.request import EvaluationRequest
from tfgan2.evaluation.result import Evaluation, Sheet
from tfgan2.evaluation.samples import Chunk, RealSamples, Samples
from tfgan2.images import from_uint8

if TYPE_CHECKING:
    from tfgan2.data import Progress

PROTOCOL_VERSION = 1
"""To be raised when equal samples would get other figures."""
_QUERIES, _SHOWN = 8, 64


class SampleEvaluator:
    """Compares samples with real images, as often as `evaluate` is called.

    `metrics` are those requested, or all that are possible; `obstacles` says why the others, and
    some of their figures, are not. Points have no `extractor`.
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
        reals.progress = progress
        if tuple(samples.image_shape) != tuple(reals.image_shape):
            own, other = ("x".join(map(str, each.image_shape)) for each in (samples, reals))
            raise UserError(
                f"samples of {own} cannot be compared with images of {other}: "
                "give real images of that size"
            )
        self.count = min(request.count, samples.count or request.count)
        self._real_count = reals.dataset.num_images
        if min(self.count, self._real_count) < 2:
            raise UserError("at least 2 real and 2 generated images are needed")
        self._cache_dir = request.cache_dir or cache_dir()
        features = request.features or default_features(reals.whole, request.metrics or ())
        data = reals.training_data if features == "classifier" else reals.whole
        self.extractor = make_extractor(
            features, data, cache_dir=self._cache_dir, progress=progress
        )
        names, classes = samples.label_names, self.extractor.class_names if self.extractor else ()
        # The class that each label means; None if one of them means no class.
        known = names and set(names) <= set(classes)
        self._classes = np.array([classes.index(name) for name in names]) if known else None
        real_names = list(reals.label_names)
        known = names and set(names) <= set(real_names)
        # The number among the real images' classes that each label means.
        self._labels = np.array([real_names.index(name) for name in names]) if known else None
        self.obstacles = self._find_obstacles()
        for name in request.metrics or []:
            if name in self.obstacles:
                raise UserError(f"metric {name!r} is not possible: {self.obstacles[name]}")
        possible = [name for name in METRICS if name not in {*self.obstacles, *ON_REQUEST}]
        slow = self.extractor is not None and self.extractor.is_slow
        if slow and self._real_count > BANK_SIZE:
            possible.remove("neighbours")  # takes as long as all others together
        chosen = possible if request.metrics is None else request.metrics
        self.metrics = tuple(dict.fromkeys(chosen))

    def _find_obstacles(self) -> dict[str, str]:
        extractor = self.extractor
        if extractor is None:
            names = {*METRICS, "mode_kl"} - {"modes"}
            return dict.fromkeys(names, "points have modes only")
        stacked = self.reals.dataset.name == "stacked_mnist"
        predicts = bool(extractor.class_names)
        no_classes = f"{extractor.name!r} has no classes, give efficientnet-lite0 or classifier"
        others = f"{extractor.name!r} does not predict the dataset's classes, give classifier"
        enough = min(self.count, self._real_count) > PRDC_NEIGHBOURS
        labelled = self._classes is not None
        # Where two reasons apply, the last counts.
        conditions = (
            ("is", extractor.has_classes, no_classes),
            ("prdc", enough, f"it needs more than {PRDC_NEIGHBOURS} samples and real images"),
            ("classes", not stacked, "the classes of stacked_mnist are its modes, give modes"),
            ("classes", predicts, others),
            ("label_accuracy", labelled, "these samples have no classes of the dataset"),
            ("intra", not (why := self._intra_obstacle()), why),
            ("modes", stacked, "only ring8, grid25 and stacked_mnist have known modes"),
            ("modes", predicts, others),
            ("good_samples", False, "only points are near a mode or not"),
            ("pairs", self.samples.paired, "these samples have no targets"),
        )
        return {name: reason for name, possible, reason in conditions if not possible}

    def _intra_obstacle(self) -> str:
        if self._labels is None or self.extractor is None:
            return "these samples have no classes of the dataset"
        names, draw = self.reals.label_names, self.samples.labels
        labels = self._labels[draw(self.count)] if draw is not None else []
        generated = np.bincount(labels, minlength=len(names)) if draw is not None else ()
        return obstacle(names, self.extractor.dim, generated, self.reals.dataset.class_counts)

    def evaluate(self) -> Evaluation:
        """Evaluates the samples."""
        if self.extractor is None:
            return self._evaluate_points()
        generated, first, pixels = self._generated_summary()
        queries = generated["bank"][:_QUERIES] if "neighbours" in self.metrics else None
        real, nearest = self._real_summary(queries)
        by_class = self._figures_of_classes(generated, real)
        figures: dict[str, float] = {}
        for name in self.metrics:
            figures |= compute_figures(name, generated, real, self.request.seed)
        about = {**self.samples.about, "pixels": pixels}
        sheets = {"samples": Sheet(from_uint8(first), None, f"the first {len(first)} samples")}
        if nearest is not None:
            sheets["neighbours"] = self._neighbours(first, nearest)
        return Evaluation(figures, self._protocol(), about, sheets, by_class)

    def _figures_of_classes(
        self, generated: dict[str, np.ndarray], real: dict[str, np.ndarray]
    ) -> dict[str, dict[str, float]]:
        """Returns the figures of each class by its name; adds the distances to `generated`."""
        distances: dict[str, float] = {}
        if "intra" in self.metrics:
            distances = intra_distances(generated, real, self.reals.label_names)
            generated["intra"] = np.array(list(distances.values()))
        wanted = "classes" in self.metrics and "right" in generated
        accuracies = label_accuracies(generated, self.samples.label_names) if wanted else {}
        return joined(fid=distances, label_accuracy=accuracies)

    def _class_summary(self) -> ClassSummary | None:
        """Returns an empty summary if the distances of classes are wanted."""
        return ClassSummary(len(self.reals.label_names)) if "intra" in self.metrics else None

    def _extracted(
        self, samples: Samples, count: int, text: str
    ) -> Iterator[tuple[Chunk, Extracted]]:
        assert self.extractor is not None
        done = 0

        def advance(images: int) -> None:
            nonlocal done
            done += images
            self.progress(text, done, count)

        advance(0)
        for chunk in samples.chunks(count):
            yield chunk, self.extractor(chunk.images, advance)

    def _generated_summary(self) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
        """Summarizes the samples; also returns the first ones, and a hash of all.

        If the samples have labels that the extractor knows, the summary also has the number of
        samples `asked` of each, and of these the number that show it, `right`. It has `errors`: the
        sums of the absolute and squared differences from the targets, and their number.
        """
        summary, by_class = FeatureSummary(self.count), self._class_summary()
        shown = np.zeros((0, *self.samples.image_shape), np.uint8)
        right = asked = np.zeros(len(self.samples.label_names), np.int64)
        errors, digest = np.zeros(3), hashlib.sha256()
        for chunk, extracted in self._extracted(self.samples, self.count, "evaluating samples"):
            summary.update(extracted)
            digest.update(np.ascontiguousarray(chunk.images).data)
            shown = np.concatenate([shown, chunk.images[: _SHOWN - len(shown)]])
            if self._classes is not None:
                assert extracted.probabilities is not None and chunk.labels is not None
                predicted = extracted.probabilities.argmax(axis=1)
                shown_rightly = chunk.labels[predicted == self._classes[chunk.labels]]
                asked = asked + np.bincount(chunk.labels, minlength=len(asked))
                right = right + np.bincount(shown_rightly, minlength=len(right))
            if by_class is not None:
                assert self._labels is not None and chunk.labels is not None
                by_class.update(extracted.features, self._labels[chunk.labels])
            if chunk.targets is not None:
                difference = chunk.images.astype(np.float64) - chunk.targets
                errors += np.abs(difference).sum(), np.square(difference).sum(), difference.size
        arrays = {**summary.arrays(), "errors": errors}
        if self._classes is not None:
            arrays |= {"right": right, "asked": asked}
        arrays |= by_class.arrays() if by_class else {}
        return arrays, shown, digest.hexdigest()[:16]

    def _real_summary(
        self, queries: np.ndarray | None
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Summarizes the real images, from the cache or in one pass.

        Also returns the indices of those nearest to each query, or None without queries.
        """
        assert self.extractor is not None
        key = {
            "features": [self.extractor.name, self.extractor.protocol],
            "content": self.reals.content,
            "kept": [BANK_SIZE, SPLITS],
            "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        }
        reals = "evaluating real images"
        return summarized(
            lambda: self._extracted(self.reals, self._real_count, reals),
            self._real_count,
            ReferenceCache(
                self._cache_dir, key, self.reals.classes if "intra" in self.metrics else None
            ),
            queries,
            by_class=self._class_summary(),
        )

    def _protocol(self) -> dict[str, Any]:
        """Contains the settings of all metrics, so that it does not depend on those requested."""
        assert self.extractor is not None
        counts = {"samples": self.count, "real_images": self._real_count}
        banks = {name: min(count, BANK_SIZE) for name, count in counts.items()}
        protocol = {
            "version": PROTOCOL_VERSION,
            "features": {"name": self.extractor.name, **self.extractor.protocol},
            "reference": {
                **self.reals.protocol,
                "content": self.reals.content[:16],
                "images": self._real_count,
            },
            "samples": {**self.samples.protocol, "images": self.count},
            "kid": {
                **KID_SIZES,
                "subset_size": min(KID_SIZES["subset_size"], *banks.values()),
                "seed": self.request.seed,
                **banks,
            },
            "prdc": {"nearest": PRDC_NEIGHBOURS, **banks},
        }
        return {**protocol, "is": {"splits": SPLITS}} if self.extractor.has_classes else protocol

    def _neighbours(self, samples: np.ndarray, nearest: np.ndarray) -> Sheet:
        """Samples and the real images with the indices `nearest`, shape (N, K), beside them."""
        chunks = self.reals.chunks(int(nearest.max()) + 1)
        numbered = enumerate(image for chunk in chunks for image in chunk.images)
        reals = {number: image.copy() for number, image in numbered if number in nearest}
        found = np.stack([reals[number] for number in nearest.flat])
        found = found.reshape(*nearest.shape, *self.reals.image_shape)
        rows = np.concatenate([samples[: len(nearest), None], found], axis=1)
        return Sheet(
            from_uint8(rows.reshape(-1, *rows.shape[2:])),
            rows.shape[1],
            "each row: a sample, then the real images with the nearest features. If they are the "
            "same, the model memorised them",
        )

    def _evaluate_points(self) -> Evaluation:
        name = self.reals.dataset.name
        points = np.concatenate([chunk.images for chunk in self.samples.chunks(self.count)])
        found = quality(points, name)
        protocol = {
            "version": PROTOCOL_VERSION,
            "reference": {"dataset": name, "modes": len(modes(name))},
            "samples": {**self.samples.protocol, "images": len(points)},
        }
        figures = {"modes_found": float(found.modes_found), "good_samples": found.good}
        sheets = {"samples": Sheet(points, None, f"{len(points):,} samples")}
        return Evaluation(figures, protocol, dict(self.samples.about), sheets)
