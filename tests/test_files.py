from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tfgan2.errors import UserError
from tfgan2.files import plain, written_atomically


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


def test_the_current_folder_cannot_be_replaced() -> None:
    with pytest.raises(UserError, match="name a folder in it"), written_atomically(Path()):
        pass


@pytest.mark.parametrize("name", ["x" * 250 + ".png", "\N{FROG FACE}" * 60, "x." + "y" * 250])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    with written_atomically(tmp_path / name) as partial:
        partial.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a[1]", "a\\b", "a*b", "a?b", os.fsdecode(b"a\xff")])
def test_tensorflow_opens_any_folder_by_a_plain_path(tmp_path: Path, name: str) -> None:
    import tensorflow as tf

    (folder := tmp_path / name).mkdir()
    (tmp_path / "aXb").mkdir()
    with plain(folder) as reached:
        tf.io.write_file(str(reached / "file"), "text")
        assert tf.io.gfile.glob(f"{reached}/f*") == [str(reached / "file")]
    assert not reached.exists()
    assert (folder / "file").read_text() == "text"


def test_a_folder_with_a_plain_path_is_taken_as_it_is(tmp_path: Path) -> None:
    with plain(tmp_path / "it's {a} #1\n~") as reached:
        assert reached == tmp_path / "it's {a} #1\n~"


def test_a_temporary_folder_that_tensorflow_cannot_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t[1]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t[1]"))
    with plain(tmp_path / "t[1]") as reached:
        assert reached.samefile(tmp_path / "t[1]")
        assert "[" not in str(reached)


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
