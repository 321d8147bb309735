"""Files of captions as people have them: from other systems, editors and programs."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from tfgan2.data import load_dataset
from tfgan2.data.folders.caption_files import read_captions
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
    "names of the Hub": "\n".join(LINES).replace('"image"', '"file_name"').encode(),
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
    assert read_captions(file)[1:] == (["a.png", "d/b.png"], [["a red bird"], ["blue", "Vögel"]])


ONE = '{"image": "a.png", "caption": "x"}\n'
WRONG = {
    "not UTF-8": ((ONE + LINES[1]).encode("cp1252"), "line 2 is not UTF-8: save the file as UTF-8"),
    "half of UTF-16": (ONE.encode("utf-16")[:-1], "line 1 is not UTF-16: save the file as UTF-8"),
    "a table": (b"image,caption\na.png,x", "line 1 is not JSON (Expecting value): write {"),
    "single quotes": (ONE.replace('"', "'").encode(), "line 1 is not JSON (Expecting property"),
    "not closed": ((ONE + ONE[:-2] + "\n" + ONE).encode(), "line 2 is not JSON (Expecting ','"),
    "other names": (
        b'{"name": "a.png", "says": "x"}',
        'line 1 has "name", "says": write {"image": path, "caption": text or list}',
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
        read_captions(file)
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
    (found,) = read_captions(path).paths
    assert (tmp_path / found).is_file()
    assert unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", name)


def test_slashes_of_windows(file: Path) -> None:
    file.write_text(json.dumps({"image": "d\\b.png", "caption": "x"}), encoding="utf-8")
    assert read_captions(file).paths == ["d/b.png"]


def test_half_a_character_can_be_written_again(file: Path) -> None:
    file.write_text('{"image": "a.png", "caption": "red \\ud83d bird"}', encoding="utf-8")
    ((caption,),) = read_captions(file).captions
    assert caption.encode() == b"red ? bird"


TABLES = {
    "csv": 'image,caption\na.png, "a red bird, small"\nd/b.png,blue\n',
    "tsv": "caption\tid\tfile_name\na red bird, small\t1\ta.png\nblue\t2\td/b.png\n",
    "CSV": MARK + 'Filename;Text\r\na.png;"a red bird, small"\r\nd/b.png;blue\r\n',
    "txt": "image_name| comment_number| comment\na.png| 0| a red bird, small\n\nd/b.png| 0| blue",
    "tsv of a spreadsheet": "image\tcaption\t\na.png\ta red bird, small\t\t\nd/b.png\tblue\n",
    "token": "a.png#0\ta red bird, small\nd/b.png#0\tblue\n",
}


@pytest.mark.parametrize(("suffix", "content"), TABLES.items(), ids=TABLES)
def test_tables(file: Path, suffix: str, content: str) -> None:
    path = file.with_suffix(f".{suffix.split()[0]}")
    path.write_bytes(content.encode())
    expected = (["a.png", "d/b.png"], [["a red bird, small"], ["blue"]])
    assert read_captions(path)[1:] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,says,more\na.png,x,y", "line 1 has name, says, more: name the columns image and"),
        ("image,caption\na.png", "line 2 has 1 columns: give each image its caption"),
        ("image,caption\na.png,red, small", "line 2 has 3 columns, the first line has 2: if"),
        ("caption,image\nred, small,a.png", "if ',' is part of a caption, put it in quotes"),
        ("image|caption\na.png|red|small", "if '|' is part of a caption, leave it out"),
        ("image,caption\na.png,?", "line 2: 'a.png' has a caption without words"),
        ("image,caption\nno.png,x", "line 2: the image 'no.png' does not exist; paths are rel"),
        ("image,caption\n", "is empty"),
        ("x" * 200_000 + ",y", "line 1 is no table: field larger than"),
    ],
)
def test_tables_that_are_wrong(file: Path, content: str, message: str) -> None:
    path = file.with_suffix(".csv")
    path.write_text(content)
    with pytest.raises(UserError) as error:
        read_captions(path)
    assert message in str(error.value) and "\n" not in str(error.value)


def coco(*captions: tuple[int, str]) -> str:
    """Annotations of COCO: images 7 and 3, and captions of images by number."""
    return json.dumps(
        {
            "info": {},
            "images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "b.png"}],
            "annotations": [
                {"id": number, "image_id": image, "caption": text}
                for number, (image, text) in enumerate(captions)
            ],
        }
    )


@pytest.mark.parametrize("layout", ["coco", "beside", "given"])
def test_annotations_of_coco(tmp_path: Path, layout: str) -> None:
    images = {"coco": "train2017", "beside": "annotations", "given": "elsewhere/x"}[layout]
    for folder in ("annotations", images):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png"):
        (tmp_path / images / name).touch()
    file = tmp_path / "annotations" / "captions_train2017.json"
    file.write_text(coco((3, "blue"), (7, "red"), (3, "a blue bird")))
    found = read_captions(file, tmp_path / images if layout == "given" else None)
    assert found == (tmp_path / images, ["a.png", "b.png"], [["red"], ["blue", "a blue bird"]])


def test_annotations_without_captions_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "instances_train2017.json"
    file.write_text(coco((7, "x")).replace('"caption"', '"bbox"'))
    with pytest.raises(UserError, match=r"not its captions .*: give a file such as captions_tra"):
        read_captions(file)


def test_images_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("image,caption\na.png,red\nb.png,blue\n")
    (tmp_path / "pics").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / "pics" / name)
    with pytest.raises(UserError, match=r"does not exist; .* give captions:.*,DIR for images in"):
        load_dataset(f"captions:{tmp_path}/c.csv")
    dataset = load_dataset(f"captions:{tmp_path}/c.csv,{tmp_path}/pics", image_size=8)
    assert dataset.num_images == 2 and dataset.details["captions"] == ["red", "blue"]
    with pytest.raises(UserError, match="folder '/nowhere' does not exist"):
        load_dataset(f"captions:{tmp_path}/c.csv,/nowhere")
