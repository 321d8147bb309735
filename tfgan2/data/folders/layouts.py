"""Finds the two sides of pairs among the files of a folder, in the ways in which people lay them.

No image is opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tfgan2.data.folders.finding import existing_folder, image_files
from tfgan2.data.folders.places import (
    FAMILIES,
    NO_FAMILY,
    Place,
    place_of,
    word_of,
    words_of_folder,
    words_of_name,
)
from tfgan2.errors import UserError

HELD_OUT = ("test", "val")
"""Splits that are held out, the preferred one first."""


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
        place_of(path, NO_FAMILY, side=side)._replace(folder=root.name)
        for side, root in enumerate(roots)
        for path in image_files(root)
    ]


def in_one_folder(root: Path, *, names_tell: bool = True) -> list[Place]:
    """Returns the images of a folder with their sides, or all without if nothing tells them.

    `names_tell`: names of files may tell the sides; else only those of folders.
    """
    paths = image_files(root)
    words = {words_of_folder(folder)[1] for path in paths for folder in path.split("/")[:-1]}
    lone = words & {"a", "b"}
    if names_tell:
        words |= {
            word_of(mark) for path in paths for _, mark in words_of_name(PurePosixPath(path).stem)
        }
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
    return [place_of(path, NO_FAMILY) for path in paths]


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
    a, b = named = max((_by_name(places, key) for key in ("name", "short_name")), key=_common)
    one, other = (next(iter(side.values()))[0] for side in named)
    if not _common(named):
        raise UserError(
            f"no input and target have the same name, such as {one.path!r} and {other.path!r}: "
            "rename the images of a pair alike"
        )
    for mine, others in ((a, b), (b, a)):
        for name, found in mine.items():
            if len(found) > 1:
                twice = " and ".join(repr(place.path) for place in found[:2])
                raise UserError(f"{twice} are both called {name!r}: rename one")
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


def check_side_by_side(places: Sequence[Place], root: Path) -> None:
    """Raises a UserError if the names in two folders are equal, as if these were the two sides."""
    folders: dict[str, set[str]] = defaultdict(set)
    for place in places:
        path = PurePosixPath(place.path)
        folders[path.stem].add(str(root / path.parent))
    shared = [name for name, each in folders.items() if len(each) > 1]
    if shared and 2 * len(shared) >= len(folders):
        one, other = sorted(folders[shared[0]])[:2]
        raise UserError(
            f"the folders {one!r} and {other!r} have images of equal names, such as "
            f"{shared[0]!r}: give pairs:{one},{other} if these are the inputs and the targets, "
            "or put side-by-side files into a folder train_AB"
        )


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
    places = [place_of(path, family, by_name=by_name) for path in paths]
    if not {place.side for place in places} >= {0, 1}:
        return []
    if by_name or not family[0]:  # weak evidence: half of the files must be in pairs
        training = [place for place in places if place.split in ("train", "")]
        if 4 * _common(_by_name(training, "short_name")) < len(training):
            return []
    return places
