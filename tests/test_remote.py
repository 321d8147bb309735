"""Remote runs and data; ram:// is a file system in this process."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf
from helpers import SMALL, assert_refused, fit_small

from tfgan2 import cli, remote
from tfgan2.errors import TrainingDivergedError, UserError
from tfgan2.evaluation.result import FORMAT, RESULT_FILE
from tfgan2.training import checkpoints


def files(url: str) -> dict[str, int]:
    """Sizes of the remote files by relative path."""
    found = {}
    for folder, _, names in tf.io.gfile.walk(url):
        for name in names:
            path = f"{folder}/{name}"
            found[path.removeprefix(f"{url}/")] = tf.io.gfile.stat(path).length
    return found


@pytest.fixture
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary folders are made."""
    folder = tmp_path / "staging"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_locations() -> None:
    assert remote.is_remote("gs://bucket/x") and not remote.is_remote("a:/b//c")
    assert remote.absolute("gs://bucket/x") == "gs://bucket/x"
    assert remote.absolute("x") == str(Path("x").absolute())
    remote.check("ram://x")
    with pytest.raises(UserError, match=r"nope:// is not supported here: give a local folder"):
        remote.check("nope://x")


def test_a_mirror_copies_new_files_and_removes_old_ones(tmp_path: Path) -> None:
    mirror = remote.Mirror("ram://mirror/run", tmp_path)
    mirror.check_new()
    for name in ("config.json", "stats.jsonl", "checkpoints/step-1.npz", ".lock", "events.1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".partial-1").touch()
    mirror.push(events=False)
    sent = {"config.json": 11, "stats.jsonl": 11, "checkpoints/step-1.npz": 22}
    assert files("ram://mirror/run") == sent
    mirror.push()
    assert files("ram://mirror/run") == {**sent, "events.1": 8}
    for name in ("stats.jsonl", "checkpoints/step-1.npz"):
        tf.io.gfile.remove(f"ram://mirror/run/{name}")
    (tmp_path / "checkpoints" / "step-1.npz").rename(tmp_path / "checkpoints" / "step-2.npz")
    (tmp_path / "config.json").write_text("changed")
    mirror.push()  # what has not changed is not copied again
    assert files("ram://mirror/run") == {
        "config.json": 7,
        "checkpoints/step-2.npz": 22,
        "events.1": 8,
    }
    with pytest.raises(UserError, match="exists and is not empty"):
        mirror.check_new()


def test_statistics_are_copied_before_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("checkpoints/step-1.npz", "config.json", "stats.jsonl"):
        (tmp_path / name).write_text(name)
    moved: list[str] = []
    monkeypatch.setattr(tf.io.gfile, "rename", lambda a, b, overwrite: moved.append(b))
    remote.Mirror("ram://order", tmp_path).push()
    assert moved[-1] == "ram://order/checkpoints/step-1.npz"


def test_a_remote_run_equals_a_local_one(
    finished_run: Path,
    staging: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Trained in two parts and used; nothing of it stays on this machine."""
    url = "ram://bucket/whole"
    assert fit_small(url, steps=3) == 0
    shown = capsys.readouterr().out
    assert f"run: {url}" in shown and f"tfgan2 export {url} --out export" in shown
    assert str(staging) not in shown
    assert not list(staging.iterdir())
    names = set(files(url))
    assert names >= {"config.json", "stats.jsonl", "losses.png", "reals.png"}
    assert names >= {"checkpoints/step-0000003.npz", "samples/step-0000003.png"}
    with tf.io.gfile.GFile(f"{url}/evaluation/some/{RESULT_FILE}", "w") as file:
        who = {"flavour": "dcgan", "step": 3}
        result = {"figures": {"fid": 12.625}, "protocol_id": "01234567", "who": who}
        file.write(json.dumps({"tfgan2_evaluation": FORMAT, "protocol": {}, **result}))
    assert cli.run(["fit", "--resume", url, "--steps", "6"]) == 0
    copy = remote.local_copy(url)
    ours, theirs = checkpoints.newest(copy), checkpoints.newest(finished_run)
    assert ours is not None and theirs is not None and ours.step == theirs.step == 6
    with tf.io.gfile.GFile(f"{url}/report.html") as file:
        report = file.read()
    assert f"tfgan2 fit --resume {url}<" in report
    assert "12.6" in report  # an evaluation from before
    assert '"step": 3' in report and '"step": 6' in report  # grids from before and after
    for name, array in theirs.arrays.items():
        assert array.tobytes() == ours.arrays[name].tobytes()
    grid = tmp_path / "grid.png"
    assert cli.run(["sample", url, "--count", "4", "--out", str(grid)]) == 0
    assert grid.exists()
    capsys.readouterr()
    assert_refused(["export", url], "is remote: give a local folder for the results", capsys)
    assert_refused(["evaluate", url], "is remote: give a local folder for the results", capsys)


@pytest.mark.slow
def test_a_network_that_fails_stops_no_training(
    staging: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, rename = "ram://bucket/flaky", tf.io.gfile.rename
    broken = {"stats.jsonl": 1, "step-0000004.npz": 99}

    def unsteady(source: str, target: str, overwrite: bool) -> None:
        name = target.rpartition("/")[2]
        if broken.get(name):
            broken[name] -= 1
            raise tf.errors.UnavailableError(None, None, "gone\nfor now")
        rename(source, target, overwrite=overwrite)

    monkeypatch.setattr(tf.io.gfile, "rename", unsteady)
    assert fit_small(url, steps=4) == 2
    shown = capsys.readouterr()
    assert f"warning: cannot write to {url}: gone for now; trying again later" in shown.out
    assert shown.err.strip().splitlines()[-1] == f"error: cannot write to {url}: gone for now"
    assert "stats.jsonl" in files(url) and "checkpoints/step-0000002.npz" in files(url)
    # The folder that could not be copied is kept, and the run in it can be resumed.
    kept = next(staging.rglob("config.json")).parent
    assert f"not everything was copied to {url}: the run is kept in {kept}" in shown.out
    assert checkpoints.paths(kept)[0].name == "step-0000004.npz"


def test_errors_name_the_remote_directory(staging: Path) -> None:
    url = "ram://bucket/diverged"
    with (
        pytest.raises(TrainingDivergedError, match=f"the last is {url}/x"),
        remote.staged(url, fetch=False) as (folder, mirror),
    ):
        (folder / "x").touch()
        mirror.push()
        (folder / "y").touch()
        raise TrainingDivergedError(f"the last is {folder}/x")
    assert set(files(url)) == {"x", "y"} and not list(staging.iterdir())


def test_a_directory_that_cannot_be_written(staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **more: object) -> None:
        raise tf.errors.PermissionDeniedError(None, None, "no")

    monkeypatch.setattr(tf.io.gfile, "copy", refuse)
    url = "ram://bucket/forbidden"
    with (
        pytest.raises(UserError, match=f"cannot write to {url}: no"),
        remote.staged(url, fetch=False) as (folder, mirror),
    ):
        (folder / "x").touch()
        mirror.push()
    assert not list(staging.iterdir())


def test_what_is_refused(staging: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = "fit dcgan --dataset digits"
    with tf.io.gfile.GFile("ram://full/x", "w") as file:
        file.write("x")
    for words, message in (
        (f"{fit} --out s3://bucket/run", "s3:// is not supported here"),
        ("fit --resume s3://bucket/run", "s3:// is not supported here"),
        ("sample s3://bucket/run", "s3:// is not supported here"),
        ("translate s3://bucket/run --input . --out x", "s3:// is not supported here"),
        (
            "fit dcgan --dataset mnist --dry-run --data-dir s3://bucket/x",
            "s3:// is not supported here",
        ),
        (f"{fit} --out ram://full", "ram://full exists and is not empty"),
        ("fit --resume ram://full", "ram://full is not a run directory"),
        ("fit --resume ram://none", "ram://none is not a run directory"),
        ("fit dcgan --dataset folder:gs://bucket/x", "is not on this machine: copy it here"),
    ):
        assert_refused(words.split(), message, capsys)
    assert not list(staging.rglob("*.json"))


def test_a_dry_run_writes_nothing_there(staging: Path) -> None:
    words = f"fit dcgan --dataset digits --dry-run {SMALL} --out ram://dry/run"
    assert cli.run(words.split()) == 0
    assert not tf.io.gfile.exists("ram://dry/run") and not list(staging.iterdir())
