"""Finds the two sides of pairs among the files of a folder, in the ways in which people lay them.

Nothing is opened: words in the names of folders and files tell the sides and the splits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tfgan2.data.files import existing_folder, image_files
from tfgan2.errors import UserError

HELD_OUT = ("test", "val")
"""Splits that are held out, the preferred one first."""

FAMILIES = (
    *(("a", "b"), ("x", "y"), ("source", "target"), ("low", "high"), ("lr", "hr")),
    *(("blur", "sharp"), ("noisy", "clean")),
    *(("input", word) for word in ("target", "output", "gt")),
    *(("image", word) for word in ("mask", "label", "annotation", "segmentation", "target", "gt")),
    # Only the targets are marked, as in x.jpg and x_mask.png.
    *(("", word) for word in ("mask", "label", "annotation", "segmentation", "target", "gt")),
)
"""Words for input and target, as `_word` makes them of names."""

_SPLITS = {"training": "train", "train": "train", "testing": "test", "test": "test"}
_SPLITS |= {"validation": "val", "valid": "val", "val": "val"}
_BEFORE = re.compile(rf"(?P<split>{'|'.join(_SPLITS)})?[_\- ]*(?P<rest>.*)", re.DOTALL)
_BEHIND = re.compile(rf"(?P<rest>.*)[_\- ](?P<split>{'|'.join(_SPLITS)})", re.DOTALL)
_LAST = re.compile(r"(?P<rest>.*?)[_\-. ]*(?P<mark>[^_\-. ]+)", re.DOTALL)
_FIRST = re.compile(r"(?P<mark>[^_\-. ]+)[_\-. ]*(?P<rest>.*)", re.DOTALL)
_SAME = {"img": "image", "src": "source", "groundtruth": "gt", "seg": "segmentation"}
_AB = "ab"
_WORDS = {_AB}.union(*FAMILIES)
_LONG_WORDS = [{each[side] for each in FAMILIES if len(each[side]) > 1} for side in range(2)]
_NONE = ("", "")


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


def folders_in(path: str, form: str) -> list[Path]:
    """Returns the folder in a dataset's name, or the two that a comma separates."""
    whole = not path or Path(path).expanduser().is_dir()
    paths = [path] if whole else [part.strip() for part in path.split(",")]
    if len(paths) > 2:
        raise UserError(f"{form.partition(':')[0]}: takes two folders, not {len(paths)}")
    return [existing_folder(each, form) for each in paths]


def in_two_folders(roots: Sequence[Path]) -> list[Place]:
    """Returns the images of two folders, each of which is a side; paths are relative to it."""
    return [
        _place(path, _NONE, side=side)._replace(folder=root.name)
        for side, root in enumerate(roots)
        for path in image_files(root)
    ]


def in_one_folder(root: Path, *, names_tell: bool = True) -> list[Place]:
    """Returns the images of a folder with their sides, or all without if nothing tells them.

    `names_tell`: names of files may tell the sides; else only those of folders.
    """
    paths = image_files(root)
    words = {_folder(folder)[1] for path in paths for folder in path.split("/")[:-1]}
    lone = words & {"a", "b"}
    if names_tell:
        words |= {_word(mark) for path in paths for _, mark in _marks(PurePosixPath(path).stem)}
    families = [family for family in FAMILIES if {*family} - {""} <= words]
    for whole in (True, False):
        for by_name in (False, True) if names_tell else (False,):
            chosen = [family for family in families if bool(family[0]) is whole]
            if found := _shallowest([_laid(paths, family, by_name) for family in chosen]):
                if len(found) > 1:
                    pairs = ", ".join(" and ".join(map(repr, labels(each))) for each in found)
                    raise UserError(
                        f"{str(root)!r} has several layouts ({pairs}): give the two folders that "
                        "you mean, with a comma between them"
                    )
                return found[0]
    if len(lone) == 1:
        raise UserError(
            f"{str(root)!r} has images in only one of the folders A and B: give both, with equal "
            "names"
        )
    return [_place(path, _NONE) for path in paths]


def in_splits(places: Sequence[Place], root: Path) -> tuple[list[Place], list[Place], list[Place]]:
    """Returns the files to train on, those that a folder test or val holds out, and the rest."""
    sides = {place.side for place in places}
    sides = sides - {None} or sides
    parts: dict[str, list[Place]] = {}
    for place in places:
        if place.side in sides:
            parts.setdefault(place.split, []).append(place)
    whole = [name for name, part in parts.items() if {place.side for place in part} == sides]
    training = next((name for name in ("train", "") if name in whole), None)
    if training is None:
        raise UserError(
            f"{str(root)!r} has nothing to train on beside {', '.join(parts)!r}: add a folder train"
        )
    held_out = next((parts[name] for name in HELD_OUT if name in whole), [])
    used = {*parts[training], *held_out}
    return parts[training], held_out, [place for place in places if place not in used]


def labels(places: Sequence[Place]) -> tuple[str, str]:
    """Returns what tells each side: the name of a folder, or that of the first file."""
    first, second = (next(p for p in places if p.side == side).label for side in range(2))
    return first, second


