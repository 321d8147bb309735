"""`pairs:DIR`: images to be made from other images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.folders.copies import groups, halves, shared_by_pairs
from tfgan2.data.folders.files import JOINT, Files, open_files
from tfgan2.data.folders.layouts import (
    check_side_by_side,
    folders_in,
    in_one_folder,
    in_splits,
    in_two_folders,
    labels,
    match,
)
from tfgan2.data.folders.places import Place, is_side_by_side, is_split
from tfgan2.data.request import Request
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit, open_image
from tfgan2.images.survey import Survey

DEFAULT_SIZE = 256
RATIOS = (1.9, 2.1)
"""Width by height of a file that is taken for two images side by side."""
LAYOUTS = (
    "give a folder of such files (of any shape in a folder train_AB), the folders A and B, trainA "
    "and trainB, input and target, or images and masks, names that end with _A and _B, or "
    "pairs:DIR_INPUT,DIR_TARGET"
)


def load_pairs(request: Request) -> ImageDataset:
    """Loads pairs; a folder `test` or `val` beside the images to train on is held out."""
    root, places, folders = _find_pairs(request)
    chosen, rest, unused = in_splits(places, root)
    _describe(request, chosen)
    if unused:
        request.notes.append(f"{len(unused):,} images are not used, the first: {unused[0].path}")
    any_shape = all(
        any(map(is_side_by_side, [*root.absolute().parts[-2:], *place.path.split("/")[:-1]]))
        for place in chosen
    )
    if not any_shape and chosen[0].side is None:
        check_side_by_side(chosen, root)
    samples, others = _samples(chosen), _samples(rest)

    def shared() -> list[np.ndarray]:
        paths = (sample.split(JOINT) for sample in [*samples, *others])
        return shared_by_pairs([[root / path for path in each] for each in paths], request)

    if others:
        numbers = request.kept([sample.split(JOINT)[0] for sample in samples], shared())
    else:
        numbers, held_out = request.held_out(len(samples), lambda: groups(shared()))
        others = [samples[number] for number in held_out]
    surveys = _surveys(Files(root, list(dict.fromkeys([*samples, *others]))), request)
    channels = [request.channels or survey.channels for survey in surveys]
    step = -1 if request.direction == "BtoA" else 1  # the order of the sides
    size = request.edges(DEFAULT_SIZE)
    input_channels, target_channels = channels[::step]
    scaled: set[str] = set()

    def dataset(samples: list[str], held_out: ImageDataset | None = None) -> ImageDataset:
        files = Files(root, samples, folders=folders) if folders else _below_split(root, samples)

        def read(sample: str) -> np.ndarray:
            both = _read_pair(
                files.root, sample, size, channels, surveys, scaled, any_shape=any_shape
            )
            return np.concatenate(both[::step], axis=-1)

        both, found = open_files(files, (*size, sum(channels)), request, read=read)
        return ImageDataset(
            both.map(lambda both: (both[..., :input_channels], both[..., input_channels:])),
            request.name,
            (*size, target_channels),
            ["pairs", request.direction, found.digest()],
            kind="pairs",
            skipped=tuple(found.skipped),
            held_out=held_out,
            details={"input_shape": [*size, input_channels]},
            surveys=tuple(surveys[::step]),
        )

    loaded = dataset([samples[number] for number in numbers], dataset(others) if others else None)
    if scaled:
        request.notes.append(
            f"{len(scaled):,} pairs have images of two sizes, which are scaled to "
            f"{size[0]}x{size[1]}, the first: {min(scaled)}"
        )
    return loaded


def _find_pairs(request: Request) -> tuple[Path, list[Place], tuple[str, ...]]:
    """Returns the folder that paths start from, the images, and the two folders if there are."""
    roots = folders_in(request.path, "pairs:DIR")
    if len(roots) == 1:
        return roots[0], in_one_folder(roots[0]), ()
    root = roots[0].absolute().parent
    try:
        inner = [Path(os.path.relpath(each.absolute(), root)) for each in roots]
    except ValueError:
        a, b = roots
        raise UserError(f"{a} and {b} are on two drives: move one beside the other") from None
    places = in_two_folders(roots)
    places = [
        place._replace(path=(inner[place.side or 0] / place.path).as_posix()) for place in places
    ]
    return root, places, tuple(each.as_posix() for each in inner)


def _describe(request: Request, places: Sequence[Place]) -> None:
    """Notes which side is the input."""
    turned = request.direction == "BtoA"
    sides: Sequence[str] = ("the left half of each file", "the right half")
    if places[0].side is not None:
        sides = [repr(label) for label in labels(places)]
    first, second = sides[::-1] if turned else sides
    turn = "" if turned else " (--direction BtoA turns them)"
    request.notes.append(f"pairs: input {first}, target {second}{turn}")


def _samples(places: Sequence[Place]) -> list[str]:
    """Returns the paths of each pair, joined, or of the file that holds both images."""
    if all(place.side is None for place in places):
        return [place.path for place in places]
    return [f"{a.path}{JOINT}{b.path}" for a, b in match(places)]


def _below_split(root: Path, samples: list[str]) -> Files:
    """Returns the samples; in a folder `train`, it is the root."""
    tops = {path.split("/")[0] for sample in samples for path in sample.split(JOINT)}
    top = tops.pop() if len(tops) == 1 else ""
    if not is_split(top):
        return Files(root, samples)
    return Files(
        root / top,
        [JOINT.join(path.partition("/")[2] for path in sample.split(JOINT)) for sample in samples],
    )


def _surveys(files: Files, request: Request) -> list[Survey]:
    """Returns the surveys of A and B: each its own in two folders, the same in one file."""
    sides = zip(*(path.split(JOINT) for path in files.paths), strict=True)
    surveys = [Files(files.root, list(paths)).survey(request) for paths in sides]
    return surveys if len(surveys) == 2 else surveys * 2


def _read_pair(
    root: Path,
    sample: str,
    size: tuple[int, int],
    channels: list[int],
    surveys: list[Survey],
    scaled: set[str],
    *,
    any_shape: bool,
) -> list[np.ndarray]:
    """Returns A and B of a sample, upright and scaled; an error names the file that is wrong.

    `scaled` receives a line about a pair of two sizes. With `any_shape` a file with both images may
    have any even width.
    """
    paths = sample.split(JOINT)
    images, sides = [], []
    try:
        for path in paths:
            images.append(open_image(root / path))
        path = paths[0]
        width, height = images[0].size
        if len(images) == 1:
            if not (any_shape or RATIOS[0] <= width / height <= RATIOS[1]):
                raise UserError(
                    f"{path!r} in {str(root)!r} is {width}x{height}, and two images side by side "
                    f"are twice as wide as high; {LAYOUTS}"
                )
            if width % 2:
                raise UnreadableImageError(
                    f"it is {width}x{height}: two images side by side have an even width"
                )
            paths, images = paths * 2, halves(images[0])
        elif images[1].size != (width, height):
            sizes = ["{}x{}".format(*image.size) for image in images]
            if not _same_shape(*(image.size for image in images)):
                raise UnreadableImageError(f"it is {sizes[0]}, and {paths[1]} is {sizes[1]}")
            scaled.add(f"{path} of {sizes[0]} and {paths[1]} of {sizes[1]}")
        for side, image in enumerate(images):
            path = paths[side]
            ranges = surveys[side].ranges
            sides.append(fit(image, size=size, channels=channels[side], ranges=ranges))
    except UnreadableImageError as error:
        error.path = path
        raise
    return sides


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Returns whether the smaller image has the shape of the larger, rounded to whole pixels."""
    (width, height), (larger_width, larger_height) = sorted([one, other])
    return abs(larger_height * width / larger_width - height) < 1
