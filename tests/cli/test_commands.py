"""The command line as a user meets it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_refused, fit_small
from PIL import Image, ImageSequence

from tfgan2 import api, cli, runs
from tfgan2.cli.fit import show_next_commands


def processor_seconds(code: str) -> tuple[float, str]:
    """Runs code in a process of its own; returns its processor time and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


@pytest.mark.parametrize("words", ["--help", "models", "datasets", "info dcgan", "fit --help"])
def test_quick_commands_import_no_tensorflow(words: str) -> None:
    """They take at most five times the processor time of three libraries that they need."""
    code = (
        "import sys; from tfgan2 import cli\n"
        f"code = cli.run({words.split()!r})\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_datasets', 'sklearn', 'matplotlib'}\n"
        "sys.exit(code or ', '.join(heavy & set(sys.modules)) or None)"
    )
    ratios: list[float] = []
    while min(ratios, default=9.0) >= 5.0 and len(ratios) < 3:  # a busy core is a slower one
        least, _ = processor_seconds("import numpy, typer, rich.table")
        seconds, output = processor_seconds(code)
        assert len(output) > 100
        ratios.append(seconds / least)
    assert min(ratios) < 5.0


def test_is_a_module_too(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tfgan2", "info", "nothing"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: unknown flavour 'nothing'")


def test_models_and_info_show_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models"]) == 0
    assert "dcgan" in capsys.readouterr().out
    assert cli.run(["info", "dcgan"]) == 0
    out = capsys.readouterr().out
    assert "1511.06434" in out and "label_smoothing" in out and "ema_decay" in out
    assert "tfgan2 fit dcgan --dataset digits " in out
    assert cli.run(["info", "cyclegan"]) == 0
    assert "tfgan2 fit cyclegan --dataset unpaired:DIR_A,DIR_B " in capsys.readouterr().out
    assert cli.run(["datasets"]) == 0
    out = capsys.readouterr().out
    assert all(
        name in out for name in ("digits", "faces", "mnist", "cifar10", "folder:", "prepared:")
    )


def test_dry_run_shows_everything_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "fit dcgan --dataset digits --dry-run --epochs 2 --batch-size 100 --set base_channels=8"
    assert cli.run([*words.split(), "--no-xla"]) == 0
    out = capsys.readouterr().out
    assert '"generator_learning_rate": 0.0002' in out
    assert '"steps": 36' in out  # two passes over 1,797 images in batches of 100
    assert "generator: (None, 100) -> (None, 16, 16, 1)" in out
    assert "images: float32 (100, 16, 16, 1)" in out
    assert not list(tmp_path.iterdir())


