"""Images with captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2.data import load_dataset
from tfgan2.errors import UserError
from tfgan2.inputs.words import FIRST, PADDING, UNKNOWN, encode_words, make_vocabulary, split_words


def test_words() -> None:
    assert split_words("A man's dog, RED; n° 7!") == ["a", "man's", "dog", "red", "n", "7"]
    assert make_vocabulary(["b a", "a c", "a b"]) == ("a", "b", "c")
    assert make_vocabulary(["b a", "a c", "a b"], most=2) == ("a", "b")
    numbers = encode_words(["c, a?", "what a b c"], ("a", "b", "c"), 3)
    assert numbers.tolist() == [
        [FIRST + 2, FIRST, PADDING],
        [UNKNOWN, FIRST, FIRST + 1],
    ]
    with pytest.raises(UserError, match="no word of 'who\\?' is known"):
        encode_words(["who?"], ("a",), 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Image i has grey 10 i and one or two captions that name its number."""
    lines = []
    for i in range(8):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.new("L", (8, 8), 10 * i).save(tmp_path / "pictures" / f"{i}.png")
        caption: str | list[str] = f"number n{i}"
        if i % 2:
            caption = [caption, f"n{i} it is"]
        lines.append(json.dumps({"image": f"pictures/{i}.png", "caption": caption}))
    path = tmp_path / "captions.jsonl"
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_each_image_has_a_caption_of_its_own(file: Path, cache: str) -> None:
    dataset = load_dataset(f"captions:{file}", image_size=8, cache=cache, hold_out=2)
    facts = dataset.facts
    assert dataset.kind == "captions" and facts["caption_length"] == 3
    assert (dataset.num_images, dataset.held_out.num_images) == (6, 2)
    assert facts["captions"][0] == "number n0" and len(facts["captions"]) == 8
    vocabulary = facts["vocabulary"]
    told: dict[int, set[tuple[int, ...]]] = {}
    for images, words in dataset.batches(6, seed=2).take(20):
        for image, numbers in zip(images.numpy(), words.numpy(), strict=True):
            value = round((image[0, 0, 0] + 1) * 127.5) // 10
            said = [vocabulary[number - FIRST] for number in numbers if number >= FIRST]
            assert f"n{value}" in said
            told.setdefault(value, set()).add(tuple(numbers))
    assert {value: len(each) for value, each in told.items()} == {
        value: 1 + value % 2 for value in told
    }
    batches = [words.numpy() for _, words in dataset.batches(4, seed=2).take(5)]
    (again,) = dataset.batches(4, seed=2, start=16).take(1)
    np.testing.assert_array_equal(again[1], batches[4])


def test_lines_end_where_json_lines_do(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    entry = json.dumps({"image": "a.png", "caption": "one\u2028two\x85three"}, ensure_ascii=False)
    (tmp_path / "captions.jsonl").write_text(f"{entry}\r\n" * 4, encoding="utf-8")
    dataset = load_dataset(f"captions:{tmp_path / 'captions.jsonl'}", image_size=8)
    assert dataset.num_images == 1
    assert set(dataset.facts["vocabulary"]) == {"one", "two", "three"}


def test_the_digits_are_named() -> None:
    dataset = load_dataset("digits-captions", classes=["7", "3"])
    assert dataset.facts["captions"] == ["a handwritten seven", "a handwritten three"]
    images, words = dataset.some(64)
    vocabulary = dataset.facts["vocabulary"]
    said = [{vocabulary[n - FIRST] for n in row if n >= FIRST} for row in words]
    assert images.shape == (64, 16, 16, 1)
    assert all(len(each & {"three", "seven", "3", "7"}) == 1 for each in said)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON (Expecting property name"),
        (
            '{"image": "a.png"}',
            'line 2 has "image": write {"image": path, "caption":',
        ),
        ('{"image": "a.png", "caption": [1]}', "line 2 has a value that is no text: write"),
        ('{"image": "a.png", "caption": " ?"}', "line 2: 'a.png' has a caption without words"),
        ('{"image": "a.png", "caption": []}', "caption without words"),
        ('{"image": "no.png", "caption": "x"}', "line 2: the image 'no.png' does not exist"),
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, line: str, message: str) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    path = tmp_path / "c.jsonl"
    path.write_text('{"image": "a.png", "caption": "x"}\n' + line)
    with pytest.raises(UserError) as error:
        load_dataset(f"captions:{path}")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_caption_of_rare_words_alone(tmp_path: Path) -> None:
    """It lies outside of the vocabulary, which is no reason to refuse the data."""
    frequent = " ".join(f"w{i}" for i in range(10_000))
    captions = [[frequent, frequent], "rare"]
    for number in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"{number}.png")
    path = tmp_path / "c.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"image": f"{number}.png", "caption": caption})
            for number, caption in enumerate(captions)
        )
    )
    _, numbers = load_dataset(f"captions:{path}").some(2)
    assert sorted(int(row[0]) for row in numbers)[0] == UNKNOWN


def test_files_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_dataset(f"captions:{tmp_path / 'no.jsonl'}")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError, match="is empty"):
        load_dataset(f"captions:{tmp_path / 'empty.jsonl'}")
