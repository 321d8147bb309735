"""What the names of an image file and of its folders tell: its split and its side."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import PurePosixPath
from typing import NamedTuple

SPLITS = {
    "training": "train",
    "train": "train",
    "testing": "test",
    "test": "test",
    "validation": "val",
    "valid": "val",
    "val": "val",
}
"""Names of splits, in lower case, and the split that they mean; the longer ones first."""

FAMILIES = (
    *(("a", "b"), ("x", "y"), ("source", "target"), ("low", "high"), ("lr", "hr")),
    *(("blur", "sharp"), ("noisy", "clean"), ("sat", "mask"), ("leftimg8bit", "gtfine")),
    *(("input", word) for word in ("target", "output", "gt")),
    *(("image", word) for word in ("mask", "label", "annotation", "segmentation", "target", "gt")),
    # Only the targets are marked, as in x.jpg and x_mask.png.
    *(("", word) for word in ("mask", "label", "annotation", "segmentation", "target", "gt")),
)
"""Words for input and target, as `word_of` makes them of names."""

_BEFORE = re.compile(rf"(?P<split>{'|'.join(SPLITS)})?[_\- ]*(?P<rest>.*)", re.DOTALL)
_BEHIND = re.compile(rf"(?P<rest>.*)[_\- ](?P<split>{'|'.join(SPLITS)})", re.DOTALL)
_LAST = re.compile(r"(?P<rest>.*?)[_\-. ]*(?P<mark>[^_\-. ]+)", re.DOTALL)
_FIRST = re.compile(r"(?P<mark>[^_\-. ]+)[_\-. ]*(?P<rest>.*)", re.DOTALL)
_SAME = {"img": "image", "src": "source", "groundtruth": "gt", "seg": "segmentation"}
_SAME |= {"jpegimage": "image", "segmentationclass": "segmentation", "satellite": "sat"}
_SAME |= {"set": "", "data": "", "dataset": ""}  # as in training_set
_AB = "ab"
_WORDS = {_AB}.union(*FAMILIES)
_LONG_WORDS = [{each[side] for each in FAMILIES if len(each[side]) > 1} for side in range(2)]
NO_FAMILY = ("", "")


class Place(NamedTuple):
    """An image file, its split ("" without one), its side (0, 1 or None) and its name.

    The images of a pair have one name: the path, composed (NFC), without suffix, split and side;
    `short_name` also lacks a word for the side in the file's own name. `folder`, at this depth of
    folders, tells the side; "" if no folder does.
    """

    path: str
    split: str
    side: int | None
    name: str
    short_name: str
    folder: str = ""
    depth: int = 0

    @property
    def label(self) -> str:
        """The folder that tells the side, or the file."""
        return self.folder or PurePosixPath(self.path).name


def place_of(
    path: str, family: tuple[str, str], *, by_name: bool = False, side: int | None = None
) -> Place:
    """Finds the split and the side of a file, which its folders or its own name tell."""
    *folders, file = unicodedata.normalize("NFC", path).split("/")
    split, told_by, depth, rest = "", "", 0, []
    for level, folder in enumerate(folders):
        its_split, word = words_of_folder(folder)
        tells_split = bool(its_split) and not split
        tells_side = side is None and bool(word) and word in family and not by_name
        if tells_split:
            split = its_split
        if tells_side:
            side, told_by, depth = family.index(word), folder, level
        if not tells_split and not tells_side:
            rest.append(folder)
    stem = short = PurePosixPath(file).stem
    for remains, mark in words_of_name(stem):
        word = word_of(mark)
        if not (remains or rest):  # a name needs more than the word
            continue
        if by_name and word in family:
            side, stem, short = family.index(word), remains, remains
            break
        if not by_name and (word in family or word in _LONG_WORDS[side or 0]):
            short = remains
            break
    if side is None and family != NO_FAMILY and not family[0]:
        side = 0
    name, short_name = ("/".join([*rest, each]) for each in (stem, short))
    return Place(path, split, side, name, short_name, told_by, depth)


def words_of_name(stem: str) -> list[tuple[str, str]]:
    """Returns the last and the first word of a file's name, each behind what remains without it."""
    matches = (pattern.fullmatch(stem) for pattern in (_LAST, _FIRST))
    return [(found["rest"], found["mark"]) for found in matches if found]


@cache
def words_of_folder(name: str) -> tuple[str, str]:
    """Returns the split and the side's word in a folder's name, "" for what it does not tell."""
    for pattern in (_BEFORE, _BEHIND):
        if found := pattern.fullmatch(name.casefold()):
            word = word_of(found["rest"])
            if word in _WORDS:
                return SPLITS.get(found["split"], ""), word
    return "", ""


def word_of(text: str) -> str:
    """Returns a word in the form that `FAMILIES` has: in lower case and the singular."""
    text = re.sub(r"[_\- ]", "", text.casefold())
    text = re.sub("(?<=..)(?<!s)s$", "", text)
    return _SAME.get(text, text)


def is_split(folder: str) -> bool:
    """Returns whether a folder's name tells a split and nothing else."""
    split, word = words_of_folder(folder)
    return bool(split) and not word


def is_side_by_side(folder: str) -> bool:
    """Returns whether a folder's name says that its files hold both sides, as train_AB does."""
    return words_of_folder(folder)[1] == _AB
