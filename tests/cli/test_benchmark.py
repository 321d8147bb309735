"""Models timed in turns, and the command that does so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from tfgan2 import cli
from tfgan2.cli.benchmark import WARM_UP, Timed, measure, random_inputs
from tfgan2.errors import UserError
from tfgan2.runtime.backends import Model


def timed(name, backend, batch=None):
    inputs = [{"name": "z", "dtype": "float32", "shape": [batch, 2]}]
    return Timed(name, None, "a library", 1, 10, Model(backend, {"inputs": inputs, "batch": batch}))


def test_in_turns_and_without_the_warm_up():
    calls, first = [], dict.fromkeys("ab", WARM_UP)

    def backend(name, seconds):
        def run(inputs):
            calls.append(name)
            slow = first[name] > 0
            first[name] -= slow
            time.sleep(0.1 if slow else seconds)
            return {}

        return run

    models = [timed("a", backend("a", 0.02), 4), timed("b", backend("b", 0))]
    slow, fast = measure(models, 5)
    assert "".join(calls) == "ab" * (WARM_UP + 5)
    assert 20 <= slow["median_ms"] < 95 and fast["median_ms"] < slow["median_ms"]
    assert slow["p95_ms"] >= slow["median_ms"] and (slow["count"], slow["batch"]) == (5, 4)
    assert slow["images_per_second"] == pytest.approx(4000 / slow["median_ms"])


def test_one_that_cannot_be_run_is_named():
    def broken(inputs):
        raise RuntimeError("no such tensor\nand more")

    with pytest.raises(UserError, match=r"b cannot be run: no such tensor$"):
        measure([timed("a", lambda inputs: {}), timed("b", broken)], 1)


def test_inputs_as_the_metadata_has_them():
    metadata = {
        "size": [6, 4],
        "inputs": [
            {"name": "z", "dtype": "float32", "shape": [None, 5], "distribution": "normal"},
            {"name": "label", "dtype": "int32", "shape": [None], "range": [0, 2]},
            {"name": "input", "dtype": "float32", "shape": [None, None, None, 3], "range": [-1, 1]},
        ],
    }
    made = random_inputs(metadata, 2)
    assert {name: array.shape for name, array in made.items()} == {
        "z": (2, 5),
        "label": (2,),
        "input": (2, 6, 4, 3),
    }
    assert made["label"].dtype == np.int32 and made["label"].max() <= 2
    assert made["input"].dtype == np.float32 and np.abs(made["input"]).max() <= 1


def test_the_command_times_files_without_tensorflow(conditional, tmp_path):
    figures = tmp_path / "new" / "figures.json"
    package = str(tmp_path / "generator.mlpackage")
    words = ["benchmark", *map(str, conditional.glob("generator.*")), package, "--count", "3"]
    code = (
        "import sys\nfrom tfgan2 import cli\n"
        f"assert cli.run({[*words, '--json', str(figures)]!r}) == 0\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert all(word in ran.stdout for word in ("LiteRT", "onnxruntime", "median ms", "images/s"))
    assert f"{package}: left out, only Apple's systems run Core ML packages\n" in ran.stdout
    timings = json.loads(figures.read_text())["timings"]
    kinds = {(item["runs_with"], item["threads"]) for item in timings}
    assert kinds == {(name, n) for name in ("LiteRT", "onnxruntime") for n in (1, 2, 4)}
    # Of a new process, so that the first call is much slower, and nothing is loaded yet.
    assert all(item["cold_start_ms"] > item["median_ms"] for item in timings)
    assert all(0 < item["peak_mb"] < 500 for item in timings)
    assert all(0 < item["median_ms"] <= item["p95_ms"] for item in timings)
    assert {item["bytes"] for item in timings} == {
        path.stat().st_size for path in conditional.glob("generator.*")
    }


def test_what_delegates_of_phones_leave_to_the_cpu(conditional, capsys):
    file = conditional / "generator.tflite"
    assert cli.run(["benchmark", str(file), "--count", "1", "--threads", "1", "--operators"]) == 0
    shown = capsys.readouterr().out
    assert "GPU delegate" in shown and "Core ML delegate" in shown
    assert re.search(r"FULLY_CONNECTED +│ +1 │ +yes │ +yes", shown)
    line = next(line for line in shown.splitlines() if line.startswith("generator.tflite: the GPU"))
    assert re.search(
        r"leaves \d+ of \d+ operators to the CPU, the first is [A-Z_]+ of \S+ \(", line
    )


def test_a_run_and_a_saved_model(finished_run, tmp_path, capsys):
    out = tmp_path / "export"
    export = f"export {finished_run} --format saved_model --images 16 --out {out}"
    assert cli.run(export.split()) == 0
    capsys.readouterr()
    assert (
        cli.run(f"benchmark {finished_run} {out / 'saved_model'} --count 2 --batch 3".split()) == 0
    )
    shown = capsys.readouterr().out
    assert (
        "Keras" in shown
        and "TensorFlow" in shown
        and shown.count("│ all") + shown.count(" all ") >= 2
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.onnx", "does not exist"),
        ("folder", "neither a SavedModel nor a run"),
        ("text.txt", "unknown kind"),
        ("bad.tflite", "is not a TFLite file"),
        ("generator.mlpackage", "nothing to time: give a .tflite or .onnx file"),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path, capsys, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    assert cli.run(["benchmark", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
