"""The parts of the GPU benchmark that need no GPU."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def row(by: str, mode: str, speed: float, **more: Any) -> dict[str, Any]:
    case = {"flavour": "dcgan", "image_size": 32, "channels": 64}
    case |= {"precision": "float32", "batch_size": 64, "by": by, "mode": mode}
    return {**case, "images_per_second": speed, "wall_images_per_second": speed, **more}


def test_the_best_of_pytorch_counts_with_the_same_images(benchmark: Any) -> None:
    found = [
        row("step", "xla", 300.0, about={"device": "a card", "TensorFlow": "2"}),
        row("fit", "", 240.0),
        row("torch", "eager random", 100.0, about={"PyTorch": "3"}),
        row("torch", "graph random", 120.0),
        row("torch", "graph fixed", 150.0),
    ]
    head, _, names, _, figures = benchmark("gpu").table(found, "python gpu.py").splitlines()
    assert head == "a card, TensorFlow 2, PyTorch 3: `python gpu.py`"
    cells = dict(zip(names.split(" | "), figures.split(" | "), strict=True))
    assert cells["fit / step"] == "0.80"
    assert cells["fit / PyTorch's best"] == "2.00"
    assert cells["step / PyTorch's best"] == "2.00"


def test_a_failed_row_stays_in_the_table(benchmark: Any) -> None:
    failed = row("torch", "graph random", 0.0)
    del failed["images_per_second"]
    table = benchmark("gpu").table([row("fit", "", 240.0), failed], "")
    assert "failed" in table


def test_the_first_rows_are_the_important_ones(benchmark: Any) -> None:
    options = SimpleNamespace(smoke=False, torch_python="python", fit=[""])
    found = benchmark("gpu").rows(options)
    assert [each["by"] for each in found[:3]] == ["step", "fit", "torch"]
    first = {(each["flavour"], each["image_size"]) for each in found[:24]}
    assert first == {("dcgan", 32), ("sngan", 32), ("wgan-gp", 32), ("dcgan", 64)}
    keys = [benchmark("gpu").key(each) for each in found]
    assert len(set(keys)) == len(keys)


def test_overlapping_streams_count_once(benchmark: Any) -> None:
    assert benchmark("profile_fit").busy_picoseconds([(5, 9), (0, 4), (2, 6), (20, 21)]) == 10


def test_summary_of_a_trace_counts_copies_per_step(benchmark: Any) -> None:
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    space = XSpace()
    plane = space.planes.add(name="/device:GPU:0")
    for key, name in ((1, "fusion"), (2, "MemcpyD2H")):
        plane.event_metadata[key].name = name
    plane.stat_metadata[1].name = "memcpy_details"
    stream = plane.lines.add(name="Stream #13(Compute)")
    stream.events.add(metadata_id=1, offset_ps=0, duration_ps=10**12)
    copy = stream.events.add(metadata_id=2, offset_ps=10**12, duration_ps=5 * 10**11)
    copy.stats.add(metadata_id=1, str_value="kind_src:device kind_dst:pageable size:800 dest:0")
    lines = benchmark("profile_fit").summary(space, 2.0, 4.0)
    assert "GPU busy: 75.0% of the time" in lines
    assert "copies device to host: 0.25 and 200 bytes per step" in lines
    assert "copies host to device: 0.00 and 0 bytes per step" in lines


STEPS = """
import time
from contestants import train
train(lambda: time.sleep(0.01), lambda: None, {"device": "here"})
"""


def test_a_contestant_is_timed_by_its_lines(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS))
    words = [sys.executable, "-c", STEPS]
    one = benchmark("contestants").Contestant("it", words, tmp_path / "it.log", limit=20)
    try:
        assert one.lines[0] == {"step": 0, "device": "here"}
        assert 0.009 < one.seconds_per_step(0.3) < 0.05
    finally:
        one.end()


def test_a_contestant_that_ends_tells_its_error(benchmark: Any, tmp_path: Path) -> None:
    contestants = benchmark("contestants")
    words = [sys.executable, "-c", "raise SystemExit('no such card')"]
    with pytest.raises(contestants.ContestantEnded, match="no such card"):
        contestants.Contestant("it", words, tmp_path / "it.log", limit=20)


def test_rows_can_be_listed() -> None:
    words = [sys.executable, str(BENCHMARKS / "gpu.py"), "--smoke", "--list", "--rows", "1:3"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "1 dcgan 32 64 float32 8 fit --log-every 2" and len(lines) == 2


def test_the_compiled_step_takes_the_options_of_every_row(benchmark: Any) -> None:
    bare_step, gpu, train_speed = map(benchmark, ("bare_step", "gpu", "train_speed"))
    options = SimpleNamespace(smoke=False, torch_python=None, fit=[""], base_channels=None)
    words = [gpu.words_of(row, options, Path()) for row in gpu.rows(options) if row["by"] == "step"]
    words += [
        ["", "", flavour, *train_speed.settings(flavour)] for flavour in train_speed.LOG_EVERY
    ]
    found = [bare_step.parsed(each[2:]) for each in words]
    assert {each.flavour for each in found} == {"dcgan", "sngan", "wgan-gp"}
    for each in found:
        assert each.hyperparameters["base_channels"] in (64, 128)
        assert each.hyperparameters.get("augment") == ("none" if each.flavour == "dcgan" else None)
