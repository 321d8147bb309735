"""The generators inside the package work without TensorFlow, are small, and say what they are."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from tfgan2 import cli, runtime, web
from tfgan2.errors import UserError
from tfgan2.evaluation.figures import FIGURES
from tfgan2.runtime import shipped
from tfgan2.runtime.container import sha256_of

MAIN = "from tfgan2.cli import main; main()"
FILES = [
    pytest.param(name, ending, id=f"{name}{ending}")
    for name in shipped.names()
    for ending in (".tflite", ".onnx")
]


def test_digits_are_there() -> None:
    assert shipped.names() == ["digits"]


@pytest.mark.parametrize("name, ending", FILES)
def test_each_file(name: str, ending: str) -> None:
    path = shipped.located(f"pretrained:{name}{ending}")
    assert path.suffix == ending and path.stat().st_size <= 300_000
    metadata = runtime.read_metadata(path)
    assert "/" not in metadata["about"]["dataset"]  # no path of a machine
    generator = runtime.load(f"pretrained:{name}{ending}")
    images = generator.generate(4, seed=1, label=generator.class_names[0])
    assert images.shape == (4, *generator.image_shape) and np.ptp(images) > 1


def test_both_files_show_the_same_digits() -> None:
    one, other = (
        runtime.load(f"pretrained:digits{ending}").generate(40, seed=3)
        for ending in (".tflite", ".onnx")
    )
    assert np.abs(one - other).mean() < 0.01


@pytest.mark.parametrize("ending", [".tflite", ".onnx"])
def test_threads_share_a_generator(ending: str) -> None:
    generator = runtime.load(f"pretrained:digits{ending}", threads=1)
    draw = partial(generator.generate, 8)
    alone = [draw(seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        together = [pool.submit(draw, seed=seed) for seed in range(40)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other.result())


def test_the_card_and_the_listing() -> None:
    folder = shipped.located("pretrained:digits").parent
    text = (folder / "README.md").read_text(encoding="utf-8")
    card = yaml.safe_load(text.split("---\n")[1])
    assert card["license"] == "cc-by-sa-3.0" and card["datasets"] == ["mnist"]
    (result,) = card["model-index"][0]["results"]
    figures = {item["type"]: item["value"] for item in result["metrics"]}
    assert figures["label_accuracy"] >= 0.99 and figures["recall"] >= 0.6
    assert figures["classes_found"] == 10
    assert figures.keys() <= FIGURES.keys()
    (protocol,) = set(re.findall(r"protocol `?([0-9a-f]{8})", text, re.IGNORECASE))
    page = Path(__file__).parents[2] / "docs" / "distill.md"
    assert f"MNIST, 10,000 samples, protocol {protocol} |" in page.read_text(encoding="utf-8")
    listed = yaml.safe_load((folder / "metadata.json").read_text())["artefacts"]
    assert {item["file"]: item["sha256"] for item in listed} == {
        path.name: sha256_of(path) for path in folder.glob("generator*")
    }


def test_generate_soon_and_without_tensorflow(tmp_path: Path) -> None:
    out = tmp_path / "sevens.png"
    words = f"generate pretrained:digits --label 7 --count 16 --out {out}"
    code = (
        f"import sys\nfrom tfgan2 import cli\nassert cli.run({words.split()!r}) == 0\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert time.perf_counter() - start < 10  # a second where nothing else runs
    assert out.exists()


def test_pull_copies_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = shipped.located("pretrained:digits").parent
    assert cli.run(["pull", "pretrained:digits"]) == 0
    assert sha256_of(tmp_path / "digits") == sha256_of(source)
    assert "tfgan2 generate digits/generator.int8.tflite" in capsys.readouterr().out
    assert cli.run(["pull", "pretrained:digits.onnx", "--out", "app/digits"]) == 0
    assert sha256_of(tmp_path / "app" / "digits") == sha256_of(source)
    for words, message in (
        ("pull pretrained:digits", "digits exists: choose another folder"),
        ("pull pretrained:digit", "did you mean 'digits'?"),
        ("pull pretrained:digits --out new --revision main", "has no revisions"),
    ):
        assert cli.run(words.split()) == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_without_litert_it_is_the_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped.located("pretrained:digits").suffix == ".tflite"
    monkeypatch.setattr(shipped, "find_spec", lambda name: None)
    assert shipped.located("pretrained:digits").suffix == ".onnx"


@pytest.mark.parametrize("name", ["digit", "digits.h5", "", "../shipped/digits"])
def test_others_are_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="unknown pretrained generator"):
        shipped.located(f"pretrained:{name}")
    assert cli.run(["generate", f"pretrained:{name}"]) == 2
    assert "digits" in capsys.readouterr().err


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(UserError, match="None is no path: give that"):
        runtime.load(None)  # type: ignore[arg-type]


def test_other_paths_stay() -> None:
    assert shipped.located("a/pretrained:b.onnx") == Path("a/pretrained:b.onnx")


def test_benchmark_and_serve_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["benchmark", "pretrained:digits", "--count", "2", "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "pretrained:digits" in shown and "the GPU delegate leaves" in shown
    fastapi = pytest.importorskip("fastapi")
    from tfgan2.serve import create_app

    assert isinstance(create_app("pretrained:digits"), fastapi.FastAPI)


def test_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    from tfgan2.serve import create_app

    monkeypatch.setattr(web, "principal_directions", lambda generator: [])  # they take seconds
    content = shipped.located("pretrained:digits.onnx").read_bytes()
    web.write_page(tmp_path / "page", "pretrained:digits.onnx")
    assert (tmp_path / "page" / "model.onnx").read_bytes() == content
    client = testclient.TestClient(create_app("pretrained:digits.onnx"))
    assert client.get("/page/model.onnx").content == content
