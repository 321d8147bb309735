"""A benchmark of some flavours keeps the results of the others."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tfgan2 import registry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that runs a benchmark's `main` with arguments."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))

    def main(name: str, *words: str | Path) -> Any:
        monkeypatch.setattr("sys.argv", [name, *map(str, words)])
        return importlib.import_module(name).main()

    return main


def test_train_speed_keeps_other_flavours(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(flavour: str, options: Any) -> Any:
        if flavour == "dcgan":
            raise KeyboardInterrupt
        names = ("fit", "step", "fit --no-winograd", "matmul")
        return {"turns": {name: [0.5, 0.25, 1.0] for name in names}}

    monkeypatch.setattr(importlib.import_module("train_speed"), "measured", measured)
    out = tmp_path / "new/speed.json"
    with pytest.raises(KeyboardInterrupt):
        start("train_speed", "--flavours", "wgan-gp,dcgan", "--out", out)
    assert json.loads(out.read_text())["wgan-gp"]["rows"]["fit"]["images_per_second"] == 128
    out.write_text('{"dcgan": {"cores": 99}, "wgan-gp": {}}')
    start("train_speed", "--flavours", "wgan-gp", "--out", out)
    found = json.loads(out.read_text())
    assert found["dcgan"] == {"cores": 99} and found["wgan-gp"]["cores"] == os.cpu_count()


def test_ways_to_train_keeps_figures_without_a_run(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, out = (ROOT / "docs/results/ways.md").read_text(encoding="utf-8"), tmp_path / "ways.md"
    out.write_text(page, encoding="utf-8")
    run = tmp_path / "work/gan-float32"
    run.mkdir(parents=True)
    (run / "stats.jsonl").write_text('{"step": 10, "generator_loss": 0.125}\n')
    words = ("--table", "--work", tmp_path / "work", "--out", out)
    assert start("ways_to_train", *words) == 0
    before, after = page.splitlines(), out.read_text(encoding="utf-8").splitlines()
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert changed == [(old := changed[0][0], old.replace("| 0.6185 |", "| 0.125 |", 1))]
    with pytest.raises(SystemExit):
        start("ways_to_train", *words, "--steps", "100")
    assert "is of other steps or ways: give another --out" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8").splitlines() == after


def test_costs_table_keeps_what_was_measured(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((ROOT / "docs/results/costs.json").read_text(encoding="utf-8"))
    content["cores"] = os.cpu_count()
    out = tmp_path / "costs"
    out.with_suffix(".json").write_text(json.dumps(content))
    old = {item["flavour"]: item for item in content["flavours"]}

    def cost(name: str, words: list[str]) -> Any:
        return {**old[name], "versions": {"tfgan2": "9.0"}, "measured": None}

    monkeypatch.setattr(importlib.import_module("costs_table"), "cost", cost)
    start("costs_table", "gan", "--no-measure", "--out", out)
    new = json.loads(out.with_suffix(".json").read_text())["flavours"]
    found = {item["flavour"]: item for item in new}
    assert found.pop("gan")["measured"] == {
        "versions": old["gan"]["versions"],
        **old["gan"]["measured"],
    }
    assert found == {name: item for name, item in old.items() if name != "gan"}
    page = out.with_suffix(".md").read_text()
    assert "Counted with tfgan2 0.2.0 or 9.0. Measured with tfgan2 0.1.0 on:\n" in page
    capsys.readouterr()
    with pytest.raises(SystemExit):
        start("costs_table", "gan", "--image-size", "16", "--out", out)
    error = f"error: '{out}.json' is of images of another shape: give another --out\n"
    assert capsys.readouterr().err == error
    assert out.with_suffix(".md").read_text() == page


def test_each_flavour_has_a_case_of_bitwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    cases = importlib.import_module("bitwise").CASES
    flavours = {words.split()[0] for words in cases.values()}
    assert {"student" if name == "distill" else name for name in flavours} == {*registry.FLAVOURS}
    for words in cases.values():
        flavour, *rest = words.replace("distill", "student").split()
        registry.parse_settings(flavour, [word for word in rest if "=" in word])
