"""`tfgan2 info NAME --cost`"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import assert_refused

from tfgan2 import cli

SMALL = "--image-size 8 --channels 1 --batch-size 4 --set base_channels=8"


def test_what_is_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cost.json"
    words = f"info gan --cost {SMALL} --steps 1 --no-xla --json {file}"
    assert cli.run(words.split()) == 0
    shown = capsys.readouterr().out
    assert "FLOPs per image" in shown and "predicted, not measured" in shown
    assert "measured here" in shown and "h100" in shown
    found = json.loads(file.read_text())
    assert found["batch_size"] == 4 and found["hyperparameters"]["width"] == 8
    step, measured = found["counted"]["step"], found["measured"]
    assert step["flops"] == 4 * step["flops_per_image"] == sum(step["flops_by_op"].values())
    assert measured["flops_per_second"] == pytest.approx(
        step["flops"] / measured["seconds_per_step"]
    )
    card = found["predicted"]["cards"]["a100"]
    assert [row["gpus"] for row in card["bound"]] == [1, 2, 4, 8, 16, 32, 64]
    for bound, cautious in zip(card["bound"], card["cautious"], strict=True):
        assert bound["images_per_second"] > cautious["images_per_second"] > 0


def test_one_gpu_in_half_precision(capsys: pytest.CaptureFixture[str]) -> None:
    words = f"info gan --cost {SMALL} --no-measure --precision mixed_bfloat16 --gpu H100"
    assert cli.run([*words.split(), "--network", "ethernet"]) == 0
    shown = capsys.readouterr().out
    assert "NVIDIA H100 SXM" in shown and "Ethernet" in shown and "all-reduce" in shown
    assert "measured here" not in shown and "rtx4090" not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("info dcgan --gpu a100", "--gpu is of what training costs: give --cost, too"),
        ("info dcgan --cost --gpu a10", "unknown GPU 'a10': did you mean 'a100'"),
        ("info dcgan --cost --network nrd", "unknown network 'nrd': did you mean 'ndr'"),
        ("info dcgan --cost --set widht=3", "unknown hyperparameter of dcgan 'widht'"),
        ("info dcgna --cost", "unknown flavour 'dcgna': did you mean 'dcgan'"),
        ("info dcgan --cost --no-measure --steps 3", "leave them out with --no-measure"),
        ("info stackgan --cost --no-measure --batch-size 1", "give a --batch-size of 2"),
    ],
)
def test_refused(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(words.split(), message, capsys)
