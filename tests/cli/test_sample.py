"""`tfgan2 sample`: classes, latents, interpolation and points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import finished
from PIL import Image

from tfgan2 import cli, open_run


def fit(out: Path, words: str) -> Path:
    return finished(out, f"--batch-size 16 --set latent_dim=6 {words}")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "cgan"
    return fit(out, "cgan --dataset digits --image-size 8 --classes 7,3,0")


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(tmp_path_factory.mktemp("runs") / "points", "gan --dataset ring8")


def arrays(run: Path, words: str, out: Path) -> dict[str, np.ndarray]:
    assert cli.run(f"sample {run} {words} --out {out}".split()) == 0
    return dict(np.load(out))


def test_classes_are_taken_in_turn_or_chosen(conditional: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    every = arrays(conditional, "--count 7", out)
    np.testing.assert_array_equal(every["labels"], [0, 1, 2, 0, 1, 2, 0])
    one = arrays(conditional, "--count 4 --label 3", out)  # a name: "3" is the second class
    np.testing.assert_array_equal(one["labels"], [1, 1, 1, 1])
    drawn = [open_run(conditional).draw(4, label=label) for label in (3, [3], np.int64(3))]
    for each in drawn:
        np.testing.assert_array_equal(each.labels, one["labels"])
    two = arrays(conditional, "--count 4 --label 0 --label 1", out)  # "1" is no name
    np.testing.assert_array_equal(two["labels"], [2, 1, 2, 1])
    np.testing.assert_array_equal(one["latents"], every["latents"][:4])
    np.testing.assert_array_equal(one["images"][1], every["images"][1])


def test_grid_has_a_column_per_class(conditional: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    assert cli.run(f"sample {conditional} --out {out}".split()) == 0
    with Image.open(out) as picture:
        width, height = picture.size
    assert round(width / height, 1) == round(3 / 21, 1)  # 63 images
    with Image.open(conditional / "samples" / "step-0000002.png") as shown:
        assert shown.size == (width, height)


def test_latents_from_a_file(conditional: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "x.npz", tmp_path / "z.npy"
    latents = arrays(conditional, "--count 3 --seed 5", out)["latents"]
    np.save(file, latents[::-1])
    given = arrays(conditional, f"--latents {file} --label 7", out)
    np.testing.assert_array_equal(given["latents"], latents[::-1])
    plain = arrays(conditional, "--count 3 --seed 5 --label 7", out)
    np.testing.assert_array_equal(given["images"], plain["images"][::-1])
    for wrong in (latents[:, :3], latents[:, 0]):
        np.save(file, wrong)
        for more in ("", "--interpolate", "--interpolate --label 0 --label 3"):
            assert cli.run(f"sample {conditional} --latents {file} {more} --out {out}".split()) == 2


def test_the_line_says_what_was_written(
    conditional: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for count, noun in ((1, "image"), (2, "images")):
        out = tmp_path / f"{count}.png"
        assert cli.run(f"sample {conditional} --count {count} --out {out}".split()) == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"{out}: {count} {noun} of cgan at step ")
        assert shown.endswith(", seed 0\n")


def test_a_walk_keeps_to_one_class(conditional: Path, tmp_path: Path) -> None:
    walk = arrays(conditional, "--interpolate --count 3 --label 0", tmp_path / "w.npz")
    assert set(walk["labels"]) == {2} and len(walk["labels"]) == 21


def test_from_class_to_class_at_each_latent(conditional: Path, tmp_path: Path) -> None:
    words = "--interpolate --label 0 --label 3 --frames 4 --count 2"
    walk = arrays(conditional, words, tmp_path / "w.npz")
    assert walk["labels"].shape == (10, 3) and len(walk["images"]) == 10
    np.testing.assert_array_equal(walk["labels"][:5, 1], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(walk["latents"][:5], walk["latents"][:1].repeat(5, axis=0))
    for label, at in ((0, 0), (3, 4)):
        one = arrays(conditional, f"--count 2 --label {label}", tmp_path / "one.npz")["images"]
        assert np.abs(walk["images"][[at, 5 + at]].astype(int) - one).max() <= 1
    out = tmp_path / "walk.png"
    assert cli.run(f"sample {conditional} {words} --out {out}".split()) == 0
    with Image.open(out) as picture:
        width, height = picture.size
    assert 2.3 < width / height < 2.5  # a row for each latent


def test_standing_statistics(conditional: Path, tmp_path: Path) -> None:
    words = f"sample {conditional} --count 20 --out {tmp_path}"
    for name, more in (("plain", ""), ("standing", "--standing-statistics 3")):
        assert cli.run(f"{words}/{name}.npz {more}".split()) == 0
    plain, standing = (np.load(tmp_path / f"{name}.npz") for name in ("plain", "standing"))
    np.testing.assert_array_equal(plain["latents"], standing["latents"])
    assert not np.array_equal(plain["images"], standing["images"])


def test_a_timelapse_shows_the_grids_of_the_training(
    conditional: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grids = sorted((conditional / "samples").glob("step-*.png"))
    out = tmp_path / "out.gif"
    assert cli.run(["sample", str(conditional), "--timelapse", str(out)]) == 0
    assert f"{out}: {len(grids)} of {len(grids)} sample grids" in capsys.readouterr().out
    with Image.open(out) as image:
        assert image.n_frames == len(grids) >= 1


def test_points_are_scattered(points: Path, tmp_path: Path) -> None:
    assert arrays(points, "", tmp_path / "p.npz")["points"].shape == (2500, 2)
    out = tmp_path / "p.png"
    assert cli.run(f"sample {points} --out {out}".split()) == 0
    for picture in (out, points / "reals.png", points / "samples" / "step-0000002.png"):
        with Image.open(picture) as image:
            assert image.size == (600, 600)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sample {conditional} --label nine", "unknown label 'nine'"),
        ("sample {conditional} --label 12", "unknown label '12'"),
        ("sample {points} --label 1", "takes no labels"),
        ("sample {conditional} --truncation 0.7", "CGAN has no truncation, as stylegan2"),
        ("sample {points} --standing-statistics 2", "GAN has no batch norm"),
        ("sample {conditional} --truncation -1", "truncation must be at least 0, not -1"),
        ("sample {points} --interpolate --label 0 --label 1", "takes no labels"),
        ("sample {conditional} --latents none.npy", "none.npy does not exist"),
        ("sample {points} --out p.gif", "points cannot be animated"),
        ("sample {points} --out folder", "points cannot be written as single images"),
        ("sample {conditional} --timelapse t.gif --label 3", "leave other options out"),
        ("sample {conditional} --timelapse t.gif --out x.png", "leave other options out"),
        ("sample {conditional} --timelapse t.gif --checkpoint best", "leave other options out"),
        ("sample {conditional} --frames 50", "give interpolate, or leave frames out"),
        ("sample {conditional} --columns 3 --out x.npz", "'x.npz' is not a grid: leave --columns"),
        ("generate pretrained:digits --columns 3 --out x", "'x' is not a grid: leave --columns"),
        ("sample {conditional} --timelapse t.png", "a timelapse is a .gif, not 't.png'"),
        ("fit cgan --dataset faces", "cgan needs a dataset with labels, faces has none"),
        ("fit gan --dataset digits --set packing=3", "cannot be packed by 3"),
        ("fit gan --dataset digits --set augment=blur", "unknown augmentation"),
    ],
)
def test_mistakes_are_one_line(
    words: str,
    message: str,
    conditional: Path,
    points: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = words.format(conditional=conditional, points=points)
    assert cli.run(filled.split()) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not list(tmp_path.iterdir())


def test_points_are_exported_in_their_own_range(points: Path, tmp_path: Path) -> None:
    assert cli.run(["export", str(points), "--format", "onnx", "--out", str(tmp_path / "e")]) == 0
    file = tmp_path / "e" / "generator.onnx"
    listed = json.loads((tmp_path / "e" / "metadata.json").read_text())["artefacts"][0]
    assert listed["outputs"][0]["range"] is None
    words = f"generate {file} --count 20 --seed 3 --out {tmp_path / 'g.npz'}"
    assert cli.run(words.split()) == 0
    made = np.load(tmp_path / "g.npz")["points"]
    ours = arrays(points, "--count 20 --seed 3", tmp_path / "s.npz")["points"]
    np.testing.assert_allclose(made, ours, atol=1e-5)
    assert cli.run(["generate", str(file), "--out", str(tmp_path / "g.gif")]) == 2


@pytest.mark.slow
def test_learned_categories_have_no_class_names(tmp_path: Path) -> None:
    run = fit(tmp_path / "run", "infogan --dataset digits --image-size 8 --classes 9,8")
    words = f"sample {run} --count 3 --label 9 --out {tmp_path / 'x.npz'}"
    assert cli.run(words.split()) == 0  # it learns ten categories, not the classes
    assert list(np.load(tmp_path / "x.npz")["labels"]) == [9, 9, 9]


@pytest.mark.slow
def test_reconstructions_show_the_samples_that_training_showed(tmp_path: Path) -> None:
    run = fit(tmp_path / "run", "vae --dataset digits --image-size 8 --hold-out 20")
    assert cli.run(["sample", str(run), "--out", str(tmp_path / "x.png")]) == 0
    shown = run / "samples" / "reconstructions" / "step-0000002.png"
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "x-reconstructions.png")), np.asarray(Image.open(shown))
    )
