"""The page of a run: what it shows, that it is renewed, and that it is served."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import pytest
from helpers import eagerly, fit_small
from PIL import Image

from tfgan2 import cli
from tfgan2.errors import DataWarning, UserError
from tfgan2.report import REPORT, Report, plots, renew, thinned
from tfgan2.report.watching import Server
from tfgan2.runs import RunConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a & <b>"
    assert fit_small(out, "--log-every 1 --sample-every 2", steps=5) == 0
    return out


def data(page: str) -> dict[str, Any]:
    return json.loads(re.search(r"const DATA = (.*);\n", page)[1])


def test_training_writes_a_page_that_needs_nothing_else(run: Path) -> None:
    page = (run / REPORT).read_text("utf-8")
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page) and "http" not in page.replace(
        "http://www.w3.org/2000/svg", ""
    )
    shown = data(page)
    assert [grid["step"] for grid in shown["grids"]] == [2, 4, 5]
    assert all(grid["image"].startswith("data:image/webp;base64,") for grid in shown["grids"])
    assert [plot["title"] for plot in shown["plots"]] == ["losses", "metrics", "images per second"]
    losses = shown["plots"][0]["curves"]
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert losses["generator_loss"] == [[line["step"], line["generator_loss"]] for line in lines]
    assert "a &amp; &lt;b&gt;: step 5 of 5" in page and "<b>:" not in page
    assert "tfgan2 fit --resume &#39;" in page and "tfgan2 fit dcgan --dataset" in page
    assert "setInterval" not in page


def test_an_export_renews_the_page(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with eagerly():
        assert fit_small(run, steps=1) == 0
    assert "Exported files" not in (run / REPORT).read_text("utf-8")
    assert cli.run(["export", str(run), "--format", "onnx"]) == 0
    assert "generator.onnx" in (run / REPORT).read_text("utf-8")
    (run / REPORT).unlink()
    renew(run, run / "export")  # a page that the user has removed stays away
    assert not (run / REPORT).exists()


def test_a_run_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(report: Report) -> None:
        raise UserError("cannot write to it")

    monkeypatch.setattr(Report, "write", refuse)
    run = tmp_path / "run"
    run.mkdir()
    (run / REPORT).touch()
    with pytest.warns(DataWarning, match="does not show the new results: cannot write to it"):
        renew(run, run / "export")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        renew(run, tmp_path / "elsewhere")


def test_it_shows_evaluations_and_exports(run: Path) -> None:
    protocol = {"features": {"name": "classifier"}, "samples": {"images": 10}}
    result = {"tfgan2_evaluation": 2, "who": {"step": 5}, "figures": {"fid": 12.5}}
    folder = run / "evaluation" / "step-5"
    folder.mkdir(parents=True)
    text = json.dumps({**result, "protocol_id": "abcd1234", "protocol": protocol})
    (folder / "result.json").write_text(text)
    artefact = {"file": "x.tflite", "bytes": 12345, "psnr": 40.04, "milliseconds_per_image": 1.5}
    (run / "export").mkdir()
    (run / "export" / "metadata.json").write_text(json.dumps({"artefacts": [artefact]}))
    page = Report(run).render()
    for words in ("abcd1234", "12.50", "FID", "x.tflite", "12,345", "40.0", "1.50"):
        assert words in page
    # Damaged files are other commands' business.
    (folder / "result.json").write_text("{")
    (run / "export" / "metadata.json").write_text("[]")
    page = Report(run).render()
    assert "abcd1234" not in page and "x.tflite" not in page


def test_the_head_has_the_latest_value_of_each_figure(tmp_path: Path) -> None:
    """The last line may be that of an evaluation."""
    (tmp_path / "config.json").write_text(RunConfig.create("gan", "digits").to_json())
    lines = [
        {"step": 4, "images": 64, "images_per_second": 99.0, "diversity": 0.5},
        {"step": 6, "images": 96, "images_per_second": 80.0},
        {"step": 6, "images": 96, "classifier/fid": 3.0},
    ]
    (tmp_path / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "step 6 of 5,000, 80 images/s, diversity 0.50;" in Report(tmp_path).render()


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_the_axes_name_zero(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(RunConfig.create("wgan", "digits").to_json())
    for values in ((-0.3, 0.06), (-0.01, 0.2)):  # ticks from -0.3 on, or from 0 on
        lines = [{"step": n, "images": n, "x_loss": value} for n, value in enumerate(values)]
        (tmp_path / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        Report(tmp_path).write()
        words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        words += [f"--user-data-dir={tmp_path / 'browser'}", (tmp_path / REPORT).as_uri()]
        page = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
        labels = re.findall(r'text-anchor="end">([^<]*)</text>', page)
        assert "0" in labels and all(len(label) <= 5 and label != "-0" for label in labels)


def test_a_long_run_is_thinned_out() -> None:
    assert thinned([], 4) == [] and thinned([1, 2, 3], 4) == [1, 2, 3]
    assert thinned(list(range(9)), 4) == [0, 4, 8]
    assert thinned(list(range(8)), 4) == [0, 2, 4, 6, 7]
    lines = [{"step": n, "images": n, "images_per_second": 5.0, "x_loss": 1.0} for n in range(5000)]
    assert len(plots(lines)[0]["curves"]["x_loss"]) <= 601


def test_only_the_grids_shown_are_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfgan2.report.MOST_GRIDS", 2)
    (tmp_path / "config.json").write_text(RunConfig.create("gan", "digits").to_json())
    (tmp_path / "samples").mkdir()
    report = Report(tmp_path)
    for step in range(7):
        Image.new("L", (4, 4)).save(tmp_path / "samples" / f"step-{step:07d}.png")
        shown = [grid["step"] for grid in data(report.render())["grids"]]
        assert sorted(int(path.stem[5:]) for path in report._encoded) == shown
    assert shown == [0, 4, 6]


def test_other_images_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(RunConfig.create("gan", "digits").to_json())
    samples = tmp_path / "samples"
    (samples / "step-0000001.png").mkdir(parents=True)
    Image.new("L", (4, 4)).save(samples / "step-0000002-crop.png")
    (samples / "step-0000003.png").touch()
    whole = Path(shutil.copyfile(samples / "step-0000002-crop.png", samples / "step-0000004.png"))
    (samples / "step-0000005.png").write_bytes(whole.read_bytes()[:45])
    assert [grid["step"] for grid in data(Report(tmp_path).render())["grids"]] == [4]


def test_large_grids_are_shown_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (tmp_path / "config.json").write_text(RunConfig.create("gan", "digits").to_json())
    (tmp_path / "samples").mkdir()
    Image.new("L", (8, 16400)).save(tmp_path / "samples" / "step-0000001.png")
    (grid,) = data(Report(tmp_path).render())["grids"]
    monkeypatch.undo()
    with Image.open(io.BytesIO(base64.b64decode(grid["image"].partition(",")[2]))) as image:
        assert image.size == (8, 16383)


def test_the_page_is_served_and_says_when_it_changes(run: Path) -> None:
    with Server(run, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def get(path: str) -> str:
            with urllib.request.urlopen(server.url + path, timeout=10) as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                return answer.read().decode()

        assert "setInterval" in get("") and server.url.startswith("http://127.0.0.1:")
        before = get("version")
        assert get("version") == before
        with (run / "stats.jsonl").open("a") as file:
            file.write(
                '{"step": 6, "images": 1, "images_per_second": 1.0, "generator_loss": 3.5}\n'
            )
        assert get("version") != before
        assert data(get(""))["plots"][0]["curves"]["generator_loss"][-1] == [6, 3.5]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get("config.json")
        with pytest.raises(UserError, match="give another --port, or 0"):
            Server(run, server.server_port)
        server.shutdown()


def test_a_browser_that_leaves_early_causes_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[object] = []
    answered = threading.Event()
    (tmp_path / "config.json").write_text(RunConfig.create("gan", "digits").to_json())
    with Server(tmp_path, 0) as server:
        monkeypatch.setattr(Report, "render", lambda *_, live: "x" * 20_000_000)
        monkeypatch.setattr(server, "handle_error", lambda *where: errors.append(where))
        monkeypatch.setattr(server, "shutdown_request", lambda request: answered.set())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.server_port)) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            browser.recv(100)
        assert answered.wait(10) and not errors
        server.shutdown()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        Server(tmp_path, 0)
    assert not list(tmp_path.iterdir())
