"""Several replicas, in separate processes with two logical CPUs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import SMALL, assert_refused

from tfgan2 import cli, registry
from tfgan2.data import load_dataset
from tfgan2.data.dataset import Part
from tfgan2.distributed.strategies import Worker
from tfgan2.errors import UserError
from tfgan2.training import checkpoints, stats

SCRIPT = Path(__file__).with_name("replicas.py")
FIT = f"fit dcgan --dataset digits {SMALL} --log-every 2 --sample-every 4 --checkpoint-every 2"


def replicas(task: str, *words: str) -> dict[str, Any]:
    """Returns the result of a task of `replicas.py`."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), task, *words],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


NAMES = sorted(registry.flavours())
ALL = [pytest.param(NAMES[start::3], marks=pytest.mark.slow, id="abc"[start]) for start in range(3)]


@pytest.mark.parametrize("names", [pytest.param(["gan", "vae"], id="some"), *ALL])
def test_every_flavour_on_two_replicas(names: list[str]) -> None:
    found = replicas("flavours", *names)
    assert found.keys() == set(names)
    for name, result in found.items():
        assert result["finite"] and result["moved"] > 3, (name, result)
        # With the same samples, only noise makes replicas differ. Some draw none.
        assert result["differ"] == (name not in ("srgan", "student")), name
        # Each replica has its own batch statistics; those of the first are kept.
        assert all("/moving_" in key for key in result["unequal"]), (name, result["unequal"])


def test_a_batch_that_devices_cannot_share() -> None:
    worker = Worker(SimpleNamespace(num_replicas_in_sync=3))
    advice = "give --batch-size 15, a multiple of 3"
    with pytest.raises(UserError, match=f"divided among 3 devices: {advice}"):
        worker.check_batch_size(16)


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return replicas("small")


@pytest.mark.slow
def test_regularizers_of_few_images_follow_all_replicas(small: dict[str, Any]) -> None:
    found = small["adaptive"]
    assert all("/moving_" in key for key in found["unequal"]), found["unequal"]
    for average, logits in zip(found["averages"], found["logits"], strict=True):
        assert logits[0] != logits[1]
        assert average == pytest.approx(sum(logits) / 2, abs=1e-6)
    one, two, total = found["signs"]
    assert total == pytest.approx((one + two) / 2)
    # Four updates on all 8 images each, of the 100 in which p can go from 0 to 1.
    assert found["p"] == pytest.approx([0.32, 0.32]) or found["p"] == [0.0, 0.0]
    assert found["flips_differ"]


@pytest.mark.parametrize("names", ALL)
def test_micro_batches_on_two_replicas(names: list[str]) -> None:
    found = replicas("accumulated", *names)
    assert found.keys() == set(names)
    assert max(found.values()) < 1e-5, found


@pytest.mark.parametrize("names", ALL)
def test_batches_that_two_replicas_cannot_share(names: list[str]) -> None:
    found = replicas("odd", *names)
    assert found.keys() == set(names)
    for name, result in found.items():
        assert result["finite"] and result["steps"][0] >= 4, (name, result)
        assert all("/moving_" in key for key in result["unequal"]), (name, result["unequal"])
    if "gan" in found:  # eight samples a step: two steps an epoch
        assert found["gan"]["steps"] == [4, 6]


STACKGAN = [f"stackgan {phase}" for phase in ("text", "one", "two")]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["lsgan", "dcgan", "stackgan text"], marks=pytest.mark.slow),
        pytest.param(
            ["sngan", "stylegan2", "wgan", "pix2pix", "inpainting"], marks=pytest.mark.slow
        ),
        pytest.param(["cyclegan", *STACKGAN], marks=pytest.mark.slow),
    ],
    ids=["some", "a", "b"],
)
def test_two_halves_give_the_gradients_of_the_whole(names: list[str]) -> None:
    found = replicas("gradients", *names)
    assert found.keys() == {*names, "apart"}
    assert found.pop("apart") > 1e-3  # batch norm with the statistics of each half
    for name, difference in found.items():
        assert difference < 1e-5, name


@pytest.mark.slow
def test_gradients_are_clipped_together(small: dict[str, Any]) -> None:
    assert small["clipping"] < 1e-5


