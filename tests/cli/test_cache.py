"""`tfgan2 cache`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfgan2 import cli


def test_the_cache_is_shown_and_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFGAN2_CACHE", str(tmp_path))
    monkeypatch.delenv("TFGAN2_COMPILED_MB")
    assert cli.run(["cache"]) == 0
    assert "compiled training steps" in capsys.readouterr().out
    step = tmp_path / "xla" / "0123" / "xla_1.pb.4567"
    step.parent.mkdir(parents=True)
    step.write_bytes(b"0" * 2_500_000)
    (tmp_path / "reference-01.npz").write_bytes(b"0" * 100_000)
    (tmp_path / "notes.txt").write_text("the user's own")
    assert cli.run(["cache"]) == 0
    out = capsys.readouterr().out
    assert str(tmp_path) in out and "2.5 MB" in out and "1,000 MB" in out and "0.1 MB" in out
    assert cli.run(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"cleared {tmp_path}: 2.6 MB\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes.txt", "xla"]
