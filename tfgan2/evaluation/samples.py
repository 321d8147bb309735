"""The images that are evaluated, and the real ones that they are compared with."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images import is_points, to_uint8

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel
    from tfgan2.runtime import Generator

_CHUNK, _CHUNK_VALUES = 1000, 2**24
_BATCH, _BATCH_VALUES = 64, 2**20


class Chunk(NamedTuple):
    """Some of the images.

    Attributes:
        images: uint8, shape (N, H, W, C); points are float32.
        labels: int32, shape (N,): the class that was requested or that a real image has, or None.
        targets: the images that a translation should have given, like `images`, or None.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None


@dataclass
class Samples:
    """Images that come in the same order each time.

    Attributes:
        image_shape: (height, width, channels).
        chunks: yields the first `count` images, some at a time, in constant memory.
        about: what they are and what generated them, for the result; JSON.
        protocol: what distinguishes their figures from others, for the protocol; JSON.
        count: number of images, or None if there is no limit.
        paired: whether chunks have targets.
        labelled: whether chunks have labels that are classes of the real images.
    """

    image_shape: tuple[int, int, int]
    chunks: Callable[[int], Iterator[Chunk]]
    about: dict[str, Any]
    protocol: dict[str, Any]
    count: int | None = None
    paired: bool = False
    labelled: bool = False


class RealSamples(Samples):
    """The images of a dataset.

    Attributes:
        dataset: the images that samples are compared with.
        training_data: what a classifier may be trained on: `dataset`, or the rest if `dataset` is
            held out.
    """

    def __init__(self, dataset: ImageDataset, part: str, split: str | None = None) -> None:
        """
        Args:
            dataset: all of it is used.
            part: for the protocol: "training", "held out" or "all".
            split: of tensorflow-datasets.
        """
        self.training_data = dataset
        # Unpaired images: the second side is generated; the sides differ in length.
        self.dataset = dataset.sides[1] if dataset.sides else dataset
        height, width, channels = dataset.image_shape
        super().__init__(
            dataset.image_shape,
            self._chunks,
            about={"dataset": dataset.name},
            protocol={
                "dataset": Path(dataset.name).name if ":" in dataset.name else dataset.name,
                "split": split or "",
                "part": part,
                "fingerprint": dataset.fingerprint,
                "size": f"{height}x{width}x{channels}",
            },
            count=self.dataset.num_images,
        )

    @functools.cached_property
    def content(self) -> str:
        """Hash of all pixels."""
        digest = hashlib.sha256()
        for chunk in self.chunks(self.dataset.num_images):
            digest.update(np.ascontiguousarray(chunk.images).data)
        return digest.hexdigest()

    def _chunks(self, count: int) -> Iterator[Chunk]:
        labelled = self.dataset.kind == "images"
        for parts in _batches(self.dataset, count, _sizes(self.image_shape)[0]):
            labels = parts[1] if labelled and len(parts) > 1 else None
            yield Chunk(_displayed(_targets(parts, self.dataset)), labels)


def real_samples(dataset: ImageDataset, *, held_out: bool, split: str | None = None) -> RealSamples:
    """Returns the real images that a run is compared with.

    Args:
        dataset: of the run.
        held_out: take the part that the dataset holds out, if it does.
        split: of tensorflow-datasets.
    """
    if dataset.held_out is None:
        return RealSamples(dataset, "all", split)
    if not held_out:
        return RealSamples(dataset, "training", split)
    reals = RealSamples(dataset.held_out, "held out", split)
    reals.training_data = dataset
    return reals


def directory_samples(dataset: ImageDataset, directory: Path) -> Samples:
    """Returns the images of a directory, which any program may have written."""
    chunks = RealSamples(dataset, "all").chunks
    about = {"folder": str(directory)}
    return Samples(dataset.image_shape, chunks, about, {}, count=dataset.num_images)


def model_samples(
    model: GenerativeModel, about: dict[str, Any], seed: int, classes: np.ndarray | None = None
) -> Samples:
    """Returns images that a model generates from random latents, labels or captions in turn.

    Args:
        model: draws latents.
        about: run, flavour and step.
        seed: of the latents.
        classes: the class of the real images that each label means, see `label_classes`.
    """
    from tfgan2.inputs.words import in_turn

    drawer: Any = model
    captions = getattr(model, "captions", ())
    batch_size = _sizes(model.image_shape)[1]

    def draw(count: int) -> tuple[Any, ...]:
        texts = in_turn(captions, count) if captions else None
        return drawer.draw_latents(count, seed=seed), drawer.draw_labels(count), texts

    def generate(latents: np.ndarray, labels: Any, texts: Any) -> np.ndarray:
        return drawer.generate(latents, texts if captions else labels, batch_size=batch_size)

    about = {**about, **_about_model(model, _inputs(model))}
    classes = classes if drawer.labels_are_classes else None
    return _latent_samples(model.image_shape, draw, generate, about, seed, classes)


def file_samples(
    generator: Generator, file: Path, seed: int, classes: np.ndarray | None = None
) -> Samples:
    """Returns images that an exported file generates; the arguments are as for `model_samples`."""
    from tfgan2.inputs.latents import draw_latents

    def draw(count: int) -> tuple[Any, ...]:
        distribution = generator.latent_distribution
        latents = draw_latents(count, generator.latent_dim, seed=seed, distribution=distribution)
        return latents, generator.labels(count), generator.texts(count)

    height, width, channels = generator.image_shape
    metadata = generator.metadata.get("about", {})
    about = {"file": str(file)}
    about |= {name: metadata[name] for name in ("flavour", "step") if name in metadata}
    about["made_of"] = _inputs(generator)
    classes = classes if generator.conditional else None
    return _latent_samples((height, width, channels), draw, generator, about, seed, classes)


