"""`tfgan2 translate`: turns image files into others with a run or an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from PIL import Image

from tfgan2 import runs, runtime, startup
from tfgan2.cli.options import Checkpoint
from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.images import joined
from tfgan2.images.files import UnreadableImageError, open_image, suffixes
from tfgan2.remote import local_copy
from tfgan2.runtime import Translator
from tfgan2.runtime.translator import middle_mask

NETWORKS = {"AtoB": ("a_to_b", "generator"), "BtoA": ("b_to_a",)}


def translate(
    place: Annotated[
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
            help="For inpainting: an image, white where to fill, or a folder with a mask of the "
            "same name for each image.",
            show_default="the middle",
        ),
    ] = None,
    checkpoint: Checkpoint = runs.NEWEST,
) -> None:
    """Turn images into images, with a run or an exported file."""
    if not source.exists():
        raise UserError(f"{source} does not exist: give an image or a folder of images")
    root = source if source.is_dir() else source.parent
    paths = _images_in(source) if source.is_dir() else [source]
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder: choose another --out")
    model = local_copy(place)
    if model.is_dir():
        translator = _from_run(model, direction, checkpoint)
    else:
        translator = _from_file(model, direction, checkpoint)
    if mask is not None and not translator.takes_mask:
        raise UserError(f"{model} takes no mask: leave --mask out")
    jobs = [(path, _mask_for(path.relative_to(root), mask)) for path in paths]
    for job in jobs:  # before anything is written
        _read(translator, *job)
    for number, (path, mask_path) in enumerate(jobs, 1):
        taken, result = translator.translate(*_read(translator, path, mask_path))
        target = (out / path.relative_to(root)).with_suffix(".png")
        with written_atomically(target, parents=True) as partial:
            (joined(taken, result) if compare else result).save(partial, format="PNG")
        if number % 50 == 0 or number == len(jobs):
            print(f"{number:,} of {len(jobs):,} images: {out}", flush=True)


def _images_in(folder: Path) -> list[Path]:
    from tfgan2.data.files import by_stem, image_files  # slow to import

    names = image_files(folder)
    by_stem(names)  # each becomes a .png of its name
    return [folder / name for name in names]


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
    config = runs.RunConfig.read(run)  # a wrong folder is an error before TensorFlow is loaded
    startup.load()
    trained, _ = runs.load_model(run, checkpoint)
    specs = trained.exports()
    spec = next((specs[name] for name in NETWORKS[direction] if name in specs), None)
    if spec is None:
        raise UserError(f"{config.flavour} has one direction: leave --direction out")
    if spec.resized is None:
        raise UserError(f"{config.flavour} takes no images: use `tfgan2 sample {run}`")
    network = spec.resized(None, None)
    inputs = [{"name": item.name, "shape": list(item.shape)} for item in network.inputs]
    metadata = {**spec.facts, "inputs": inputs, "outputs": [{"name": "image"}], "batch": None}
    model = runtime.Model(
        lambda arrays: {"image": trained.run_generator(network, arrays)}, metadata
    )
    return Translator(model)


def _read(
    translator: Translator, path: Path, mask_path: Path | None
) -> tuple[Image.Image, Image.Image | None]:
    """Reads an image, and its mask if one is needed; a UserError if they are of no use."""
    image = _open(path)
    mask = None
    if translator.takes_mask:
        mask = middle_mask(image) if mask_path is None else _open(mask_path)
    try:
        translator.prepare(image, mask)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return image, mask


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path)
    except UnreadableImageError as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; repair or remove it") from error
