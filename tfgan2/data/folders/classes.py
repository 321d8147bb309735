"""`folder:PATH`: the names of its subfolders are classes, or splits."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.folders.files import Files, load_files
from tfgan2.data.folders.finding import existing_folder, image_files
from tfgan2.data.folders.places import SPLITS
from tfgan2.data.request import Request
from tfgan2.errors import UserError

_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, bytes that are no UTF-8, and line ends."""


def load(request: Request) -> ImageDataset:
    """Loads a folder, with the classes and the splits that `with_classes` finds."""
    return load_files(with_classes(existing_folder(request.path, "folder:PATH")), request)


def with_classes(root: Path) -> Files:
    """Returns all image files; if all lie in subfolders, these are the classes.

    If all subfolders are splits, the classes are the folders in these. `train` comes first, then
    what is held out of it: `test`, else `val`.

    Raises:
        UserError: no images, splits without `train` or with other classes than it, or the name of
            a class that cannot be printed.
    """
    paths = image_files(root)
    splits = _find_splits(root, paths)
    if not splits:
        labels, classes = _classes_of(root, [path.split("/") for path in paths])
        return Files(root, paths, labels, classes)
    train, held_out = splits["train"], splits.get("test", splits.get("val", ""))
    parts = [[path for path in paths if path.split("/")[0] == each] for each in (train, held_out)]
    labelled = [_classes_of(root, [path.split("/")[1:] for path in part]) for part in parts]
    (_, classes), (_, others) = labelled
    if held_out and set(classes) != set(others):
        raise UserError(_difference(root, train, held_out, classes, others))
    labels = np.concatenate([part for part, _ in labelled if part is not None]) if classes else None
    note = f"splits: {train!r} is trained on"
    note += f", {held_out!r} is held out" if held_out else ""
    unused = [folder for folder in splits.values() if folder not in (train, held_out)]
    note += "".join(f", {folder!r} is not used" for folder in unused)
    paths = parts[0] + parts[1]
    return Files(
        root,
        paths,
        labels,
        classes,
        held_out=len(parts[1]),
        notes=(note,),
    )


def split_folders(root: Path) -> dict[str, str]:
    """Returns the subfolders of a folder of images by the split that they mean; {} if it has none.

    Raises:
        UserError: as `with_classes`.
    """
    return _find_splits(root, image_files(root))


def _find_splits(root: Path, paths: list[str]) -> dict[str, str]:
    folders = sorted({path.split("/")[0] for path in paths if "/" in path})
    if not folders or any(folder.lower() not in SPLITS for folder in folders):
        return {}
    at_top = next((path for path in paths if "/" not in path), None)
    if at_top is not None and len(folders) == 1:
        return {}
    splits: dict[str, str] = {}
    for folder in folders:
        name = SPLITS[folder.lower()]
        if name in splits:
            both = f"{splits[name]!r} and {folder!r}"
            raise UserError(f"{both} in {str(root)!r} mean the same split: join or remove one")
        splits[name] = folder
    if at_top is not None:
        raise UserError(
            f"{str(root)!r} holds the splits {', '.join(folders)} and images beside them, such as "
            f"{at_top!r}: move these into a split, or give the folder of one split"
        )
    if "train" not in splits:
        raise UserError(
            f"{str(root)!r} holds {' and '.join(folders)} but no train: add it, or give the "
            f"folder {str(root / folders[0])!r}"
        )
    return splits


def _classes_of(root: Path, parts: list[list[str]]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Returns labels and classes of relative paths, from their first parts; None, () without."""
    if not parts or any(len(each) == 1 for each in parts):
        return None, ()
    names, labels = np.unique([each[0] for each in parts], return_inverse=True)
    classes = tuple(names.tolist())
    for name in classes:
        categories = {unicodedata.category(character) for character in name}
        if not categories.isdisjoint(_UNPRINTABLE):
            utf8 = "Cs" not in categories
            shown = repr(name) if utf8 else repr(os.fsencode(name))[1:]
            problem = "has control characters" if utf8 else "is not valid UTF-8"
            raise UserError(
                f"the name of the folder {shown} in {str(root)!r}, a class, {problem}: rename it"
            )
    return labels.astype(np.int32), classes


def _difference(
    root: Path, train: str, held_out: str, classes: tuple[str, ...], others: tuple[str, ...]
) -> str:
    """Says how the classes of two splits differ."""
    alone = f"or give the folder {str(root / train)!r} alone"
    if not classes or not others:
        with_, without = (train, held_out) if classes else (held_out, train)
        return (
            f"{with_!r} in {str(root)!r} has class folders and {without!r} has none: sort its "
            f"images into the same classes, {alone}"
        )
    name = min(set(classes) ^ set(others))
    here, there = (train, held_out) if name in classes else (held_out, train)
    return (
        f"the class {name!r} is in {here!r} of {str(root)!r} but not in {there!r}: give both the "
        f"same classes, {alone}"
    )
