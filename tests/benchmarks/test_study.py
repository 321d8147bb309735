"""The study of all flavours: its page, its sittings and the samples of others."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from grey_images import write

from tfgan2 import registry

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FEATURES = ["--features", "random-conv-112"]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("study", "study_cells", "study_page")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def cell(flavour: str, fid: float, *, seed: int = 1, count: int = 10_000, **more: Any) -> Any:
    protocol = {
        "features": {"name": "efficientnet-lite0"},
        "reference": {"images": 50_000},
        "samples": {"seed": 0, "images": count},
        "kid": {"subsets": 100, "subset_size": 1000},
        "prdc": {"nearest": 5, "samples": 10_000, "real_images": 10_000},
    }
    facts = {"flavour": flavour, "dataset": "cifar10", "seed": seed, "figures": {"fid": fid}}
    facts |= {"command": f"tfgan2 fit {flavour} --dataset cifar10", "weights": "averaged"}
    facts |= {"kimg": 64.0, "seconds": 600, "cores": 2, "card": None, "jobs": 1}
    return facts | {"hyperparameters": {}, "protocol_id": "1a2b3c4d", "protocol": protocol} | more


def lay(results: Path, tier: str, *cells: Any) -> None:
    for each in cells:
        name = "peer-x" if "peer" in each else f"{each['flavour']}-{each['seed']}"
        path = results / tier / "cifar10" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(each))


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of all tables of figures by the first one, without backquotes."""
    lines = [line[2:-1].split(" |") for line in page.splitlines() if line.startswith("| ")]
    return {line[0].strip("`"): [each.strip() for each in line[1:]] for line in lines}


def test_every_flavour_from_noise_has_a_row(modules: SimpleNamespace) -> None:
    tiers = modules.study_cells.TIERS
    for name, dataset in (("cpu", "mnist"), ("gpu", "mnist"), ("gpu", "faces"), ("gpu", "cifar10")):
        found = {row.words[0] for row in tiers[name].rows[dataset].values()}
        others = {"student", "pix2pix", "cyclegan", "inpainting", "srgan", "stackgan"}
        assert found == set(registry.FLAVOURS) - others


def test_the_options_of_each_row_exist(modules: SimpleNamespace) -> None:
    for tier in modules.study_cells.TIERS.values():
        for row in {row for rows in tier.rows.values() for row in rows.values()}:
            config = registry.load_class(row.words[0]).Config
            options = config.options
            for setting in row.words[1:]:
                if "=" in setting:
                    key, value = setting.split("=")
                    options[key].checked(options[key].parse(value))
            if "--preset" in row.words:
                assert row.words[-1] in config.presets


def test_the_page_has_medians_and_spreads_and_the_published(
    modules: SimpleNamespace, tmp_path: Path
) -> None:
    seeds = [cell("lsgan", fid, seed=seed) for seed, fid in ((1, 30.0), (2, 10.0), (3, 20.0))]
    labelled = cell("acgan", 5.0, figures={"fid": 5.0, "label_accuracy": 0.9})
    lay(tmp_path, "study", *seeds, labelled)
    page = modules.study_page.page(tmp_path, tmp_path / "few.md")
    assert not any(name.startswith("photographs") for name in rows_of(page))
    lay(tmp_path, "study", *seeds, cell("vae", 50.0), labelled)
    page = modules.study_page.page(tmp_path, tmp_path / "results.md")
    rows = rows_of(page)
    assert rows["lsgan"] == ["3", "64", "20", "20.00 (10.00…30.00)", "", "66.69"]
    assert rows["vae"] == ["1", "64", "20", "50.00", "", ""]
    assert "photographs, a class each" not in rows
    assert rows["photographs without labels"] == [
        "`lsgan`",
        "FID 20.00 (10.00…30.00) by `efficientnet-lite0`, 20 core minutes ([cifar10](#cifar10))",
    ]
    assert "![64 samples of lsgan on cifar10](study/cifar10/lsgan-1.png)" in page
    assert page.count("None of 26 rows has been run yet.") == 3


