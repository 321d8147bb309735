"""Figures and their protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_small

from tfgan2.data import load_dataset
from tfgan2.errors import UserError
from tfgan2.evaluation import FIGURES, evaluate, extractor_for, report
from tfgan2.evaluation.extractor import BatchExtractor, Extracted
from tfgan2.evaluation.references import Cache
from tfgan2.evaluation.samples import Chunk, LatentSamples, RealSamples, TranslatedSamples
from tfgan2.evaluation.summary import Summary
from tfgan2.metrics import frechet_distance, inception_score, statistics


class Given:
    """Samples that are given as arrays."""

    most = None
    paired = False

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None) -> None:
        self.labelled = labels is not None
        self.image_shape = images.shape[1:]
        self.who = {"flavour": "given"}
        self.facts = {"seed": 0}
        self._images, self._labels = images, labels

    def chunks(self, count: int) -> Iterator[Chunk]:
        for start in range(0, count, 300):
            part = slice(start, min(start + 300, count))
            yield Chunk(self._images[part], None if self._labels is None else self._labels[part])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def reals() -> RealSamples:
    return RealSamples(load_dataset("digits"), "all")


def all_of(reals: RealSamples) -> tuple[np.ndarray, np.ndarray]:
    chunks = list(reals.chunks(reals.dataset.num_images))
    return (
        np.concatenate([chunk.images for chunk in chunks]),
        np.concatenate([chunk.labels for chunk in chunks]),
    )


def test_the_real_images_themselves_are_perfect(cache: Path, reals: RealSamples) -> None:
    images, labels = all_of(reals)
    extractor = extractor_for("classifier", reals.dataset, cache=cache)
    found = evaluate(Given(images, labels), reals, extractor, count=len(images)).figures
    assert found["fid"] == 0.0
    assert found["kid"] < 0  # unbiased: pairs of a sample with itself count between the sets alone
    assert found["precision"] == found["recall"] == found["coverage"] == 1.0
    assert found["density"] == pytest.approx(1.0)
    assert found["classes_found"] == 10
    assert found["label_accuracy"] > 0.95
    assert 9 < found["is_real"] < 10


def test_half_of_the_classes_is_seen_to_be_missing(cache: Path, reals: RealSamples) -> None:
    images, labels = all_of(reals)
    extractor = extractor_for("classifier", reals.dataset, cache=cache)
    some = images[labels < 5]
    found = evaluate(Given(some), reals, extractor, count=len(some)).figures
    assert found["classes_found"] == 5
    assert found["precision"] > 0.95
    assert found["coverage"] < 0.7
    assert found["is"] < 6
    assert found["fid"] > 1
    assert "label_accuracy" not in found


def test_the_distance_is_that_of_the_features(cache: Path, reals: RealSamples) -> None:
    extractor = extractor_for("random-conv-112", reals.dataset, cache=cache)
    noise = np.random.default_rng(0).integers(0, 256, (700, 16, 16, 1), dtype=np.uint8)
    found = evaluate(Given(noise), reals, extractor, metrics=["fid"], count=700)
    images, _ = all_of(reals)
    wanted = frechet_distance(
        *statistics(extractor(noise).features), *statistics(extractor(images).features)
    )
    assert found.figures["fid"] == pytest.approx(wanted, rel=1e-9)


def test_what_is_known_of_reals_is_kept(
    cache: Path, reals: RealSamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = extractor_for("classifier", reals.dataset, cache=cache)
    made = LatentSamples(make_small("dcgan", (16, 16, 1)), {}, 0)

    def figures() -> dict[str, float]:
        return evaluate(
            made,
            reals,
            extractor,
            count=120,
            metrics=["fid", "kid", "is", "prdc", "classes"],
            references=Cache(tmp_path),
        ).figures

    first = figures()
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(Summary, "update", _only(120, Summary.update))
    assert figures() == first  # to all digits


def _only(most: int, update: object) -> object:
    """`Summary.update` that fails after so many images: the reals must not be seen again."""
    seen = 0

    def checked(self: Summary, extracted: Extracted) -> None:
        nonlocal seen
        seen += len(extracted.features)
        assert seen <= most
        update(self, extracted)  # type: ignore[operator]

    return checked


def test_the_protocol_says_what_may_be_compared(cache: Path, reals: RealSamples) -> None:
    images, _ = all_of(reals)
    extractor = extractor_for("random-conv-112", reals.dataset, cache=cache)

    def judged(count: int = 100, metrics: tuple[str, ...] = ("fid", "kid")) -> object:
        return evaluate(Given(images), reals, extractor, metrics=metrics, count=count)

    one = judged()
    assert one.protocol_id == judged().protocol_id
    assert one.protocol_id != judged(count=101).protocol_id
    assert one.protocol["features"]["name"] == "random-conv-112"
    assert one.protocol["reference"]["images"] == 1797
    assert one.protocol["reference"]["part"] == "all"
    assert one.protocol["samples"] == {"seed": 0, "images": 100}
    assert one.protocol["kid"]["subset_size"] == 100
    other = extractor_for("pixels", reals.dataset, cache=cache)
    pixels = evaluate(Given(images), reals, other, metrics=["fid", "kid"], count=100)
    assert pixels.protocol_id != one.protocol_id


def test_neighbours_are_the_nearest_real_images(cache: Path, reals: RealSamples) -> None:
    images, _ = all_of(reals)
    chosen = images[[1500, 3, 777]]
    extractor = extractor_for("pixels", reals.dataset, cache=cache)
    found = evaluate(Given(chosen), reals, extractor, metrics=["neighbours"], count=3)
    rows, columns, _ = found.pictures["neighbours"]
    cells = rows.reshape(3, columns, 16, 16, 1)
    np.testing.assert_array_equal(cells[:, 0], cells[:, 1])  # each is its own nearest
    distances = np.abs(cells[:, 1:] - cells[:, :1]).astype(float) ** 2
    assert (np.diff(distances.sum(axis=(2, 3, 4)), axis=1) >= 0).all()


def test_points_are_judged_by_their_modes() -> None:
    reals = RealSamples(load_dataset("ring8"), "all")
    points = np.zeros((40, 1, 1, 2), np.float32)
    points[:30, 0, 0, 0] = 1.0  # the first mode
    found = evaluate(Given(points), reals, None, count=40)
    assert found.figures == {"modes_found": 1.0, "good_samples": 0.75}
    with pytest.raises(UserError, match="judged by their modes"):
        evaluate(Given(points), reals, None, metrics=["fid"], count=40)


def test_pairs_are_compared_one_by_one(cache: Path) -> None:
    dataset = load_dataset("digits", image_size=16, hold_out=12)
    assert dataset.held_out is not None
    held_out = RealSamples(dataset.held_out, "held out")
    made = TranslatedSamples(make_small("inpainting", (16, 16, 1)), dataset.held_out, {})
    extractor = extractor_for("random-conv-112", dataset.held_out, cache=cache)
    found = evaluate(made, held_out, extractor).figures
    chunk = next(iter(made.chunks(12)))
    assert chunk.targets is not None
    difference = chunk.images.astype(float) - chunk.targets
    assert found["l1"] == pytest.approx(np.abs(difference).mean())
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / (difference**2).mean()))


def test_the_score_is_that_of_the_splits() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.full(5, 0.3), 103).astype(np.float32)
    summary = Summary(103)
    for start in range(0, 103, 9):
        part = probabilities[start : start + 9]
        summary.update(Extracted(part, part))
    scores = summary.inception_scores()
    wanted = inception_score(probabilities)
    assert (scores.mean(), scores.std()) == pytest.approx(tuple(wanted))
    again = Summary.of_arrays(summary.arrays())
    np.testing.assert_array_equal(again.inception_scores(), scores)
    np.testing.assert_array_equal(again.classes, np.bincount(probabilities.argmax(1), minlength=5))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["fit"], "did you mean 'fid'"),
        (["is"], "give classifier or inception"),
        (["classes"], "give classifier"),
        (["modes"], "give classifier"),
        (["pairs"], "should have been"),
    ],
)
def test_a_metric_that_makes_no_sense_is_told(
    metrics: list[str], message: str, cache: Path, reals: RealSamples
) -> None:
    extractor = extractor_for("pixels", reals.dataset, cache=cache)
    with pytest.raises(UserError, match=message):
        evaluate(Given(all_of(reals)[0]), reals, extractor, metrics=metrics, count=10)


def test_other_sizes_and_single_images_are_told(cache: Path, reals: RealSamples) -> None:
    extractor = extractor_for("pixels", reals.dataset, cache=cache)
    with pytest.raises(UserError, match="8x8x1 cannot be judged by images of 16x16x1"):
        evaluate(Given(np.zeros((9, 8, 8, 1), np.uint8)), reals, extractor)
    with pytest.raises(UserError, match="2 or more"):
        evaluate(Given(all_of(reals)[0]), reals, extractor, count=1)
    with pytest.raises(UserError, match="more than 5"):
        evaluate(Given(all_of(reals)[0]), reals, extractor, metrics=["prdc"], count=5)
    found = evaluate(Given(all_of(reals)[0]), reals, extractor, count=5)
    assert "precision" not in found.figures and "fid" in found.figures


def test_memory_does_not_grow_with_the_samples(reals: RealSamples) -> None:
    import tracemalloc

    class Endless(Given):
        def chunks(self, count: int) -> Iterator[Chunk]:
            rng = np.random.default_rng(0)
            for _ in range(0, count, 1000):
                yield Chunk(rng.integers(0, 256, (1000, 16, 16, 1), dtype=np.uint8))

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return images.reshape(len(images), -1)[:, :64].astype(np.float32), None

    extractor = BatchExtractor("some", 64, {"features": "some"}, (16, 16, 1), 250, compute)
    peaks = []
    for count in (12_000, 50_000):
        tracemalloc.start()
        evaluate(Endless(np.zeros((1, 16, 16, 1))), reals, extractor, metrics=["fid"], count=count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_every_figure_is_described(cache: Path, reals: RealSamples, tmp_path: Path) -> None:
    images, labels = all_of(reals)
    extractor = extractor_for("classifier", reals.dataset, cache=cache)
    found = evaluate(Given(images, labels), reals, extractor, count=500)
    assert set(found.figures) <= set(FIGURES)
    found = replace(found, who={"flavour": "a & b", "step": 7})
    report.write(tmp_path / "run/evaluation/x", found.to_json(), found.pictures)
    (result,) = report.read_all(tmp_path / "run")
    captions = result.pop("pictures")
    assert captions.keys() == {"samples", "neighbours"}
    assert result == json.loads(json.dumps(found.to_json()))
    page = (tmp_path / "run/evaluation/x/index.html").read_text()
    assert "a &amp; b at step 7" in page and found.protocol_id in page and "neighbours.png" in page
    # Asked again for other metrics, what was found before stays.
    (place,) = (tmp_path / "run/evaluation").iterdir()
    again = evaluate(Given(images, labels), reals, extractor, count=500, metrics=["pairs"][:0])
    assert again.figures == {}
    again = replace(again, who=found.who, figures={"fid": 1.25})
    report.write(place, again.to_json(), again.pictures)
    (result,) = report.read_all(tmp_path / "run")
    assert result["figures"] == {**found.figures, "fid": 1.25}
    assert (place / "neighbours.png").exists()
    assert "neighbours.png" in (place / "index.html").read_text()
