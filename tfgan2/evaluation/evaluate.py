"""Compares samples with real images under a protocol that is part of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from tfgan2.data.points import modes, quality
from tfgan2.errors import UserError
from tfgan2.evaluation.available import PRDC_NEIGHBOURS, available_metrics
from tfgan2.evaluation.cache import ArrayCache
from tfgan2.evaluation.extractor import Extracted, Extractor
from tfgan2.evaluation.result import Evaluation, Sheet
from tfgan2.evaluation.samples import Chunk, RealSamples, Samples
from tfgan2.evaluation.summary import BANK_SIZE, SPLITS, FeatureSummary
from tfgan2.images import from_uint8
from tfgan2.metrics import frechet_distance, kid, modes_found, nearest_neighbours, prdc, psnr

Progress = Callable[[str, int, int], None]

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
CLASS_FOUND = 0.1
"""A class counts as found above this fraction of its frequency in the real images."""

_QUERIES, _NEIGHBOURS, _SHOWN = 8, 6, 64


def evaluate_samples(
    samples: Samples,
    reals: RealSamples,
    extractor: Extractor | None,
    *,
    metrics: Sequence[str] | None = None,
    count: int = 10_000,
    seed: int = 0,
    cache: ArrayCache | None = None,
    progress: Progress = lambda text, done, total: None,
) -> Evaluation:
    """Evaluates samples.

    Args:
        samples: the images to evaluate.
        reals: of the same shape; all of them are used, by KID and PRDC the first 10,000.
        extractor: of features; None for points.
        metrics: some of `METRICS`; default: all that are possible.
        count: number of samples, reduced to those that exist.
        seed: of the subsets of KID.
        cache: keeps the features of the real images, or None.
        progress: called with a description, the images done and their total.

    Raises:
        UserError: a metric that is unknown or not possible, samples of another shape than the real
            images, or fewer than 2 of either.
    """
    if tuple(samples.image_shape) != tuple(reals.image_shape):
        own, other = ("x".join(map(str, each.image_shape)) for each in (samples, reals))
        raise UserError(
            f"samples of {own} cannot be compared with images of {other}: "
            "give real images of that size"
        )
    count = min(count, samples.count or count)
    if min(count, reals.dataset.num_images) < 2:
        raise UserError("at least 2 real and 2 generated images are needed")
    names = available_metrics(samples, reals, extractor, count).choose(metrics)
    if extractor is None:
        return _evaluate_points(samples, reals, count)
    generated = _Generated(count)
    batches = _extracted(samples, count, extractor, "evaluating samples", progress)
    for chunk, extracted in batches:
        generated.add(chunk, extracted)
    queries = generated.summary.bank[:_QUERIES] if "neighbours" in names else None
    real, nearest = _real_summary(reals, extractor, queries, cache, progress)
    figures: dict[str, float] = {}
    for name in names:
        figures |= _figures(name, generated, real, seed, len(extractor.class_names))
    first = np.concatenate(generated.first)[:_SHOWN]
    sheets = {"samples": Sheet(from_uint8(first), None, f"the first {len(first)} samples")}
    if nearest is not None:
        sheets["neighbours"] = _neighbour_sheet(first, _real_images(reals, nearest))
    return Evaluation(
        {name: float(value) for name, value in figures.items()},
        _protocol(samples, reals, extractor, count, seed),
        dict(samples.about),
        sheets,
    )


class _Generated:
    """What the metrics need of the generated images."""

    def __init__(self, count: int) -> None:
        self.summary = FeatureSummary(count)
        self.first: list[np.ndarray] = []
        self.predicted: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.absolute_error = self.squared_error = 0.0
        self.values = 0

    def add(self, chunk: Chunk, extracted: Extracted) -> None:
        self.summary.update(extracted)
        if sum(len(images) for images in self.first) < _SHOWN:
            self.first.append(chunk.images[:_SHOWN])
        if extracted.probabilities is not None:
            self.predicted.append(extracted.probabilities.argmax(axis=1))
        if chunk.labels is not None:
            self.labels.append(chunk.labels)
        if chunk.targets is not None:
            difference = chunk.images.astype(np.float64) - chunk.targets
            self.absolute_error += float(np.abs(difference).sum())
            self.squared_error += float(np.square(difference).sum())
            self.values += difference.size


def _extracted(
    samples: Samples, count: int, extractor: Extractor, text: str, progress: Progress
) -> Iterator[tuple[Chunk, Extracted]]:
    done = 0
    progress(text, done, count)
    for chunk in samples.chunks(count):
        yield chunk, extractor(chunk.images)
        done += len(chunk.images)
        progress(text, done, count)


def _real_summary(
    reals: RealSamples,
    extractor: Extractor,
    queries: np.ndarray | None,
    cache: ArrayCache | None,
    progress: Progress,
) -> tuple[FeatureSummary, np.ndarray | None]:
    """Summarizes the real images, from the cache or in one pass.

    Returns:
        The summary, and the indices of the real images nearest to each query, shape
        (queries, _NEIGHBOURS), or None without queries.
    """
    count = reals.dataset.num_images
    key: dict[str, Any] = {}
    loaded = None
    if cache is not None:
        key = {
            "features": [extractor.name, extractor.protocol],
            "reference": reals.protocol,
            "content": reals.content,
            "kept": [BANK_SIZE, SPLITS],
            "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        }
        loaded = cache.load(key)
    real = FeatureSummary(count) if loaded is None else FeatureSummary.from_arrays(loaded)

    def features() -> Iterator[np.ndarray]:
        batches = _extracted(reals, count, extractor, "evaluating real images", progress)
        for _, extracted in batches:
            if loaded is None:
                real.update(extracted)
            yield extracted.features

    nearest = None
    if queries is not None:
        nearest = nearest_neighbours(queries, features(), count=min(_NEIGHBOURS, count)).indices
    elif loaded is None:
        for _ in features():
            pass
    if loaded is None and cache is not None:
        cache.save(key, real.arrays())
    return real, nearest


def _figures(
    metric: str, generated: _Generated, real: FeatureSummary, seed: int, num_classes: int
) -> dict[str, float]:
    summary = generated.summary
    match metric:
        case "fid":
            return {"fid": frechet_distance(*summary.statistics(), *real.statistics())}
        case "kid":
            sizes = {"subsets": KID_SUBSETS, "subset_size": KID_SUBSET_SIZE}
            distance = kid(real.bank, summary.bank, seed=seed, **sizes)
            return {"kid": distance.mean, "kid_std": distance.std}
        case "is":
            scores, real_scores = summary.inception_scores(), real.inception_scores()
            return {"is": scores.mean(), "is_std": scores.std(), "is_real": real_scores.mean()}
        case "prdc":
            return prdc(real.bank, summary.bank, neighbours=PRDC_NEIGHBOURS)._asdict()
        case "classes":
            return _class_figures(generated, real)
        case "modes":
            found = modes_found(np.concatenate(generated.predicted), num_classes)
            return {"modes_found": found.found, "mode_kl": found.divergence}
        case "pairs":
            error = np.full(1, np.sqrt(generated.squared_error / generated.values))
            return {
                "l1": generated.absolute_error / generated.values,
                "psnr": psnr(error, np.zeros(1), 255.0),
            }
    return {}


def _class_figures(generated: _Generated, real: FeatureSummary) -> dict[str, float]:
    classes, real_classes = generated.summary.classes, real.classes
    assert classes is not None and real_classes is not None
    shares, real_shares = classes / classes.sum(), real_classes / real_classes.sum()
    found = (classes > 0) & (shares >= CLASS_FOUND * real_shares)
    figures = {"classes_found": float(found.sum()), "rarest_class": float(shares.min())}
    if generated.labels:
        right = np.concatenate(generated.predicted) == np.concatenate(generated.labels)
        figures["label_accuracy"] = float(right.mean())
    return figures


def _protocol(
    samples: Samples, reals: RealSamples, extractor: Extractor, count: int, seed: int
) -> dict[str, Any]:
    """Contains the settings of all metrics, so that it does not depend on those requested."""
    real_count = reals.dataset.num_images
    banks = {"samples": min(count, BANK_SIZE), "real_images": min(real_count, BANK_SIZE)}
    subset_size = min(KID_SUBSET_SIZE, *banks.values())
    protocol = {
        "tfgan2": version("tfgan2"),
        "features": {"name": extractor.name, **extractor.protocol},
        "reference": {**reals.protocol, "images": real_count},
        "samples": {**samples.protocol, "images": count},
        "kid": {"subsets": KID_SUBSETS, "subset_size": subset_size, "seed": seed, **banks},
        "prdc": {"nearest": PRDC_NEIGHBOURS, **banks},
    }
    return {**protocol, "is": {"splits": SPLITS}} if extractor.num_classes else protocol


def _real_images(reals: RealSamples, indices: np.ndarray) -> np.ndarray:
    """Real images by index, uint8, shape (*indices.shape, H, W, C)."""
    images = np.zeros((*indices.shape, *reals.image_shape), np.uint8)
    start = 0
    for chunk in reals.chunks(int(indices.max()) + 1):
        here = (indices >= start) & (indices < start + len(chunk.images))
        images[here] = chunk.images[indices[here] - start]
        start += len(chunk.images)
    return images


def _neighbour_sheet(samples: np.ndarray, neighbours: np.ndarray) -> Sheet:
    rows = np.concatenate([samples[: len(neighbours), None], neighbours], axis=1)
    caption = (
        "each row: a sample, then the real images with the nearest features. If they are the same, "
        "the model memorised them"
    )
    return Sheet(from_uint8(rows.reshape(-1, *rows.shape[2:])), rows.shape[1], caption)


def _evaluate_points(samples: Samples, reals: RealSamples, count: int) -> Evaluation:
    name = reals.dataset.name
    points = np.concatenate([chunk.images for chunk in samples.chunks(count)])
    found = quality(points, name)
    protocol = {
        "tfgan2": version("tfgan2"),
        "reference": {"dataset": name, "modes": len(modes(name))},
        "samples": {**samples.protocol, "images": len(points)},
    }
    figures = {"modes_found": float(found.modes_found), "good_samples": found.good}
    sheets = {"samples": Sheet(points, None, f"{len(points):,} samples")}
    return Evaluation(figures, protocol, dict(samples.about), sheets)
