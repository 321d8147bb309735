"""Captions as words, here and in the code that an app has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import unicodedata

import pytest

from tfgan2.inputs import words
from tfgan2.inputs.words import split_words

SENTENCES = {
    "hindi": ("लाल चिड़िया, नीली मछली।", ["लाल", "चिड़िया", "नीली", "मछली"]),
    "thai with spaces": ("นก สีแดง ตัว เล็ก", ["นก", "สีแดง", "ตัว", "เล็ก"]),
    "thai with zero width spaces": ("นก\u200bสีแดง", ["นก", "สีแดง"]),
    "thai without": ("นกสีแดง", ["นกสีแดง"]),
    "arabic with vowel signs": ("طَائِرٌ أَحْمَرُ؟", ["طَائِرٌ", "أَحْمَرُ"]),
    "right to left marks": ("\u200fطائر\u200f أحمر", ["طائر", "أحمر"]),
    "persian non-joiner": ("می\u200cخواهم کتاب\u200c ها", ["می\u200cخواهم", "کتاب", "ها"]),
    "bengali joiners": (
        "র\u200d্য র\u200c্য",
        ["র\u200d্য", "র\u200c্য"],
    ),
    "hebrew": ("צה״ל צ׳ק", ["צה״ל", "צ׳ק"]),
    "accents": ("Une FENÊTRE d’été", ["une", "fenêtre", "d'été"]),
    "vietnamese": ("Chim đỏ nhỏ", ["chim", "đỏ", "nhỏ"]),
    "chinese": ("红色的鸟。", ["红", "色", "的", "鸟"]),
    "japanese": ("赤い ラーメン", ["赤", "い", "ラーメン"]),
    "korean": ("빨간 새", ["빨간", "새"]),
    "apostrophes": ("don't don’t DON‘T donʼt don＇t", ["don't"] * 5),
    "quotes": ("‘red’ ’tis “blue”", ["red", "tis", "blue"]),
    "catalan": ("col·lecció", ["col·lecció"]),
    "soft hyphen and byte order mark": ("cap\u00adtion \ufeffred", ["caption", "red"]),
    "soft hyphen in an accent": ("cafe\u00ad\u0301", ["café"]),
    "german and greek": ("STRASSE Straße ΟΔΟΣ", ["strasse", "straße", "οδο\u03c2"]),
    "digits": ("७ ① 3.5 n° 7", ["७", "①", "3", "5", "n", "7"]),
    "emoji": ("red ❤️ \U0001f469\u200d\U0001f680", ["red"]),
    "half a character": ("red \ud83d bird", ["red", "bird"]),
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_words_by_the_rules_of_unicode(text: str, expected: list[str]) -> None:
    expected = [unicodedata.normalize("NFC", word) for word in expected]
    for form in ("NFC", "NFD"):
        assert split_words(unicodedata.normalize(form, text)) == expected


def test_ascii_is_split_as_ever() -> None:
    """Vocabularies of English captions stay as they are."""
    every = "".join(map(chr, range(128)))
    texts = ["A man's dog, RED; x-ray 'tis rock 'n' roll a''b snake_case 3.5", every, every[::-1]]
    for text in texts:
        words_before = re.findall(r"\w+(?:'\w+)*", text.lower())
        assert split_words(text) == words_before
        assert split_words(f"{text} é") == [*words_before, "é"]


def test_letters_are_those_of_python() -> None:
    """The bundle's README names letters and numbers by Unicode's categories."""
    for code in range(sys.maxunicode + 1):
        letter = unicodedata.category(chr(code))[0] in "LN" or chr(code) == "_"
        assert letter == bool(re.match(r"\w", chr(code))), hex(code)


NODE = shutil.which("node")
IN_JAVASCRIPT = r"""
const [invisible, alone, word, apostrophes, sentences] = JSON.parse(process.argv[1]);
const split = (text) => (text
  .replace(new RegExp(invisible, "gu"), "").toLowerCase().normalize("NFC")
  .replace(new RegExp(alone, "gu"), " $& ")
  .match(new RegExp(word, "gu")) ?? [])
  .map((each) => each.replace(new RegExp(`[${apostrophes}]`, "gu"), "'"));
console.log(JSON.stringify(sentences.map(split)));
"""


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_javascript_splits_alike() -> None:
    sentences = [text for text, _ in SENTENCES.values()]
    sentences += [unicodedata.normalize("NFD", text) for text in sentences]
    rules = [words.INVISIBLE, words.ALONE, words.WORD, words.APOSTROPHES, sentences]
    done = subprocess.run(
        [NODE, "-e", IN_JAVASCRIPT, json.dumps(rules)], capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == [split_words(text) for text in sentences], done.stderr