def translated_samples(
    model: GenerativeModel, dataset: ImageDataset, about: dict[str, Any]
) -> Samples:
    """Returns the translations of a dataset's images, with the targets of paired data.

    Args:
        model: translates images.
        dataset: inputs, all of them, in their own order.
        about: run, flavour and step.
    """
    inputs = dataset.sides[0] if dataset.sides else dataset
    networks = model.exports()
    name, network = next(iter(networks.items()))
    about = {**about, **_about_model(model, "the inputs of the reference")}
    if len(networks) > 1:
        about["network"] = name
    # What distinguishes tasks on equal inputs, for example enlarging by 2 or by 4.
    config = model.get_config()
    task = {"scale": network.facts.get("scale", 1)}
    task |= {key: config[key] for key in ("mask", "mask_size") if key in config}
    paired = not dataset.sides

    def chunks(count: int) -> Iterator[Chunk]:
        assert network.inputs_of is not None
        size, batch_size = _sizes(dataset.image_shape)
        for parts in _batches(inputs, count, size):
            images = model.run_generator(
                network.network, network.inputs_of(parts), batch_size=min(batch_size, 8)
            )
            targets = _displayed(_targets(parts, inputs)) if paired else None
            yield Chunk(_displayed(images), targets=targets)

    protocol: dict[str, Any] = {"task": task}
    return Samples(dataset.image_shape, chunks, about, protocol, inputs.num_images, paired=paired)


def image_format(directory: Path, *, uniform: bool) -> tuple[int, bool]:
    """Returns the smallest width of the images in a directory, and whether any has colour.

    Args:
        directory: contains images.
        uniform: require square images of one size.

    Raises:
        UserError: no images, an unreadable one, or not uniform.
    """
    from tfgan2.data.files import folder_of, pictures_in

    root = folder_of(str(directory), "DIR")
    sizes, colour = set(), False
    for path in pictures_in(root):
        try:
            with Image.open(root / path) as image:
                sizes.add(image.size)
                colour |= image.mode not in ("1", "L", "LA", "I", "F", "I;16")
        except OSError as error:
            raise UserError(f"cannot read '{root / path}': repair or remove it") from error
        if uniform and (len(sizes) > 1 or len(set(*sizes)) > 1):
            raise UserError(
                f"the images in '{directory}' are not square and of one size: give --image-size"
            )
    return min(sizes)[0], colour


def label_classes(label_names: Sequence[str], class_names: Sequence[str]) -> np.ndarray | None:
    """Returns the class that each label of a generator means, int32, shape (labels,).

    Args:
        label_names: of the generator.
        class_names: of the real images.

    Returns:
        None if there are no labels, or one of them is not a class.
    """
    if not label_names or not set(label_names) <= set(class_names):
        return None
    return np.array([list(class_names).index(name) for name in label_names], np.int32)


def _latent_samples(
    image_shape: tuple[int, int, int],
    draw: Callable[[int], tuple[Any, ...]],
    generate: Callable[..., np.ndarray],
    about: dict[str, Any],
    seed: int,
    classes: np.ndarray | None,
) -> Samples:
    """`draw` returns latents, labels and texts (or None) for `generate`."""

    def chunks(count: int) -> Iterator[Chunk]:
        inputs = draw(count)
        size = _sizes(image_shape)[0]
        for start in range(0, count, size):
            end = min(start + size, count)
            latents, labels, texts = (None if i is None else i[start:end] for i in inputs)
            known = None if classes is None or labels is None else classes[labels]
            yield Chunk(_displayed(generate(latents, labels, texts)), known)

    labelled = classes is not None
    return Samples(image_shape, chunks, about, {"seed": seed}, labelled=labelled)


def _displayed(images: np.ndarray) -> np.ndarray:
    """Images as a viewer shows them, uint8; points stay float32."""
    return images.astype(np.float32) if is_points(images.shape) else to_uint8(images)


def _about_model(model: GenerativeModel, inputs: str) -> dict[str, Any]:
    return {
        "weights": "as trained" if model.ema_generator is None else "averaged",
        "made_of": inputs,
        "computed_in": model.dtype_policy.compute_dtype,
    }


def _inputs(generator: Any) -> str:
    """The inputs of a model or an exported file, in words."""
    if getattr(generator, "captions", ()):
        return "latents, captions in turn"
    conditional = getattr(generator, "conditional", None) or getattr(generator, "num_labels", 0)
    return "latents, labels in turn" if conditional else "latents"


def _targets(parts: tuple[np.ndarray, ...], dataset: ImageDataset) -> np.ndarray:
    return parts[1] if dataset.kind == "pairs" else parts[0]


def _sizes(shape: tuple[int, int, int]) -> tuple[int, int]:
    """Images in a chunk, and in a batch of a generator."""
    values = int(np.prod(shape))
    return (
        int(np.clip(_CHUNK_VALUES // values, 16, _CHUNK)),
        int(np.clip(_BATCH_VALUES // values, 4, _BATCH)),
    )


def _batches(dataset: ImageDataset, count: int, size: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The parts of the first `count` samples in the order of seed 0, each at most once."""
    size = min(size, dataset.num_images)
    left = count
    for batch in dataset.batches(size, seed=0):
        parts = batch if isinstance(batch, tuple) else (batch,)
        yield tuple(part.numpy()[:left] for part in parts)
        left -= size
        if left <= 0:
            return
