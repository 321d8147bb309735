"""Captions as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from tfgan2.errors import UserError

PADDING, UNKNOWN = 0, 1
FIRST = 2
"""Number of the first word of a vocabulary; those before it are not words."""


def split_words(text: str) -> list[str]:
    """Returns the words of a caption, in lower case, without punctuation."""
    return re.findall(r"\w+(?:'\w+)*", text.lower())


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
