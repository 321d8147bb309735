"""`tfgan2 evaluate`, `tfgan2 compare`, and evaluations while a run trains."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_refused, eagerly, finished, fit, fit_small
from PIL import Image

from tfgan2 import cli
from tfgan2.training import stats


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFGAN2_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# Weights as trained, and fast: the average of a few steps is grey whatever they did.
EVERY = (
    "--evaluate-every 2 --evaluate-count 40 --evaluate-features random-conv-112 "
    "--set ema_decay=0 --set generator_learning_rate=0.01"
)


@pytest.fixture(scope="module")
def judged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps, evaluated at 2, 4 and 6. Tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "judged"
    assert fit_small(out, EVERY) == 0
    return out


def results(folder: Path) -> list[dict]:
    paths = sorted(folder.glob("*/result.json"))
    return [json.loads(path.read_text()) for path in paths]


def evaluate(*words: str | Path) -> int:
    return cli.run(["evaluate", *map(str, words)])


@pytest.mark.slow
def test_a_run_twice_gives_the_same_to_all_digits(finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    assert evaluate(run, "--count", "60", "--features", "classifier") == 0
    (folder,) = (run / "evaluation").iterdir()
    first = (folder / "result.json").read_text()
    result = json.loads(first)
    assert folder.name == f"step-0000006-classifier-{result['protocol_id']}"
    assert result["who"]["flavour"] == "dcgan" and result["who"]["step"] == 6
    assert result["who"]["kimg"] == pytest.approx(6 * 16 / 1000)
    assert result["protocol"]["samples"] == {"seed": 0, "images": 60}
    assert {"fid", "kid", "is", "precision", "coverage", "classes_found"} <= set(result["figures"])
    for picture in ("samples.png", "neighbours.png"):
        with Image.open(folder / picture) as opened:
            opened.verify()
    again = [run, "--count", "60", "--features", "classifier"]
    assert evaluate(*again) == 0
    assert (folder / "result.json").read_text() == first
    assert evaluate(*again, "--seed", "1", "--out", tmp_path / "other") == 0
    other = json.loads((tmp_path / "other" / "result.json").read_text())
    assert other["figures"]["fid"] != result["figures"]["fid"]
    assert other["protocol_id"] != result["protocol_id"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_file_gets_the_figures_of_its_run(
    suffix: str, finished_run: Path, tmp_path: Path
) -> None:
    words = ["export", str(finished_run), "--out", str(tmp_path), "--format", suffix[1:]]
    assert cli.run([*words, "--images", "16"]) == 0
    common = ["--count", "80", "--features", "pixels", "--metrics", "fid,prdc"]
    assert evaluate(finished_run, *common, "--out", tmp_path / "run") == 0
    file = tmp_path / f"generator{suffix}"
    assert evaluate(file, *common, "--out", tmp_path / "file") == 0
    run, made = (json.loads((tmp_path / n / "result.json").read_text()) for n in ("run", "file"))
    assert made["protocol_id"] == run["protocol_id"]
    assert made["figures"] == pytest.approx(run["figures"], rel=0.01)
    assert made["who"]["file"] == str(file)


def test_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("real", 200), ("fake", 100), ("same", 200)):
        for index in range(12):
            pixels = rng.integers(level - 20, level + 20, (10, 10, 3), dtype=np.uint8)
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")

    def figures(one: str, other: str) -> dict[str, float]:
        out = tmp_path / f"{one}-{other}"
        words = [tmp_path / one, tmp_path / other, "--features", "random-conv-112"]
        assert evaluate(*words, "--out", out) == 0
        return json.loads((out / "result.json").read_text())["figures"]

    assert figures("real", "real")["fid"] == 0.0
    printed = capsys.readouterr().out
    line = "random-conv-112 features, real all 10x10x3, 12 real images, 12 samples"
    assert line in printed
    assert re.search(r"FID .* 0\.000 .* lower ", printed)
    far, near = figures("fake", "real"), figures("same", "real")
    assert far["fid"] > 10 * near["fid"]
    assert far["precision"] == 0.0


def test_figures_while_training(judged_run: Path) -> None:
    lines = [line for line in stats.read(judged_run) if "random-conv-112/fid" in line]
    assert [line["step"] for line in lines] == [2, 4, 6]
    found = results(judged_run / "evaluation")
    assert [result["who"]["step"] for result in found] == [2, 4, 6]
    by_step = {line["step"]: line["random-conv-112/fid"] for line in lines}
    assert max(by_step.values()) > 1.05 * min(by_step.values())  # else the best says little
    assert by_step == {result["who"]["step"]: result["figures"]["fid"] for result in found}
    with np.load(judged_run / "checkpoints/best.npz") as archive:
        best = json.loads(archive["header"].tobytes())
    assert best["step"] == min(by_step, key=by_step.__getitem__)
    assert best["best"]["value"] == min(by_step.values())


def test_the_best_checkpoint_is_what_it_says(judged_run: Path, tmp_path: Path) -> None:
    with np.load(judged_run / "checkpoints/best.npz") as archive:
        best = json.loads(archive["header"].tobytes())["best"]
    words = ["--count", "40", "--features", "random-conv-112", "--metrics", "fid"]
    assert evaluate(judged_run, *words, "--checkpoint", "best", "--out", tmp_path / "best") == 0
    result = json.loads((tmp_path / "best/result.json").read_text())
    assert result["who"]["step"] == best["step"]
    assert result["figures"]["fid"] == best["value"]
    out = tmp_path / "grid.png"
    words = ["sample", str(judged_run), "--count", "4", "--out", str(out)]
    assert cli.run([*words, "--checkpoint", "best"]) == 0 and out.exists()


def test_a_folder_of_something_else_is_left_alone(finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "thesis.txt").write_text("mine")
    assert evaluate(finished_run, "--out", tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "thesis.txt"}


@pytest.mark.slow
def test_a_resumed_run_finds_the_same_figures(judged_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "resumed"
    assert fit_small(out, EVERY, steps=4) == 0
    assert cli.run(["fit", "--resume", str(out), "--steps", "6"]) == 0
    one, other = (
        [{k: v for k, v in line.items() if k not in stats.TIMES} for line in stats.read(run)]
        for run in (judged_run, out)
    )
    assert one == other
    with (
        np.load(judged_run / "checkpoints/best.npz") as whole,
        np.load(out / "checkpoints/best.npz") as parts,
    ):
        names = [name for name in whole.files if name != "header"]
        assert all(np.array_equal(whole[name], parts[name]) for name in names)


@pytest.mark.slow
def test_points_and_pairs_while_training(tmp_path: Path) -> None:
    ring = "--steps 2 --set latent_dim=2 --no-xla --evaluate-every 1 --evaluate-count 50"
    assert fit(tmp_path / "ring", f"gan --dataset ring8 {ring}") == 0
    assert "points/good_samples" in stats.read(tmp_path / "ring")[-1]
    run = finished(
        tmp_path / "holes",
        "inpainting --dataset digits --image-size 16 --evaluate-every 1 --best-metric l1 "
        "--evaluate-features random-conv-112",
    )
    assert "random-conv-112/l1" in stats.read(run)[-1]
    assert evaluate(run, "--features", "pixels") == 0
    (result,) = [
        r for r in results(run / "evaluation") if r["protocol"]["features"]["name"] == "pixels"
    ]
    assert result["protocol"]["reference"]["part"] == "held out"
    assert result["protocol"]["samples"]["images"] == 16
    assert result["figures"]["psnr"] > 5


def test_runs_side_by_side(
    judged_run: Path, finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    same = tmp_path / "same"
    with eagerly():
        assert fit_small(other, EVERY.replace("40", "41"), steps=2) == 0
        assert fit_small(same, EVERY.replace("decay=0", "decay=0.5"), steps=2) == 0
    capsys.readouterr()
    words = ["compare", *map(str, (judged_run, other, same, finished_run))]
    assert cli.run([*words, "--out", str(tmp_path / "both.png")]) == 0
    printed = capsys.readouterr().out
    # Two protocols, two tables: 40 samples and 41 are not compared.
    assert printed.count("protocol ") == 2
    first, second = printed.split("protocol ")[1:]
    assert "40 samples" in first and "judged" in first and "same" in first
    assert "other" not in first and "41 samples" in second and "other" in second
    assert "as trained" in first and "averaged" in first
    assert f"tfgan2 evaluate {finished_run}" in printed
    with Image.open(tmp_path / "both.png") as picture:
        assert picture.width > 800


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate nowhere", "'nowhere' does not exist"),
        ("evaluate RUN --metrics fit", "did you mean 'fid'"),
        ("evaluate RUN --features pixel", "did you mean 'pixels'"),
        ("evaluate RUN --features inception-tf", "inception-tf:FILE"),
        ("evaluate RUN --features inception-tf:no.pb", "no.pb"),
        ("evaluate RUN --checkpoint best", "kept no best checkpoint"),
        ("evaluate RUN --checkpoint 77", "choose from newest, 2, 4, 6"),
        ("evaluate RUN --count 5 --metrics prdc", "more than 5"),
        ("evaluate RUN --image-size 8", "leave --image-size out"),
        ("evaluate RUN --out RUN", "holds no result"),
        ("evaluate RUN --out RUN/config.json", "is a file"),
        ("evaluate RUN RUN --dataset digits", "not both"),
        ("evaluate RUN/checkpoints", "no reference data"),
        ("evaluate RUN RUN/checkpoints", "no images"),
        ("compare RUN", "two"),
        ("compare RUN RUN", "given twice"),
        ("compare RUN nowhere", "no such run directory"),
        ("compare RUN RUN/samples --figures fit", "did you mean 'fid'"),
        ("fit dcgan --dataset digits --best-metric fid", "evaluate_every is missing"),
        ("fit dcgan --dataset digits --evaluate-every 5 --best-metric fit", "did you mean 'fid'"),
        ("fit dcgan --dataset digits --evaluate-every 0", "evaluate_every must be at least 1"),
        ("fit gan --dataset ring8 --evaluate-every 5 --evaluate-metrics fid", "modes only"),
        (
            "fit gan --dataset digits --evaluate-every 5 --evaluate-features pixels "
            "--best-metric label_accuracy",
            "cannot be measured here: choose from fid",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_code_2(
    words: str,
    message: str,
    finished_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(words.replace("RUN", str(finished_run)).split(), message, capsys)
    left = [path for path in tmp_path.rglob("*") if path.suffix != ".lock"]
    assert not [path for path in left if path.name in ("result.json", "comparison.png")]


def test_a_broken_grid_is_not_drawn(
    judged_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [shutil.copytree(judged_run, tmp_path / name) for name in ("one", "other")]
    grid = max(runs[1].glob("samples/step-*.png"))
    grid.write_bytes(grid.read_bytes()[:200])
    words = ["compare", *map(str, runs), "--out", str(tmp_path / "both.png")]
    assert_refused(words, f"cannot read '{grid}': ", capsys)
    assert not (tmp_path / "both.png").exists()


@pytest.mark.parametrize("which", ["first", "second"])
def test_what_cannot_be_read_is_one_line(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken in its header or in its pixels; the folder is named, since both may have the file."""
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            Image.effect_noise((16, 16), 90 + number).save(tmp_path / folder / f"{number}.png")
    broken = tmp_path / which / "1.png"
    whole = broken.read_bytes()
    words = ["evaluate", f"{tmp_path}/first", f"{tmp_path}/second", "--metrics", "fid"]
    words += ["--features", "pixels", "--out", str(tmp_path / "out")]
    for content, reason in ((whole[:100], "truncated"), (b"nonsense", "not an image")):
        broken.write_bytes(content)
        assert cli.run(words) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: '{broken.parent}': cannot read '1.png': ")
        assert reason in error and error.count("\n") == 1
        assert not (tmp_path / "out").exists()
    assert cli.run([*words, "--skip-unreadable"]) == 0
    assert "warning: left out 1 of 3 files that cannot be read" in capsys.readouterr().err
    assert (tmp_path / "out" / "result.json").exists()