def test_the_page_is_beside_the_results(modules: SimpleNamespace, tmp_path: Path) -> None:
    lay(tmp_path / "new/cells", "study", cell("vae", 50.0))
    with pytest.raises(SystemExit) as ended:
        modules.study.main(["--table", "--out", str(tmp_path / "new/cells")])
    assert ended.value.code == 0
    page = (tmp_path / "new/cells.md").read_text(encoding="utf-8")
    assert "(cells/study/cifar10/vae-1.png)" in page
    assert modules.study.parsed(["--table"]).page == Path("docs/results.md").absolute()


def test_other_protocols_have_tables_of_their_own(modules: SimpleNamespace, tmp_path: Path) -> None:
    lay(tmp_path, "study", cell("vae", 50.0), cell("gan", 9.0, count=26_000), cell("wgan", 7.0))
    text = modules.study_page.page(tmp_path, tmp_path / "results.md")
    first, second = re.findall(r"^Protocol `1a2b3c4d`.*?(?=^Protocol|^#)", text, re.M | re.S)
    assert "`vae`" in first and "`wgan`" in first and "10,000 samples" in first
    assert "`gan`" in second and "26,000 samples" in second


def test_judges_of_one_version_share_a_table(modules: SimpleNamespace, tmp_path: Path) -> None:
    judge = {"version": 3, "weights": "0123", "accuracy": 0.98765}
    judged = [cell(name, 1.0, judge=judge) for name in ("gan", "vae")]
    other = cell("wgan", 1.0, judge={**judge, "weights": "4567"})
    older = cell("lsgan", 1.0, judge={**judge, "version": 2})
    lay(tmp_path, "study", *judged, other, older)
    text = modules.study_page.page(tmp_path, tmp_path / "results.md")
    first, second = re.findall(r"^Protocol `1a2b3c4d`.*?(?=^Protocol|^#)", text, re.M | re.S)
    assert all(f"`{name}`" in first for name in ("gan", "vae", "wgan")) and "`lsgan`" in second
    assert "version 3, weights `0123` (accuracy 98.8%) or `4567` (accuracy 98.8%)." in first


def test_the_line_of_a_cell_says_what_a_second_training_reached(
    modules: SimpleNamespace, tmp_path: Path
) -> None:
    same = cell("lsgan", 20.0, again={"figures": {"fid": 20.0}, "seconds": 1})
    other = cell("vae", 50.0, again={"figures": {"fid": 51.234}, "seconds": 1}, commit="1a2b3c4+")
    lay(tmp_path, "study", same, other, cell("wgan", 1.0))
    page = modules.study_page.page(tmp_path, tmp_path / "results.md")
    lines = {line.split()[2]: line for line in page.splitlines() if line.startswith("`tfgan2 fit")}
    assert "averaged weights, trained again from the beginning with the same" in lines["lsgan"]
    again = "averaged weights, trained again from the beginning with a FID of 51.23 ("
    assert f", commit 1a2b3c4+, {again}" in lines["vae"]
    assert "averaged weights ([all hyperparameters](study/cifar10/wgan-1.json))" in lines["wgan"]


def test_what_has_not_been_run_on_a_gpu_is_empty(modules: SimpleNamespace, tmp_path: Path) -> None:
    lay(tmp_path, "study-gpu", cell("sngan", 9.5, card="H200", jobs=4))
    rows = rows_of(modules.study_page.page(tmp_path, tmp_path / "results.md"))
    assert rows["sngan"] == ["1", "64", "10", "107", "H200 / 4", "9.50", ""]
    assert rows["biggan"] == ["", "", "", "", "", "", "8.03"]


