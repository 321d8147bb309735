"""`tfgan2 translate`: turns image files into others with a run or an exported file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from PIL import Image

from tfgan2 import runs, runtime
from tfgan2.api import open_run
from tfgan2.cli.options import Checkpoint, quoted
from tfgan2.errors import UserError, one_line
from tfgan2.files import written_atomically
from tfgan2.images import joined
from tfgan2.images.files import UnreadableImageError, open_image
from tfgan2.images.formats import suffixes
from tfgan2.images.masks import LargeMaskError
from tfgan2.images.ranges import BYTES
from tfgan2.images.survey import survey
from tfgan2.remote import local_copy
from tfgan2.runtime import Translator

_Job = tuple[Path, Path | None, bool | None]
"""An image, its mask, and whether that is inverted; a mask of None is the middle."""


def translate(
    location: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Run directory or gs://…, or a .onnx or .tflite file from `tfgan2 export`.",
        ),
    ],
    source: Annotated[
        Path, typer.Option("--input", help="An image, or a folder of images.", metavar="PATH")
    ],
    out: Annotated[Path, typer.Option(help="New folder for the results.")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show the input beside each result.")
    ] = False,
    direction: Annotated[
        Literal["AtoB", "BtoA"],
        typer.Option(help="Direction of a CycleGAN run. An exported file has its own."),
    ] = "AtoB",
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="For inpainting: an image that marks what to fill, or a folder with a mask of the "
            "same name for each image.",
            show_default="the middle",
        ),
    ] = None,
    invert_mask: Annotated[
        bool | None,
        typer.Option(
            "--invert-mask/--no-invert-mask",
            help="Fill what a mask does not mark. One that marks more than half needs either.",
            show_default=False,
        ),
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out files that cannot be read.")
    ] = False,
    checkpoint: Checkpoint = runs.NEWEST,
) -> None:
    """Turn images into images, with a run or an exported file."""
    paths = _images_at(source)
    root = source if source.is_dir() else source.parent
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder: choose another --out")
    model = local_copy(location)
    load = _from_run if model.is_dir() else _from_file
    translator = load(model, direction, checkpoint)
    if not translator.takes_mask and (mask, invert_mask) != (None, None):
        raise UserError(f"{model} takes no mask: leave --mask and --invert-mask out")
    found = survey(paths, translator.ranges)
    # A dark photograph alone is no reason to brighten it.
    translator.ranges = {
        kind: found.ranges[kind]
        for kind in found.ranges
        if kind != BYTES or kind in translator.ranges
    }
    if translator.ranges:
        print(f"input: {replace(found, ranges=translator.ranges)}", flush=True)
    jobs = [(path, _mask_for(path.relative_to(root), mask), invert_mask) for path in paths]
    readable = _check(translator, root, jobs, skip_unreadable)  # before anything is written
    for number, job in enumerate(readable, 1):
        with one_line(f"cannot read {str(job[0])!r} any more", UnreadableImageError):
            images = _read(translator, *job)
        taken, result = translator.translate(*images, invert_mask=invert_mask)
        target = (out / job[0].relative_to(root)).with_suffix(".png")
        with written_atomically(target, parents=True) as partial:
            (joined(taken, result) if compare else result).save(partial, format="PNG")
        if number % 50 == 0 or number == len(readable):
            print(f"{number:,} of {len(readable):,} images: {out}", flush=True)


def _images_at(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.exists():
        raise UserError(f"{source} does not exist: give an image or a folder of images")
    from tfgan2.data.folders.finding import by_stem, image_files  # slow to import

    names = image_files(source)
    by_stem(names)  # each becomes a .png of its name
    return [source / name for name in names]


def _mask_for(name: Path, mask: Path | None) -> Path | None:
    """Returns the mask file of an image; None for the middle."""
    if mask is None or mask.is_file():
        return mask
    if not mask.is_dir():
        raise UserError(f"{mask} does not exist: give --mask an image or a folder, or leave it out")
    for suffix in (name.suffix, *sorted(suffixes())):
        if (candidate := mask / name.with_suffix(suffix)).is_file():
            return candidate
    raise UserError(f"{mask} has no mask called {name.stem!r}: add it")


def _from_file(file: Path, direction: str, checkpoint: str) -> Translator:
    if direction != "AtoB":
        raise UserError(
            "an exported file has one direction: leave --direction out and give the file of b_to_a"
        )
    if checkpoint != runs.NEWEST:
        raise UserError("an exported file has no checkpoints: leave --checkpoint out")
    network = runtime.load(file)
    if isinstance(network, Translator):
        return network
    raise UserError(f"{file} makes images from latents: use `tfgan2 generate`")


def _from_run(run: Path, direction: str, checkpoint: str) -> Translator:
    opened = open_run(run)
    if opened.takes_latents:
        flavour = opened.config.flavour
        raise UserError(f"{flavour} takes no images: use `tfgan2 sample {quoted(run)}`")
    return opened.translator(direction=direction, checkpoint=checkpoint)


def _check(
    translator: Translator,
    root: Path,
    jobs: list[_Job],
    skip_unreadable: bool,
) -> list[_Job]:
    """Reads all images with their masks, and returns those that can be read."""
    from tfgan2.data.folders.files import Files
    from tfgan2.data.request import Request

    by_name = {job[0].relative_to(root).as_posix(): job for job in jobs}

    def read(name: str) -> None:  # returns nothing: the images may be large
        _read(translator, *by_name[name])

    files = Files(root, list(by_name))
    request = Request(f"folder:{root}", skip_unreadable=skip_unreadable)
    return [jobs[number] for number, _ in files.read(read, "reading images", request)]


def _read(
    translator: Translator, path: Path, mask: Path | None, invert_mask: bool | None
) -> list[Image.Image]:
    """Reads an image, and its mask if there is one.

    Raises an UnreadableImageError with the path, or a UserError if they do not fit the model.
    """
    images = []
    for file in filter(None, (path, mask)):
        try:
            images.append(open_image(file))
        except UnreadableImageError as error:
            error.path = str(file)
            raise
    try:
        translator.prepare(*images, invert_mask=invert_mask)
    except LargeMaskError as error:
        raise UserError(
            f"{mask} marks {error.fraction:.0%} of the image: give --no-invert-mask to fill that, "
            "--invert-mask to fill the rest"
        ) from error
    except UserError as error:
        if isinstance(error.__cause__, UnreadableImageError):  # values of no meaning
            raise error.__cause__ from error
        name = f"{path} with {mask}" if mask else path
        raise UserError(f"{name}: {error}") from error
    return images
