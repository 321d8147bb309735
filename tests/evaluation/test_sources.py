"""What is read of a source before it is evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import finished
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.evaluation.request import EvaluationRequest
from tfgan2.evaluation.sources import _load_directory, _load_run, evaluate_source, image_format
from tfgan2.runs import RunConfig


def test_directories_of_different_images_need_a_size(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert image_format(tmp_path, uniform=True) == ("8", True)
    Image.new("L", (9, 9)).save(tmp_path / "b.png")
    with pytest.raises(UserError, match="give --image-size"):
        image_format(tmp_path, uniform=True)
    assert image_format(tmp_path, uniform=False) == ("8", True)
    (tmp_path / "c.png").write_bytes(b"x")  # reported when it is decoded
    assert image_format(tmp_path, uniform=False) == ("8", True)


def test_directories_of_images_that_are_not_square(tmp_path: Path) -> None:
    for number in range(4):
        for name, color in (("made", 40 * number), ("real", 50 * number)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (8, 12), (color, 9, 9)).save(tmp_path / name / f"{number}.png")
    assert image_format(tmp_path / "made", uniform=True) == ("12x8", True)
    request = EvaluationRequest(["pairs"], "pixels", real_dir=tmp_path / "real")
    samples, reals = _load_directory(tmp_path / "made", request, lambda *progress: None)
    assert tuple(samples.image_shape) == tuple(reals.image_shape) == (12, 8, 3)


def test_a_directory_of_splits_is_refused(tmp_path: Path) -> None:
    for name in ("made/0.png", "data/train/0.png", "data/Test/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 99).save(tmp_path / name)
    for source, real in (("made", "data"), ("data", "made")):
        request = EvaluationRequest(real_dir=tmp_path / real, features="pixels")
        with pytest.raises(
            UserError, match=r"holds the splits Test, train: give one of them, such as .*train'"
        ):
            evaluate_source(str(tmp_path / source), request)
    (tmp_path / "made.npz").write_bytes(b"x")
    with pytest.raises(UserError, match=r"made.npz' cannot be evaluated: .* directory of images"):
        evaluate_source(tmp_path / "made.npz", request)


def test_texts_and_numbers_stand_for_paths_and_checkpoints(tmp_path: Path) -> None:
    request = EvaluationRequest(checkpoint=1000, real_dir="photos", cache_dir="cache")
    assert request == EvaluationRequest(
        checkpoint="1000", real_dir=Path("photos"), cache_dir=Path("cache")
    )
    with pytest.raises(UserError, match="is not a directory of real images"):
        request.check_source(tmp_path)


def test_the_image_size_of_a_file_is_fixed(tmp_path: Path) -> None:
    file = tmp_path / "x.tflite"
    file.touch()
    with pytest.raises(UserError, match=r"x.tflite' is fixed: leave --image-size out"):
        EvaluationRequest(image_size=32).check_source(file)


def test_classes_of_a_run_on_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(RunConfig.create("inpainting", "digits").to_json())
    request = EvaluationRequest(dataset="digits", classes=["3"])
    with pytest.raises(UserError, match="evaluated on its own targets: leave --classes out"):
        request.check_source(tmp_path)


def test_a_run_on_a_pipeline_needs_reference_data(tmp_path: Path) -> None:
    config = RunConfig.create("dcgan", "pipeline", {"latent_dim": 3})
    (tmp_path / "config.json").write_text(config.to_json())
    with pytest.raises(UserError, match=r"no reference data: .* was trained on a pipeline"):
        EvaluationRequest().check_source(tmp_path)
    EvaluationRequest(dataset="digits").check_source(tmp_path)


def test_references_have_the_range_of_the_training(tmp_path: Path) -> None:
    """The reference is darker than the training data, and must stay so."""
    for name, high in (("data", 4095), ("real", 1000)):
        (tmp_path / name).mkdir()
        for i in range(8):
            deep = Image.new("I;16", (8, 8), high * i // 7)
            deep.save(tmp_path / name / f"{i}.png")
    words = f"dcgan --dataset folder:{tmp_path / 'data'} --image-size 8 --batch-size 4"
    run = finished(tmp_path / "run", words)
    request = EvaluationRequest(dataset=f"folder:{tmp_path / 'real'}", features="pixels")
    _, reals = _load_run(run, request, lambda *progress: None)
    [chunk] = reals.chunks(8)
    assert chunk.images.max() == round(1000 / 4095 * 255)


def test_moved_data_are_those_of_the_run(tmp_path: Path) -> None:
    """With the classes that the run has chosen, which other data would not have."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "old" / name).mkdir(parents=True)
        for i in range(8):
            image = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
            image.save(tmp_path / "old" / name / f"{i}.png")
    words = f"dcgan --dataset folder:{tmp_path / 'old'} --classes a --image-size 8 --batch-size 4"
    run = finished(tmp_path / "run", words)
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(UserError, match="if they have moved, give --dataset folder:"):
        _load_run(run, EvaluationRequest(features="pixels"), lambda *progress: None)
    for classes, count in ((None, 8), (["b", "a"], 16)):
        request = EvaluationRequest(
            dataset=f"folder:{tmp_path / 'new'}", classes=classes, features="pixels"
        )
        _, reals = _load_run(run, request, lambda *progress: None)
        assert reals.count == count
    (tmp_path / "new" / "a" / "7.png").unlink()  # other data than those of the run
    request = EvaluationRequest(dataset=f"folder:{tmp_path / 'new'}", features="pixels")
    assert _load_run(run, request, lambda *progress: None)[1].count == 15


def test_grey_images_are_compared_with_a_dataset_in_its_colours(tmp_path: Path) -> None:
    for name, color in (("grey", 99), ("red", (200, 0, 0))):
        (tmp_path / name).mkdir()
        for i in range(3):
            mode = "L" if name == "grey" else "RGB"
            Image.new(mode, (8, 8), color).save(tmp_path / name / f"{i}.png")
    for dataset, channels in ((f"folder:{tmp_path / 'red'}", 3), ("digits", 1)):
        request = EvaluationRequest(dataset=dataset, features="pixels")
        samples, reals = _load_directory(tmp_path / "grey", request, lambda *progress: None)
        assert samples.image_shape == reals.image_shape == (8, 8, channels)


def test_samples_have_the_range_of_the_reals(tmp_path: Path) -> None:
    """16-bit files that are darker than the real ones stay so; those of 8 bits are as they are."""
    for name, high in (("made", 1000), ("real", 4095)):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("I;16", (8, 8), high * i // 3).save(tmp_path / name / f"{i}.png")
    Image.new("L", (8, 8), 1).save(tmp_path / "real/mask.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "made/white.png")
    request = EvaluationRequest(real_dir=tmp_path / "real", features="pixels")
    samples, reals = _load_directory(tmp_path / "made", request, lambda *progress: None)
    shown = [int(i[0, 0, 0]) for each in (samples, reals) for c in each.chunks(9) for i in c.images]
    assert sorted(shown[:5]) == [0, 21, 41, 62, 255] and max(shown[5:]) == 255
