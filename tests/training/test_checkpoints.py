from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tfgan2.errors import TrainingDivergedError, UserError
from tfgan2.training import checkpoints


def variables(value: float = 1.0) -> dict[str, keras.Variable]:
    return {
        "net/000/kernel": keras.Variable(np.full((3, 4), value, np.float32)),
        "net/001/count": keras.Variable(np.array(int(value), np.int64), dtype="int64"),
    }


def values(named: dict[str, keras.Variable]) -> dict[str, np.ndarray]:
    return {name: np.asarray(variable) for name, variable in named.items()}


def save(run: Path, step: int, keep: int = 3) -> Path:
    return checkpoints.save(run, step, values(variables(step)), {}, keep=keep)


def test_restored_bitwise_with_extra(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    saved = {"x": keras.Variable(rng.normal(size=(5, 5)).astype(np.float32))}
    checkpoints.save(tmp_path, 7, values(saved), {"sums": {"loss": 0.1 + 0.2}}, keep=1)
    found = checkpoints.newest(tmp_path)
    assert found is not None and found.step == 7
    assert found.extra["sums"]["loss"] == 0.1 + 0.2
    target = {"x": keras.Variable(np.zeros((5, 5), np.float32))}
    checkpoints.restore(found, target)
    assert np.asarray(target["x"]).tobytes() == np.asarray(saved["x"]).tobytes()


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (2, 4, 10, 6):
        save(tmp_path, step, keep=2)
    assert [path.name for path in checkpoints.paths(tmp_path)] == [
        "step-0000010.npz",
        "step-0000006.npz",
    ]


def test_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path) is None


def test_a_file_that_a_training_removes_meanwhile_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1)
    read, reports = checkpoints.read, list[str]()

    def read_late(path: Path) -> checkpoints.Checkpoint:
        if not reports:
            reports.append("a training has saved step 2")
            save(tmp_path, 2, keep=1)
        return read(path)

    monkeypatch.setattr(checkpoints, "read", read_late)
    found = checkpoints.newest(tmp_path, reports.append)
    assert found is not None and found.step == 2 and len(reports) == 1


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "zeroed", "version", "encrypted"])
def test_a_damaged_newest_is_reported_and_the_one_before_used(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    content = bytearray(newest.read_bytes())
    middle = content.index(np.full(4, 2, np.float32).tobytes())
    if damage == "empty":
        content = bytearray()
    elif damage == "half":
        content = content[: len(content) // 2]
    elif damage == "version":  # of the format that reading needs, in the central directory
        content[content.index(b"PK\x01\x02") + 6] = 109
    elif damage == "encrypted":
        content[content.index(b"PK\x01\x02") + 8] |= 1
    elif damage == "flipped":
        content[middle] ^= 1
    else:
        content[middle : middle + 8] = bytes(8)
    newest.write_bytes(content)
    reports: list[str] = []
    found = checkpoints.newest(tmp_path, reports.append)
    assert found is not None and found.step == 1
    assert len(reports) == 1 and str(newest) in reports[0] and "damaged" in reports[0]
    newest.write_bytes(b"")
    checkpoints.paths(tmp_path)[1].write_bytes(b"")
    with pytest.raises(UserError, match=r"all 2 checkpoints .* are damaged"):
        checkpoints.newest(tmp_path, reports.append)


def test_a_checkpoint_of_another_model_changes_nothing(tmp_path: Path) -> None:
    save(tmp_path, 5)
    found = checkpoints.newest(tmp_path)
    assert found is not None
    target = variables(0.0)
    target["net/001/count"] = keras.Variable(np.zeros((2,), np.float32))
    with pytest.raises(UserError, match="another model"):
        checkpoints.restore(found, target)
    assert (np.asarray(target["net/000/kernel"]) == 0).all()


def test_weights_that_are_not_finite_are_told(tmp_path: Path) -> None:
    save(tmp_path, 1)
    broken = np.array([1.0, np.nan], np.float32)
    with pytest.raises(TrainingDivergedError, match=r"net/000/kernel .* step 2, .*step-0000001"):
        checkpoints.check_finite(tmp_path, 2, {"net/000/kernel": broken})


def test_a_full_disk_leaves_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(file: object, **arrays: object) -> None:
        Path(str(file)).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="No space left"):
        save(tmp_path, 2)
    assert [path.name for path in checkpoints.folder(tmp_path).iterdir()] == ["step-0000001.npz"]


def test_only_partial_files_of_ended_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old = tmp_path / f".pictures.partial-{ended.pid}"
    (old / "deep").mkdir(parents=True)
    own = tmp_path / "samples" / f".step.partial-{os.getpid()}.png"
    own.parent.mkdir()
    own.touch()
    result = tmp_path / "evaluation" / f".step.partial-{os.getppid()}"
    result.mkdir(parents=True)
    (tmp_path / ".notes.partial-draft").touch()  # not written by tfgan2
    checkpoints.remove_partial_files(tmp_path)
    assert (tmp_path / ".notes.partial-draft").exists()
    assert not old.exists() and not own.exists() and result.exists()
