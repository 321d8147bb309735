"""Captions as words, by Unicode's rules, and words as numbers."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from tfgan2.errors import UserError

PADDING, UNKNOWN = 0, 1
FIRST = 2
"""Number of the first word of a vocabulary; those before it are not words."""

INVISIBLE = r"[\u00AD\u061C\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF]"
ALONE = r"[\p{sc=Han}\p{sc=Hiragana}][\p{M}]*"
_REST = r"[\p{L}\p{N}_\p{M}\u200D]"
WORD = (
    # Between letters: apostrophes, the Catalan dot, two Hebrew marks, the zero width non-joiner.
    rf"[\p{{L}}\p{{N}}_]{_REST}*(?:['\u2019\u2018\uFF07\u00B7\u05F3\u05F4\u200C]{_REST}+)*"
)
"""How a caption is split, as regular expressions of JavaScript, Java, Kotlin and Swift.

`INVISIBLE` is removed: soft hyphens, marks of direction, byte order marks. `ALONE` is a word of its
own, as in Unicode's default rules, since Chinese and Japanese write no spaces. What else matches
`WORD` is a word: marks, such as vowel signs, stay with their letters.
"""

APOSTROPHES = "\u2019\u2018\u02bc\uff07"
"""Characters that become ' in a word."""
_TO_ASCII = dict.fromkeys(map(ord, APOSTROPHES), "'")

_HAN = (
    r"\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufad9"
    r"\U00020000-\U0003ffff"
)
_HIRAGANA = r"\u3041-\u3096\u309d-\u309f\U0001b001-\U0001b11f"


@cache
def _compiled() -> list[re.Pattern[str]]:
    """Returns `INVISIBLE`, `ALONE` and `WORD` as Python understands them."""
    every = map(chr, range(0x300, sys.maxunicode + 1))  # 0.1 s, and only for what is not ASCII
    marks = "".join("x" if unicodedata.category(each)[0] == "M" else " " for each in every)
    runs = [(0x300 + run.start(), 0x2FF + run.end()) for run in re.finditer("x+", marks)]
    known = {
        r"\p{L}\p{N}": r"\w",
        r"\p{M}": "".join(f"{chr(first)}-{chr(last)}" for first, last in runs),
        r"\p{sc=Han}": _HAN,
        r"\p{sc=Hiragana}": _HIRAGANA,
    }
    patterns = []
    for pattern in (INVISIBLE, ALONE, WORD):
        for name, characters in known.items():
            pattern = pattern.replace(name, characters)
        patterns.append(re.compile(pattern))
    return patterns


def split_words(text: str) -> list[str]:
    """Returns the words of a caption, in lower case and composed (NFC), without punctuation.

    Lower case rather than case folding, which no phone's library has, and which would spell
    German and Greek words in a way that nobody writes.
    """
    if text.isascii():
        return re.findall(r"\w+(?:'\w+)*", text.lower())  # the same, faster
    invisible, alone, word = _compiled()
    text = unicodedata.normalize("NFC", invisible.sub("", text.lower()))
    return [each.translate(_TO_ASCII) for each in word.findall(alone.sub(r" \g<0> ", text))]


def make_vocabulary(captions: Iterable[str], *, most: int = 10_000) -> tuple[str, ...]:
    """Returns the words of captions, the most frequent first, at most `most`."""
    counts = Counter(word for caption in captions for word in split_words(caption))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(ranked[:most])


def in_turn(texts: Sequence[str], count: int) -> list[str]:
    """Returns `count` texts: each of `texts` in turn, then the first again."""
    return [texts[i % len(texts)] for i in range(count)]


def encode_words(
    captions: Sequence[str], vocabulary: Sequence[str], length: int, *, strict: bool = True
) -> np.ndarray:
    """Encodes captions for the text encoder, int32, shape (captions, length).

    Words of the vocabulary are numbered from FIRST on, others are UNKNOWN; PADDING fills the rest.
    A caption without any known word is a UserError, unless `strict` is False.
    """
    numbers = {word: number for number, word in enumerate(vocabulary, FIRST)}
    encoded = np.full((len(captions), length), PADDING, np.int32)
    for row, caption in zip(encoded, captions, strict=True):
        words = [numbers.get(word, UNKNOWN) for word in split_words(caption)][:length]
        if strict and not any(number >= FIRST for number in words):
            known = ", ".join(vocabulary[:10])
            raise UserError(f"no word of {caption!r} is known: use words like {known}")
        row[: len(words)] = words
    return encoded
