"""Files of captions as people have them: from other systems, editors and programs."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from tfgan2.data.folders.caption_lines import read_lines
from tfgan2.errors import UserError

ENTRIES = [
    {"image": "a.png", "caption": "a red bird"},
    {"image": "d/b.png", "caption": ["blue", "Vögel"]},
]
LINES = [json.dumps(entry, ensure_ascii=False) for entry in ENTRIES]
MARK = "\ufeff"
FILES = {
    "byte order mark": (MARK + "\n".join(LINES)).encode(),
    "Windows": "\r\n".join([*LINES, ""]).encode(),
    "old Mac": "\r".join(LINES).encode(),
    "UTF-16": "\r\n".join(LINES).encode("utf-16"),
    "UTF-16 without a mark": "\n".join(LINES).encode("utf-16-le"),
    "UTF-16, the other order": (MARK + "\n".join(LINES)).encode("utf-16-be"),
    "UTF-32": "\n".join(LINES).encode("utf-32"),
    "joined files": (f"{MARK}{LINES[0]}\n{MARK}{LINES[1]}\n").encode(),
    "joined without a line end": (f"{MARK}{LINES[0]}{MARK}{LINES[1]}").encode(),
    "commas at the ends": ",\n".join([*LINES, ""]).encode(),
    "empty lines": "\n\n".join(["", *LINES, " ", ""]).encode(),
    "a list": json.dumps(ENTRIES, indent=2).encode(),
    "indented": "\n".join(json.dumps(entry, indent=2) for entry in ENTRIES).encode(),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    for name in ("a.png", "d/b.png"):
        (tmp_path / name).touch()
    return tmp_path / "captions.jsonl"


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_files_that_hold_the_same(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_lines(file) == (["a.png", "d/b.png"], [["a red bird"], ["blue", "Vögel"]])


ONE = '{"image": "a.png", "caption": "x"}\n'
WRONG = {
    "not UTF-8": ((ONE + LINES[1]).encode("cp1252"), "line 2 is not UTF-8: save the file as UTF-8"),
    "half of UTF-16": (ONE.encode("utf-16")[:-1], "line 1 is not UTF-16: save the file as UTF-8"),
    "a table": (b"image,caption\na.png,x", "line 1 is not JSON (Expecting value): write {"),
    "single quotes": (ONE.replace('"', "'").encode(), "line 1 is not JSON (Expecting property"),
    "not closed": ((ONE + ONE[:-2] + "\n" + ONE).encode(), "line 2 is not JSON (Expecting ','"),
    "other names": (
        b'{"file_name": "a.png", "text": "x"}',
        'line 1 has "file_name", "text": write {"image": path, "caption": text or list}',
    ),
    "no object": (b"5", "line 1 has no names: write"),
    "no text": (b'{"image": "a.png", "caption": null}', "line 1 has a value that is no text"),
    "no file": (b'{"image": "d", "caption": "x"}', "the image 'd' does not exist"),
    "no name": (json.dumps({"image": "x" * 500, "caption": "x"}).encode(), "does not exist"),
    "no words": (b'{"image": "a.png", "caption": ["x", "?"]}', "has a caption without words"),
    "only a mark": (MARK.encode(), "is empty"),
    "too deep": (b'{"image":' * 100_000, "line 1 is not JSON"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_lines(file)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("here", ["NFC", "NFD"])
@pytest.mark.parametrize("there", ["NFC", "NFD"])
def test_names_match_however_they_are_composed(tmp_path: Path, here: str, there: str) -> None:
    name = unicodedata.normalize(there, "Vögel/café à.png")
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).touch()
    entry = {"image": unicodedata.normalize(here, name), "caption": "x"}
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(entry, ensure_ascii=False), encoding="utf-8")
    (found,), _ = read_lines(path)
    assert (tmp_path / found).is_file()
    assert unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", name)


def test_slashes_of_windows(file: Path) -> None:
    file.write_text(json.dumps({"image": "d\\b.png", "caption": "x"}), encoding="utf-8")
    assert read_lines(file)[0] == ["d/b.png"]


def test_half_a_character_can_be_written_again(file: Path) -> None:
    file.write_text('{"image": "a.png", "caption": "red \\ud83d bird"}', encoding="utf-8")
    ((caption,),) = read_lines(file)[1]
    assert caption.encode() == b"red ? bird"