WRONG = {
    "flavour": ("fit dcgann --dataset digits", "unknown flavour 'dcgann': did you mean 'dcgan'"),
    "no flavour": ("fit", "flavour is missing"),
    "no dataset": ("fit dcgan", "dataset is missing"),
    "dataset": ("fit dcgan --dataset digit", "did you mean 'digits'"),
    "class": ("fit dcgan --dataset digits --classes 11", "unknown class '11'"),
    "hyperparameter": ("fit dcgan --dataset digits --set d_stepps=2", "did you mean 'd_steps'"),
    "value": ("fit dcgan --dataset digits --set base_channels=wide", "must be a whole number"),
    "impossible value": ("fit dcgan --dataset digits --set d_steps=0", "d_steps must be at least"),
    "option": ("fit dcgan --dataset digits --bach-size 4", "--batch-size"),
    "choice": ("fit dcgan --dataset digits --precision float8", "mixed_float16"),
    "steps and epochs": ("fit dcgan --dataset digits --steps 1 --epochs 1", "not both"),
    "no steps": ("fit dcgan --dataset digits --steps 0", "steps must be at least 1"),
    "epochs": ("fit dcgan --dataset digits --epochs 0", "epochs must be above 0"),
    "endless": ("fit dcgan --dataset digits --epochs inf", "above 0 and finite, not inf"),
    "no number": ("fit dcgan --dataset digits --epochs nan", "above 0 and finite, not nan"),
    "count": ("fit dcgan --dataset digits --evaluate-count 9", "evaluate_every is missing"),
    "seed": ("fit dcgan --dataset digits --seed -1", "seed must be from 0"),
    "hold out": ("fit srgan --dataset digits --hold-out -5", "hold_out must be at least 0"),
    "no batch": ("fit dcgan --dataset digits --batch-size 0", "batch_size must be at least 1"),
    "points": ("fit srgan --dataset ring8", "srgan cannot train on 'ring8', which holds points"),
    "one side": ("fit cyclegan --dataset unpaired:{tmp}/full,", "unpaired: lacks its path"),
    "batch of one": (
        "fit stackgan --dataset digits-captions --batch-size 1",
        "give a --batch-size of 2",
    ),
    "image size": ("fit dcgan --dataset digits --image-size 264", "edges of 8 to 256 pixels"),
    "batch": ("fit dcgan --dataset faces --batch-size 128", "--batch-size 100 or less"),
    "folder": ("fit dcgan --dataset folder:{tmp}/none", "{tmp}/none"),
    "empty folder": ("fit dcgan --dataset folder:{tmp}/empty", "{tmp}/empty"),
    "data dir": ("fit dcgan --dataset cifar10 --data-dir {tmp}/none", "{tmp}/none"),
    "out": ("fit dcgan --dataset digits --out {tmp}/full", "exists and is not empty"),
    "out is a file": ("fit dcgan --dataset digits --out {tmp}/full/x", "is a file"),
    "unwritable": ("fit dcgan --dataset digits --out {tmp}/full/x/y --steps 1", "cannot write to"),
    "resume none": ("fit --resume {tmp}/none", "no such run directory"),
    "resume no run": ("fit --resume {tmp}/full", "is not a run directory"),
    "resume with a cache": (
        "fit --resume {tmp}/full --cache memory",
        "--resume takes all options",
    ),
    "resume with options": ("fit --resume {tmp}/full --seed 3", "--resume takes all options"),
    "sample no run": ("sample {tmp}/full", "is not a run directory"),
    "sample an exported file": (
        "sample pretrained:digits",
        "pretrained:digits is no run directory: `tfgan2 generate`",
    ),
    "sample nothing": (
        "sample {tmp}/full --count 0",
        "count must be at least 1, not 0",
    ),
    "sample to jpg": ("sample {tmp}/full --out a.jpg", ".png, .gif or .npz"),
    "export no run": ("export {tmp}/full", "is not a run directory"),
    "watch remote": ("watch gs://bucket/run", "gs://bucket/run is remote: copy it to"),
    "compare remote": ("compare gs://bucket/a gs://bucket/b", "gs://bucket/a is remote: copy"),
    "benchmark remote": ("benchmark gs://bucket/a.onnx", "gs://bucket/a.onnx is remote: copy"),
    "generate none": ("generate {tmp}/none.onnx", "{tmp}/none.onnx"),
    "command": ("fitt", "No such command"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_with_code_2(
    words: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "empty").mkdir()
    assert cli.run(words.format(tmp=tmp_path).split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message.format(tmp=tmp_path) in error
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["empty", "full", "full/x"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs 0.01", "is planned for 6 steps, and 0.01 epochs are 2: give at least as many"),
        ("--epochs inf", "epochs must be above 0 and finite, not inf"),
        ("--steps 5", "is planned for 6 steps: give at least as many"),
        ("--accumulate 0", "accumulate must be at least 1, not 0"),
    ],
)
def test_what_a_resumed_run_refuses(
    words: str, message: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished_run / "config.json").read_bytes()
    assert_refused(["fit", "--resume", str(finished_run), *words.split()], message, capsys)
    assert (finished_run / "config.json").read_bytes() == before


@pytest.mark.parametrize(("index", "shown"), [(0, True), (1, False)])
def test_only_the_chief_shows_the_next_commands(
    index: int,
    shown: bool,
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = {"type": "worker", "index": index}
    config = {"cluster": {"worker": ["a.example:1", "b.example:1"]}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    show_next_commands(api.Run(finished_run))
    assert ("next:" in capsys.readouterr().out) == shown


def test_run_directories_are_numbered(tmp_path: Path) -> None:
    assert runs.propose(tmp_path / "runs", "dcgan", "digits").name == "00000-dcgan-digits"
    (tmp_path / "00007-dcgan-x").mkdir()
    assert runs.propose(tmp_path, "dcgan", "folder:/a/my faces").name == "00008-dcgan-my-faces"


def test_sample_grid_folder_arrays_and_seed(finished_run: Path, tmp_path: Path) -> None:
    def sample(out: str, *more: str) -> None:
        assert cli.run(["sample", str(finished_run), "--out", str(tmp_path / out), *more]) == 0

    sample("a.npz", "--count", "70", "--seed", "5")
    sample("b.npz", "--count", "3", "--seed", "5")
    sample("c.npz", "--count", "3", "--seed", "6")
    a, b, c = (np.load(tmp_path / f"{name}.npz") for name in "abc")
    assert a["images"].shape == (70, 16, 16, 1) and a["latents"].shape == (70, 8)
    # A batch of another size may round the last bit differently.
    difference = a["images"][:3].astype(int) - b["images"]
    assert np.abs(difference).max() <= 1
    assert not np.array_equal(b["images"], c["images"])
    sample("folder", "--count", "3")
    assert len(list((tmp_path / "folder").iterdir())) == 3
    sample("one.png", "--count", "9")
    sample("two.png", "--count", "9")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_interpolation_as_grid_and_gif(finished_run: Path, tmp_path: Path) -> None:
    words = ["sample", str(finished_run), "--interpolate", "--count", "3", "--frames", "5"]
    assert cli.run([*words, "--out", str(tmp_path / "walk.gif")]) == 0
    with Image.open(tmp_path / "walk.gif") as picture:
        # Pillow joins equal frames and shows the one longer.
        shown = sum(frame.info["duration"] for frame in ImageSequence.Iterator(picture))
    assert shown == 11 * 50
    assert cli.run([*words, "--out", str(tmp_path / "walk.png")]) == 0
    with Image.open(tmp_path / "walk.png") as picture:
        assert picture.width > 2 * picture.height  # two legs of five
    assert cli.run([*words, "--out", str(tmp_path / "walk.npz")]) == 0
    latents = np.load(tmp_path / "walk.npz")["latents"]
    stations = np.linalg.norm(latents[[0, 5, 10]], axis=1)
    assert (np.linalg.norm(latents, axis=1) >= stations.min() * 0.9).all()


@pytest.mark.slow
def test_the_whole_path_gives_the_same_images(finished_run: Path, tmp_path: Path) -> None:
    """sample, and generate from both exported files, with one seed."""
    out = tmp_path / "export"
    assert cli.run(["export", str(finished_run), "--out", str(out)]) == 0
    made = {}
    for name in ("generator.onnx", "generator.tflite"):
        target = tmp_path / f"{name}.npz"
        words = ["generate", str(out / name), "--count", "16", "--seed", "4"]
        assert cli.run([*words, "--out", str(target)]) == 0
        made[name] = np.load(target)["images"].astype(int)
    target = tmp_path / "keras.npz"
    words = ["sample", str(finished_run), "--count", "16", "--seed", "4", "--out", str(target)]
    assert cli.run(words) == 0
    keras = np.load(target)["images"].astype(int)
    assert keras.std() > 0
    for images in made.values():
        assert np.abs(images - keras).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_exports(precision: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit_small(run, f"--precision {precision}", steps=3) == 0
    assert cli.run(["export", str(run), "--format", "tflite"]) == 0
    assert (run / "export" / "generator.tflite").stat().st_size > 1000
