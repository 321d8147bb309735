"""Figures, their protocol and the directory of a result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_small

from tfgan2.data import ImageDataset, load_dataset
from tfgan2.errors import UserError
from tfgan2.evaluation import FIGURES, Evaluation, EvaluationRequest, read_results
from tfgan2.evaluation.by_class import obstacle
from tfgan2.evaluation.evaluate import SampleEvaluator
from tfgan2.evaluation.extractor import Extracted, Extractor, FeatureSummary
from tfgan2.evaluation.features import make_extractor
from tfgan2.evaluation.result import Sheet
from tfgan2.evaluation.samples import Chunk, RealSamples, Samples, generated_samples, run_samples
from tfgan2.metrics import RunningInceptionScore, frechet_distance, statistics


def given(images: np.ndarray, labels: np.ndarray | None = None) -> Samples:
    """Samples from arrays."""

    def chunks(count: int) -> Iterator[Chunk]:
        for start in range(0, count, 300):
            part = slice(start, min(start + 300, count))
            yield Chunk(images[part], None if labels is None else labels[part])

    about = {"flavour": "given"}
    names = [] if labels is None else list("0123456789")
    return Samples(images.shape[1:], chunks, about, {"seed": 0}, label_names=names)


def evaluate(samples: Samples, reals: RealSamples, features: str, **request: object) -> Evaluation:
    request = EvaluationRequest(features=features or None, **request)
    return SampleEvaluator(samples, reals, request, lambda text, done, total: None).evaluate()


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFGAN2_CACHE", str(directory))
        yield directory


@pytest.fixture(scope="module")
def reals() -> RealSamples:
    return RealSamples(load_dataset("digits"))


def all_of(reals: RealSamples) -> tuple[np.ndarray, np.ndarray]:
    chunks = list(reals.chunks(reals.dataset.num_images))
    return (
        np.concatenate([chunk.images for chunk in chunks]),
        np.concatenate([chunk.labels for chunk in chunks]),
    )


@pytest.mark.slow
def test_the_real_images_themselves_score_perfectly(reals: RealSamples) -> None:
    images, labels = all_of(reals)
    found = evaluate(given(images, labels), reals, "classifier", count=len(images)).figures
    assert found["fid"] == 0.0
    assert found["kid"] < 0  # unbiased: pairs of a sample with itself count between the sets alone
    assert found["precision"] == found["recall"] == found["coverage"] == 1.0
    assert found["density"] == pytest.approx(1.0)
    assert found["classes_found"] == 10
    assert found["label_accuracy"] > 0.95


@pytest.mark.slow
def test_labels_are_compared_by_name(reals: RealSamples) -> None:
    images, labels = all_of(reals)
    for names, known in ("9876543210", True), ("x876543210", False):
        samples = replace(given(images, 9 - labels), label_names=list(names))
        figures = evaluate(samples, reals, "classifier", metrics=["classes"], count=500).figures
        assert figures.get("label_accuracy", 1) > 0.95
        assert ("label_accuracy" in figures) == known


@pytest.mark.slow
def test_figures_of_each_class(reals: RealSamples, cache: Path, tmp_path: Path) -> None:
    images, labels = all_of(reals)
    shown, asked = images[:600], labels[:600].copy()
    noise = np.random.default_rng(0).integers(0, 256, shown.shape).astype(np.uint8)
    shown = np.where((asked == 3)[:, None, None, None], noise, shown)
    request = {"metrics": ["intra", "classes"], "count": 600}
    for _ in range(2):  # the second time, the statistics of real images come from the cache
        found = evaluate(given(shown, asked), reals, "classifier", **request)
        assert list(found.by_class) == list("0123456789")
        distances = {name: each["fid"] for name, each in found.by_class.items()}
        extractor = SampleEvaluator(
            given(shown, asked), reals, EvaluationRequest(features="classifier"), lambda *a: None
        ).extractor
        for label in (0, 3):
            sides = (extractor(shown[asked == label]), extractor(images[labels == label]))
            expected = frechet_distance(*(v for side in sides for v in statistics(side.features)))
            assert distances[str(label)] == pytest.approx(expected, rel=1e-6)
        assert found.figures["intra_fid"] == pytest.approx(np.mean(list(distances.values())))
        assert found.figures["intra_fid_worst"] == max(distances.values()) == distances["3"]
    accuracies = {name: each["label_accuracy"] for name, each in found.by_class.items()}
    counts = np.bincount(asked, minlength=10)
    total = sum(accuracies[str(label)] * counts[label] for label in range(10)) / 600
    assert found.figures["label_accuracy"] == pytest.approx(total)
    assert accuracies["3"] < 0.5 < min(accuracies[name] for name in "012456789")
    found.write(tmp_path / "result")
    page = (tmp_path / "result" / "index.html").read_text()
    assert f"{distances['3']:.3f}" in page and "Each class" in page
    # Evaluated again for other metrics, those of the classes stay.
    evaluate(given(shown, asked), reals, "classifier", metrics=["fid"], count=600).write(
        tmp_path / "result"
    )
    kept = json.loads((tmp_path / "result" / "result.json").read_text())
    assert kept["by_class"] == found.by_class


def test_classes_that_have_no_distance(reals: RealSamples) -> None:
    images, labels = all_of(reals)
    one = np.flatnonzero(labels == 7)[:1]
    chosen = np.concatenate([np.flatnonzero(labels < 5)[:40], one])
    few = given(images[chosen], labels[chosen])
    with pytest.raises(UserError, match="class '7' has fewer than 2 samples"):
        evaluate(few, reals, "pixels", metrics=["intra"], count=41)
    found = evaluate(few, reals, "pixels", metrics=["intra"], count=40)
    assert set(found.by_class) <= set("01234")
    with pytest.raises(UserError, match="'intra' is not possible: these samples have no classes"):
        evaluate(given(images), reals, "pixels", metrics=["intra"])


@pytest.mark.parametrize(
    ("labels", "generated", "real", "expected"),
    [
        (3, (), (), ""),
        (2, (5, 5), (5, 2), ""),
        (2, (5, 0), (5, 1), ""),  # a class without samples is left out
        (2, (5, 1), (5, 5), "class 'b' has fewer than 2 samples"),
        (2, (5, 5), (1, 5), "class 'a' has fewer than 2 samples or real images"),
        (41, (), (), "41 classes of 1280 features need too much memory"),
    ],
)
def test_distances_of_classes_are_refused_beforehand(
    labels: int, generated: tuple, real: tuple, expected: str
) -> None:
    names = [*"abcdefghijklmnopqrstuvwxyz", *map(str, range(26, labels))][:labels]
    assert obstacle(names, 1280, generated, real).startswith(expected)


def test_training_knows_beforehand_that_classes_have_no_distances(reals: RealSamples) -> None:
    model = make_small("cgan", (16, 16, 1), num_classes=10)
    samples = generated_samples(model, {}, 0, reals, reals.label_names)
    with pytest.raises(UserError, match="'intra' is not possible: class '9' has fewer than 2"):
        evaluate(samples, reals, "pixels", metrics=["intra"], count=19)


@pytest.mark.slow
def test_missing_classes_show(reals: RealSamples) -> None:
    images, labels = all_of(reals)
    some = images[labels < 5]
    found = evaluate(given(some), reals, "classifier", count=len(some)).figures
    assert found["classes_found"] == 5
    assert found["precision"] > 0.95
    assert found["coverage"] < 0.7
    assert found["is"] < 6
    assert found["fid"] > 1
    assert "label_accuracy" not in found


def test_the_distance_is_that_of_the_features(cache: Path, reals: RealSamples) -> None:
    extractor = make_extractor("random-conv-112", reals.dataset, cache_dir=cache)
    noise = np.random.default_rng(0).integers(0, 256, (700, 16, 16, 1), dtype=np.uint8)
    found = evaluate(given(noise), reals, "random-conv-112", metrics=["fid"], count=700)
    images, _ = all_of(reals)
    expected = frechet_distance(
        *statistics(extractor(noise).features), *statistics(extractor(images).features)
    )
    assert found.figures["fid"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_features_of_real_images_are_cached(
    reals: RealSamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = generated_samples(make_small("dcgan", (16, 16, 1)), {}, 0, reals)
    metrics = ["fid", "kid", "is", "prdc", "classes"]

    def figures() -> dict[str, float]:
        options = {"count": 120, "metrics": metrics, "cache_dir": tmp_path}
        return evaluate(samples, reals, "classifier", **options).figures

    first = figures()
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == [
        "classifier",
        "reference",
    ]
    monkeypatch.setattr(FeatureSummary, "update", _only(120, FeatureSummary.update))
    assert figures() == first  # to all digits


def _only(most: int, update: object) -> object:
    """`FeatureSummary.update` that fails after so many images: the reals must not be seen again."""
    seen = 0

    def checked(self: FeatureSummary, extracted: Extracted) -> None:
        nonlocal seen
        seen += len(extracted.features)
        assert seen <= most
        update(self, extracted)  # type: ignore[operator]

    return checked


def test_the_protocol_changes_with_what_figures_depend_on(reals: RealSamples) -> None:
    images, _ = all_of(reals)

    def evaluated(features: str = "random-conv-112", count: int = 100) -> Evaluation:
        return evaluate(given(images), reals, features, metrics=["fid", "kid"], count=count)

    one = evaluated()
    assert one.protocol_id == evaluated().protocol_id
    assert one.protocol["version"] == 1 and "tfgan2" not in one.protocol
    assert one.protocol_id != evaluated(count=101).protocol_id
    assert one.protocol_id != evaluated("pixels").protocol_id
    assert one.protocol["features"]["name"] == "random-conv-112"
    assert one.protocol["reference"]["images"] == 1797
    assert one.protocol["reference"]["part"] == "all"
    assert one.protocol["samples"] == {"seed": 0, "images": 100}
    assert one.protocol["kid"]["subset_size"] == 100
    assert one.protocol["reference"]["content"] == reals.content[:16]


def test_the_name_of_the_real_images_changes_no_protocol(reals: RealSamples) -> None:
    named = RealSamples(replace(reals.whole, name="folder:/elsewhere/numbers"), split="train")
    images, _ = all_of(reals)
    one, other = (
        evaluate(given(images), each, "pixels", metrics=["fid"], count=50)
        for each in (reals, named)
    )
    assert other.protocol["reference"]["dataset"] == "numbers"
    assert one.protocol != other.protocol and one.protocol_id == other.protocol_id


def test_only_a_classifier_loads_the_training_data(reals: RealSamples) -> None:
    def training() -> ImageDataset:
        raise UserError("loads the training data")

    test = RealSamples(reals.whole, split="test", training=training)
    images, _ = all_of(reals)
    assert evaluate(given(images), test, "pixels", metrics=["fid"], count=50).figures["fid"] > 0
    with pytest.raises(UserError, match="loads the training data"):
        evaluate(given(images), test, "classifier", metrics=["fid"], count=50)


def test_neighbours_are_the_nearest_real_images(reals: RealSamples) -> None:
    images, _ = all_of(reals)
    chosen = images[[1500, 3, 777]]
    found = evaluate(given(chosen), reals, "pixels", metrics=["neighbours"], count=3)
    rows, columns, _ = found.sheets["neighbours"]
    cells = rows.reshape(3, columns, 16, 16, 1)
    np.testing.assert_array_equal(cells[:, 0], cells[:, 1])  # each is its own nearest
    distances = np.abs(cells[:, 1:] - cells[:, :1]).astype(float) ** 2
    assert (np.diff(distances.sum(axis=(2, 3, 4)), axis=1) >= 0).all()


def test_points_have_modes_only() -> None:
    reals = RealSamples(load_dataset("ring8"))
    points = np.zeros((40, 1, 1, 2), np.float32)
    points[:30, 0, 0, 0] = 1.0  # the first mode
    found = evaluate(given(points), reals, "", count=40)
    assert found.figures == {"modes_found": 1.0, "good_samples": 0.75}
    with pytest.raises(UserError, match="points have modes only"):
        evaluate(given(points), reals, "", metrics=["fid"], count=40)


def test_pairs_are_compared_one_by_one() -> None:
    dataset = load_dataset("digits", image_size=16, hold_out=12)
    samples, held_out = run_samples(make_small("inpainting", (16, 16, 1)), dataset, {}, 0, None)
    assert held_out.dataset is dataset.held_out
    found = evaluate(samples, held_out, "random-conv-112").figures
    chunk = next(iter(samples.chunks(12)))
    assert chunk.targets is not None
    difference = chunk.images.astype(float) - chunk.targets
    assert found["l1"] == pytest.approx(np.abs(difference).mean())
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / (difference**2).mean()))


def test_the_score_is_that_of_the_splits() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.full(5, 0.3), 103).astype(np.float32)
    summary = FeatureSummary(103)
    for start in range(0, 103, 9):
        part = probabilities[start : start + 9]
        summary.update(Extracted(part, part))
    arrays = summary.arrays()
    running = RunningInceptionScore(103)
    running.update(probabilities)
    assert arrays["inception_scores"] == pytest.approx(running.scores())
    counts = np.bincount(probabilities.argmax(1), minlength=5)
    np.testing.assert_array_equal(arrays["classes"], counts)
    np.testing.assert_array_equal(arrays["bank"], probabilities)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["fit"], "did you mean 'fid'"),
        (["is"], "give efficientnet-lite0 or classifier"),
        (["classes"], "give classifier"),
        (["modes"], "give classifier"),
        (["pairs"], "no targets"),
    ],
)
def test_impossible_metrics(metrics: list[str], message: str, reals: RealSamples) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(given(all_of(reals)[0]), reals, "pixels", metrics=metrics, count=10)


def test_impossible_samples(reals: RealSamples) -> None:
    images, _ = all_of(reals)
    with pytest.raises(UserError, match="8x8x1 cannot be compared with images of 16x16x1"):
        evaluate(given(np.zeros((9, 8, 8, 1), np.uint8)), reals, "pixels")
    with pytest.raises(UserError, match="at least 2 real and 2 generated"):
        evaluate(replace(given(images), count=1), reals, "pixels")
    with pytest.raises(UserError, match="count must be at least 2, not 1"):
        evaluate(given(images), reals, "pixels", count=1)
    with pytest.raises(UserError, match="more than 5"):
        evaluate(given(images), reals, "pixels", metrics=["prdc"], count=5)
    found = evaluate(given(images), reals, "pixels", count=5)
    assert "precision" not in found.figures and "fid" in found.figures


def test_memory_does_not_grow_with_the_samples(reals: RealSamples) -> None:
    import tracemalloc

    def chunks(count: int) -> Iterator[Chunk]:
        rng = np.random.default_rng(0)
        for _ in range(0, count, 1000):
            yield Chunk(rng.integers(0, 256, (1000, 16, 16, 1), dtype=np.uint8))

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return images.reshape(len(images), -1)[:, :64].astype(np.float32), None

    endless = Samples((16, 16, 1), chunks, {}, {})
    extractor = Extractor("some", {"features": "some"}, (16, 16, 1), 64, 250, compute)
    peaks = []
    for count in (12_000, 50_000):
        request = EvaluationRequest(features="pixels", metrics=["fid"], count=count)
        evaluator = SampleEvaluator(endless, reals, request, lambda text, done, total: None)
        evaluator.extractor = extractor
        tracemalloc.start()
        evaluator.evaluate()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_the_progress_of_each_batch_shows(reals: RealSamples) -> None:
    images, _ = all_of(reals)
    calls: dict[str, list[int]] = {}

    def progress(text: str, done: int, total: int) -> None:
        calls.setdefault(text, []).append(done)

    request = EvaluationRequest(features="pixels", metrics=["fid"], count=300)
    SampleEvaluator(given(images), RealSamples(reals.whole), request, progress).evaluate()
    assert calls["evaluating samples"] == [0, 240, 300]
    assert calls["reading real images"][-1] == 1797


def test_a_second_result_keeps_the_files_of_others(tmp_path: Path) -> None:
    shown = {"samples": Sheet(np.zeros((4, 8, 8, 1)), 2, "some")}
    about, protocol = {"folder": "some"}, {"reference": {"content": "0"}}
    Evaluation({"fid": 1.0}, protocol, about, shown).write(tmp_path / "result")
    (tmp_path / "result" / "mine.png").write_bytes(b"mine")
    for other in ({"folder": "some"}, {"folder": "another"}):
        Evaluation({"fid": 2.0}, protocol, other, {}).write(tmp_path / "result")
        assert (tmp_path / "result" / "mine.png").read_bytes() == b"mine"
        assert (tmp_path / "result" / "samples.png").exists() == (other == about)


@pytest.mark.slow
def test_every_figure_is_described(reals: RealSamples, tmp_path: Path) -> None:
    images, labels = all_of(reals)
    found = evaluate(given(images, labels), reals, "classifier", count=500)
    others = evaluate(given(255 - images, labels), reals, "classifier", count=500, metrics=["kid"])
    assert others.about["pixels"] != found.about["pixels"]
    assert set(found.figures) <= set(FIGURES)
    found = replace(found, about={"flavour": "a & b", "step": 7})
    found.write(tmp_path / "run/evaluation/x")
    (result,) = read_results(tmp_path / "run")
    assert result["pictures"].keys() == {"samples", "neighbours"}
    assert (result["figures"], result["who"]) == (found.figures, found.about)
    assert result["protocol"] == json.loads(json.dumps(found.protocol))
    page = (tmp_path / "run/evaluation/x/index.html").read_text()
    assert "a &amp; b at step 7" in page and found.protocol_id in page and "neighbours.png" in page
    assert "<td>features: name</td><td>classifier</td>" in page
    # Another evaluation adds its metrics to the earlier ones.
    (directory,) = (tmp_path / "run/evaluation").iterdir()
    again = evaluate(given(images, labels), reals, "classifier", count=500, metrics=[])
    assert again.figures == {}
    again = replace(again, about=found.about, figures={"fid": 1.25})
    again.write(directory)
    (result,) = read_results(tmp_path / "run")
    assert result["figures"] == {**found.figures, "fid": 1.25}
    assert (directory / "neighbours.png").exists()
    assert "neighbours.png" in (directory / "index.html").read_text()
