"""Compiled steps that are kept: the same weights, no wrong or damaged entry, a bounded size."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tfgan2 import cache
from tfgan2.errors import UserError
from tfgan2.training import checkpoints, compiled
from tfgan2.training.compiled import CompiledSteps

NAME = "xla_compile_cache__1__2__XLA_CPU_JIT.pb"
SETTINGS = ("TF_CPP_MIN_LOG_LEVEL", "TFGAN2_COMPILED_MB")
STEP = b"machine code " * 1000


@pytest.fixture
def xla(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which XLA would read and write."""
    monkeypatch.setenv("TFGAN2_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFGAN2_COMPILED_MB")
    folder = tmp_path / "xla"
    folder.mkdir()
    monkeypatch.setattr(compiled, "folder_of_process", lambda: folder)
    return folder


def keep(xla: Path, configuration: dict[str, object], step: bytes = STEP) -> Path:
    """Keeps a step as if XLA had compiled it; returns the file in the cache."""
    (xla / NAME).write_bytes(step)
    CompiledSteps(configuration).keep()
    return next((cache.contents(cache.COMPILED_STEPS)[-1]).glob("xla_*"))


def test_a_step_is_found_in_the_same_configuration_only(
    xla: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not CompiledSteps({"flavour": "gan"}).fetch()
    keep(xla, {"flavour": "gan"})
    assert not list(xla.iterdir())
    assert not CompiledSteps({"flavour": "dcgan"}).fetch()
    for change in (
        lambda patch: patch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
        lambda patch: patch.setattr(tf.version, "GIT_VERSION", "another"),
        lambda patch: patch.setattr(compiled, "_processor", lambda: ["flags: avx"]),
    ):
        with monkeypatch.context() as patch:
            change(patch)
            assert not CompiledSteps({"flavour": "gan"}).fetch()
    assert CompiledSteps({"flavour": "gan"}).fetch()
    assert (xla / NAME).read_bytes() == STEP


@pytest.mark.parametrize("damaged", [b"", STEP[:-1], b"X" + STEP[1:]])
def test_a_damaged_step_is_removed(xla: Path, damaged: bytes) -> None:
    kept = keep(xla, {})
    kept.write_bytes(damaged)
    assert not CompiledSteps({}).fetch()
    assert not kept.exists() and not list(xla.iterdir())


def test_a_step_that_ended_a_process_is_removed(xla: Path) -> None:
    kept = keep(xla, {})
    steps = CompiledSteps({})
    assert steps.fetch()
    steps.give_up()  # an error came while it was loaded
    assert not kept.exists()
    kept = keep(xla, {})
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (kept.parent / f"loading.partial-{ended.pid}").touch()
    assert not CompiledSteps({}).fetch()


def test_the_step_that_was_not_used_for_longest_is_removed(
    xla: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for index in range(3):
        files.append(keep(xla, {"index": index}, os.urandom(400_000)))
        os.utime(files[-1].parent, (index, index))
    CompiledSteps({"index": 0}).fetch()
    monkeypatch.setenv("TFGAN2_COMPILED_MB", "1")
    CompiledSteps({"index": 0}).keep()
    assert [file.exists() for file in files] == [True, False, True]
    monkeypatch.setenv("TFGAN2_COMPILED_MB", "much")
    with pytest.raises(UserError, match="TFGAN2_COMPILED_MB is 'much': give megabytes"):
        compiled.limit()


def test_a_cache_that_cannot_be_written_ends_nothing(xla: Path) -> None:
    cache.cache_dir().write_text("not a folder")
    (xla / NAME).write_bytes(STEP)
    steps = CompiledSteps({})
    assert not steps.fetch()
    steps.keep()
    steps.give_up()


def start(run: Path, *more: str) -> subprocess.Popen[str]:
    words = "fit gan --dataset digits --steps 3 --log-every 1 --batch-size 8 --set base_channels=8"
    code = "from tfgan2.cli import main; main()"
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    return subprocess.Popen(
        [sys.executable, "-c", code, *words.split(), *more, "--out", str(run)],
        env={**environment, "TFGAN2_CACHE": str(run.parent / "it's a cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate()
    assert process.returncode == 0 and not error, error
    return out


def weights(run: Path) -> str:
    newest = checkpoints.newest(run)
    assert newest is not None
    arrays = (newest.arrays[name].tobytes() for name in sorted(newest.arrays))
    return hashlib.sha256(b"".join(arrays)).hexdigest()


@pytest.mark.slow  # four processes
def test_kept_steps_give_the_same_weights_and_two_processes_may_write_at_once(
    tmp_path: Path,
) -> None:
    both = [start(tmp_path / name) for name in ("a", "b")]
    for process in both:
        assert "compiling the training step\n" in ended(process)
    found = ended(start(tmp_path / "c"))
    assert "loading the compiled training step from the cache\n" in found
    for file in tmp_path.glob("it's a cache/xla/*/*"):
        file.write_bytes(file.read_bytes()[:-5])
    assert "compiling the training step\n" in ended(start(tmp_path / "d"))
    assert len({weights(tmp_path / name) for name in "abcd"}) == 1


def test_nothing_is_kept_on_an_untried_gpu_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "version"
    driver.touch()
    monkeypatch.setattr(compiled, "_GPU_DRIVER", driver)
    monkeypatch.delitem(sys.modules, "tensorflow")
    find = compiled.folder_of_process.__wrapped__
    monkeypatch.delenv("TFGAN2_COMPILED_MB")
    assert find() is None
    monkeypatch.setenv("TFGAN2_COMPILED_MB", "10")
    folder = find()
    assert folder is not None and folder.is_dir()
