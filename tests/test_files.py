from __future__ import annotations

from pathlib import Path

import pytest

from tfgan2.errors import UserError
from tfgan2.files import written_atomically


def test_file_and_folder_appear_whole(tmp_path: Path) -> None:
    with written_atomically(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    with written_atomically(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "new").touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["new"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error), written_atomically(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise error
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise PermissionError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with (
        pytest.raises(UserError, match="cannot write"),
        written_atomically(tmp_path / "folder") as partial,
    ):
        partial.mkdir()
        (partial / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old"]