@pytest.mark.slow
def test_overflow_on_one_replica_skips_the_step_on_all(small: dict[str, Any]) -> None:
    found = small["overflow"]
    assert found["bad"] == [2.0**14, 0.0, 0.0]  # half of Keras' first scale; no weight moved
    assert found["good"] == pytest.approx([2.0**14, -0.2, -0.2])  # two gradients of 1, rate 0.1


@pytest.mark.slow
def test_no_two_replicas_drop_the_same(small: dict[str, Any]) -> None:
    masks = small["dropped"]
    assert all(set(mask) == {0.0, 2.0} for mask in masks)
    assert len({tuple(mask) for mask in masks}) == 4


@pytest.mark.slow
def test_exchange_between_replicas(small: dict[str, Any]) -> None:
    found = small["shares"]
    whole = np.arange(8.0)
    halves = [whole[:4].tolist(), whole[4:].tolist()]
    assert found["gathered"] == [whole.tolist()] * 2
    assert found["own"] == halves
    assert found["mean"] == [((whole[:4] + whole[4:]) / 2).tolist()] * 2
    np.testing.assert_allclose(found["std"], [[whole.std()]] * 2, rtol=1e-6)
    np.testing.assert_allclose(found["gradient"], np.reshape(3 * whole**2, (2, 4)), rtol=1e-6)


@pytest.mark.slow
def test_a_run_on_two_replicas_and_its_checkpoints(tmp_path: Path) -> None:
    """The run resumes exactly on two replicas, in other calls, and continues with one."""
    two, parts = tmp_path / "two", tmp_path / "parts"
    words = f"{FIT} --strategy mirrored".split()
    for run, steps, call in ((two, "6", "1"), (parts, "4", "2")):
        options = ["--steps", steps, "--steps-per-call", call, "--out", str(run)]
        assert replicas("fit", *words, *options)["code"] == 0
    alone = tmp_path / "alone"
    subprocess.run(["cp", "-r", str(parts), str(alone)], check=True)
    resume = ["fit", "--resume", str(parts), "--steps", "6"]
    assert replicas("fit", *resume)["code"] == 0
    whole, resumed = checkpoints.newest(two), checkpoints.newest(parts)
    assert whole is not None and resumed is not None
    for name, array in whole.arrays.items():
        assert array.tobytes() == resumed.arrays[name].tobytes(), name
    lines = [
        [{k: v for k, v in line.items() if k not in stats.TIMES} for line in stats.read(run)]
        for run in (two, parts)
    ]
    assert lines[0] == lines[1]
    assert [line["images"] for line in lines[0]] == [32, 64, 96]
    assert cli.run(["fit", "--resume", str(alone), "--steps", "6", "--strategy", "none"]) == 0
    ended = checkpoints.newest(alone)
    assert ended is not None and ended.step == 6 and ended.arrays.keys() == whole.arrays.keys()


@pytest.mark.parametrize("dataset", ["digits", "digits-captions"])
def test_parts_make_up_the_batch(dataset: str) -> None:
    data = load_dataset(dataset)
    batches = [iter(data.batches(12, seed=3, start=5))]
    batches += [iter(data.batches(12, seed=3, start=5, part=Part(i, 3))) for i in range(3)]
    for _ in range(160):  # beyond an epoch
        whole, *parts = (next(each) for each in batches)
        for number, array in enumerate(whole):
            joined = np.concatenate([part[number].numpy() for part in parts])
            np.testing.assert_array_equal(joined, array.numpy())
    with pytest.raises(ValueError, match="no part 0 of 5"):
        data.batches(12, part=Part(0, 5))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit dcgan --dataset digits --strategy mirrored", "needs several devices"),
        ("fit dcgan --dataset digits --strategy multiworker --out r", "needs TF_CONFIG"),
        ("launch -- sample r", "launch only starts fit"),
        ("launch -- fit dcgan --dataset digits", "give `fit` --out"),
    ],
)
def test_errors_are_one_line_with_code_2(
    words: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert_refused(words.split(), message, capsys)
    assert not list(tmp_path.iterdir())