def match(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    """Returns the pairs by the path of the input; a UserError unless each file has one partner."""
    a, b = max((_by_name(places, key) for key in ("name", "short_name")), key=_common)
    for mine, others in ((a, b), (b, a)):
        for name, found in mine.items():
            if len(found) > 1:
                one, other = (place.path for place in found[:2])
                raise UserError(f"{one!r} and {other!r} are both called {name!r}: rename one")
        if unmatched := sorted(mine.keys() - others.keys()):
            path = mine[unmatched[0]][0].path
            more = f" (and {len(unmatched) - 1} more)" if len(unmatched) > 1 else ""
            folder = next(iter(others.values()))[0].folder
            where = f" in {folder}" if folder else ""
            raise UserError(
                f"{path!r}{more} has no image of the same name{where}: add it, or remove {path!r}"
            )
    pairs = [(a[name][0], b[name][0]) for name in a]
    return sorted(pairs, key=lambda pair: PurePosixPath(pair[0].path).with_suffix("").as_posix())


def is_split(folder: str) -> bool:
    """Returns whether a folder's name tells a split and nothing else."""
    return _folder(folder) in [(split, "") for split in _SPLITS.values()]


def is_side_by_side(folder: str) -> bool:
    """Returns whether a folder's name says that its files hold both sides, as train_AB does."""
    return _folder(folder)[1] == _AB


def _by_name(places: Sequence[Place], key: str) -> tuple[dict[str, list[Place]], ...]:
    """Returns for each side its files by their names."""
    sides: tuple[dict[str, list[Place]], ...] = ({}, {})
    for place in places:
        if place.side is not None:
            sides[place.side].setdefault(getattr(place, key), []).append(place)
    return sides


def _common(sides: Sequence[dict[str, list[Place]]]) -> int:
    """Returns the number of names that both sides have."""
    return len(sides[0].keys() & sides[1].keys())


def _shallowest(layouts: Sequence[list[Place]]) -> list[list[Place]]:
    """Returns those whose sides are told nearest to the root; empty ones are none."""
    depths = [(min(p.depth for p in places if p.side == 1), places) for places in layouts if places]
    return [places for depth, places in depths if depth == min(depth for depth, _ in depths)]


def _laid(paths: Sequence[str], family: tuple[str, str], by_name: bool) -> list[Place]:
    """Returns all files if this family of words tells their sides, else none."""
    places = [_place(path, family, by_name=by_name) for path in paths]
    if not {place.side for place in places} >= {0, 1}:
        return []
    if by_name or not family[0]:  # weak evidence: half of the files must be in pairs
        training = [place for place in places if place.split in ("train", "")]
        if 4 * _common(_by_name(training, "short_name")) < len(training):
            return []
    return places


def _place(
    path: str, family: tuple[str, str], *, by_name: bool = False, side: int | None = None
) -> Place:
    """Finds the split and the side of a file, which its folders or its own name tell."""
    *folders, file = unicodedata.normalize("NFC", path).split("/")
    split, told_by, depth, rest = "", "", 0, []
    for level, folder in enumerate(folders):
        its_split, word = _folder(folder)
        tells_split = bool(its_split) and not split
        tells_side = side is None and bool(word) and word in family and not by_name
        if tells_split:
            split = its_split
        if tells_side:
            side, told_by, depth = family.index(word), folder, level
        if not tells_split and not tells_side:
            rest.append(folder)
    stem = short = PurePosixPath(file).stem
    for remains, mark in _marks(stem):
        word = _word(mark)
        if not (remains or rest):  # a name needs more than the word
            continue
        if by_name and word in family:
            side, stem, short = family.index(word), remains, remains
            break
        if not by_name and (word in family or word in _LONG_WORDS[side or 0]):
            short = remains
            break
    if side is None and family != _NONE and not family[0]:
        side = 0
    name, short_name = ("/".join([*rest, each]) for each in (stem, short))
    return Place(path, split, side, name, short_name, told_by, depth)


def _marks(stem: str) -> list[tuple[str, str]]:
    """Returns the last and the first word of a file's name, each behind what remains without it."""
    matches = (pattern.fullmatch(stem) for pattern in (_LAST, _FIRST))
    return [(found["rest"], found["mark"]) for found in matches if found]


@cache
def _folder(name: str) -> tuple[str, str]:
    """Returns the split and the side's word in a folder's name, "" for what it does not tell."""
    for pattern in (_BEFORE, _BEHIND):
        if found := pattern.fullmatch(name.casefold()):
            word = _word(found["rest"])
            if word in _WORDS:
                return _SPLITS.get(found["split"], ""), word
    return "", ""


def _word(text: str) -> str:
    """Returns a word in the form that `FAMILIES` has: in lower case and the singular."""
    text = re.sub(r"[_\- ]", "", text.casefold())
    text = text[:-1] if len(text) > 2 and text.endswith("s") else text
    return _SAME.get(text, text)