def test_samples_of_others_stand_in_the_same_table(
    modules: SimpleNamespace, tmp_path: Path
) -> None:
    facts = {"name": "Their GAN", "source": "https://example.org", "licence": "MIT"}
    facts |= {"minutes": 90, "machine": "one V100", "dataset": "cifar10"}
    theirs = cell("", 12.0, peer=facts)
    theirs["protocol"]["samples"] = {"images": 10_000}
    lay(tmp_path, "study", cell("vae", 50.0), theirs)
    page = modules.study_page.page(tmp_path, tmp_path / "results.md")
    assert page.count("Protocol `1a2b3c4d`") == 1
    name = "[Their GAN](https://example.org), MIT"
    assert rows_of(page)[name] == ["", "", "90 on one V100", "12.00", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ('{"name": "x", "dataset": "mnist"}', "lacks source, licence, minutes, machine"),
    ],
)
def test_a_wrong_peer_is_named(
    modules: SimpleNamespace, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/peer.json").write_text(text)
    with pytest.raises(SystemExit, match=message):
        modules.study.main(["--datasets", "cifar10", "--peers", str(tmp_path)])


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Options of a study of grey images."""
    rng = np.random.default_rng(0)
    for number in range(80):
        write(tmp_path / f"faces/{number}.png", rng.integers(0, 256, (32, 32)))
    where = {"faces": "faces", "work": "work", "out": "out", "page": "results.md"}
    options = [word for key, name in where.items() for word in (f"--{key}", str(tmp_path / name))]
    return [*options, "--smoke", "--datasets", "faces", "--seeds", "1", *FEATURES]


@pytest.mark.slow
def test_a_study_in_small(modules: SimpleNamespace, small: list[str], tmp_path: Path) -> None:
    """Two cells at a time, then somebody's samples under the same protocol."""
    with pytest.raises(SystemExit) as ended:
        modules.study.main([*small, "--flavours", "gan,vae", "--jobs", "2"])
    assert ended.value.code == 0
    results = tmp_path / "out/smoke-study/faces"
    assert sorted(p.name for p in results.iterdir() if p.suffix == ".json" or "vae" in p.name) == [
        "gan-1.json",
        "vae-1-reconstructions.png",
        "vae-1.json",
        "vae-1.png",
    ]
    done = json.loads((results / "gan-1.json").read_text())
    assert done["kimg"] == 0.16 and done["figures"]["fid"] > 0
    written = (results / "gan-1.json").stat().st_mtime_ns

    (tmp_path / "peers").mkdir()
    (tmp_path / "faces").rename(tmp_path / "peers/theirs")
    facts = {"name": "copies", "source": "https://example.org", "licence": "none"}
    facts |= {"minutes": 0, "machine": "none", "dataset": "faces"}
    (tmp_path / "peers/theirs/peer.json").write_text(json.dumps(facts))
    (tmp_path / "faces").symlink_to(tmp_path / "peers/theirs")
    with pytest.raises(SystemExit):
        modules.study.main([*small, "--peers", str(tmp_path / "peers")])
    theirs = json.loads((results / "peer-theirs.json").read_text())
    assert theirs["figures"]["fid"] < done["figures"]["fid"]
    assert theirs["protocol"]["reference"]["images"] == 80
    with pytest.raises(SystemExit):
        modules.study.main([*small, "--flavours", "gan"])
    assert (results / "gan-1.json").stat().st_mtime_ns == written  # a finished cell is kept

    grid = (results / "gan-1.png").stat().st_mtime_ns
    with pytest.raises(SystemExit):
        modules.study.main([*small, "--flavours", "gan", "--again"])
    again = json.loads((results / "gan-1.json").read_text()).pop("again")
    assert again["figures"] == pytest.approx(done["figures"], rel=1e-4)  # on 2 cores instead of 1
    assert (results / "gan-1.png").stat().st_mtime_ns == grid


@pytest.mark.slow
def test_the_next_sitting_goes_on(
    modules: SimpleNamespace, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = modules.study_cells.TIERS["cpu"]
    row = modules.study_cells.Row(("gan", "--batch-size", "8"), 60_000)
    counts = {**cells.counts, "faces": 64}
    tier = cells._replace(rows={**cells.rows, "faces": {"gan": row}}, counts=counts)
    monkeypatch.setitem(modules.study.TIERS, "cpu", tier)
    options = [word for word in small if word != "--smoke"]
    with pytest.raises(SystemExit):
        modules.study.main([*options, "--minutes", "0.5"])
    run = tmp_path / "work/study/faces/gan-1"
    saved = max(int(path.stem.split("-")[-1]) for path in (run / "checkpoints").glob("*.npz"))
    assert 0 < saved < 60_000
    assert not (tmp_path / "out/study/faces/gan-1.json").exists()
    config = json.loads((run / "config.json").read_text())
    config["training"]["steps"] = saved + 50
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit):
        modules.study.main(options)
    assert (tmp_path / "out/study/faces/gan-1.json").exists()
