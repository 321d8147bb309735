"""The images that are evaluated, and the real ones that they are compared with."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images import is_points, to_uint8
from tfgan2.inputs.labels import in_proportion
from tfgan2.inputs.latents import draw_latents
from tfgan2.inputs.words import in_turn
from tfgan2.runtime import Generator

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress

_CHUNK, _CHUNK_VALUES = 1000, 2**24
_BATCH, _BATCH_VALUES = 64, 2**20


class Chunk(NamedTuple):
    """Images, uint8, shape (N, H, W, C), or float32 points; their labels, int32; their targets.

    The labels are in the order of `Samples.label_names`. The targets, like `images`, are what a
    translation should have given.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None


@dataclass
class Samples:
    """Images that come in the same order each time.

    `chunks` yields the first N, some at a time, in constant memory; with labels and `label_names`,
    the classes that they mean, and with targets if `paired`. `count` is None if there is no limit.
    `labels` returns those of the first N if they are known beforehand. In JSON, `about` says what
    they are and what generated them, and `protocol` what distinguishes their figures from others.
    """

    image_shape: tuple[int, int, int]
    chunks: Callable[[int], Iterator[Chunk]]
    about: dict[str, Any]
    protocol: dict[str, Any]
    count: int | None = None
    paired: bool = False
    label_names: Sequence[str] = ()
    labels: Callable[[int], np.ndarray] | None = None


class RealSamples(Samples):
    """All images of a dataset, or of the part that it holds out.

    `whole` is the dataset itself. A classifier may be trained on `training_data`: never on images
    that are held out, or of another split than that of the training. The protocol knows the images
    by `content`; the other names in it are for people. `progress` shows how far the hash is.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        held_out: bool = False,
        split: str | None = None,
        training: Callable[[], ImageDataset] | None = None,
    ) -> None:
        """Takes the dataset, its split of tensorflow-datasets, and what loads the training data."""
        self.whole, self._training, part = dataset, training, "all"
        self.progress: Progress = lambda text, done, total: None
        if dataset.held_out is not None:
            part = "held out" if held_out else "training"
            dataset = dataset.held_out if held_out else dataset
        # Unpaired images: the second side is generated; the sides differ in length.
        self.dataset = dataset.sides[1] if dataset.sides else dataset
        protocol = {
            "dataset": Path(dataset.name).name if ":" in dataset.name else dataset.name,
            "split": split or "",
            "part": part,
            "size": "x".join(map(str, dataset.image_shape)),
        }
        count, names = self.dataset.num_images, dataset.class_names
        super().__init__(dataset.image_shape, self._chunks, {}, protocol, count, label_names=names)

    @functools.cached_property
    def training_data(self) -> ImageDataset:
        """The data that a classifier may be trained on."""
        return self._training() if self._training else self.whole

    @property
    def content(self) -> str:
        """Hash of all pixels."""
        return self._hashes[0]

    @property
    def classes(self) -> str:
        """Hash of all labels and of the names of the classes."""
        return self._hashes[1]

    @functools.cached_property
    def _hashes(self) -> tuple[str, str]:
        names = json.dumps(list(self.label_names)).encode()
        pixels, labels = hashlib.sha256(), hashlib.sha256(names)
        done, total = 0, self.dataset.num_images
        for chunk in self.chunks(total):
            pixels.update(np.ascontiguousarray(chunk.images).data)
            done += len(chunk.images)
            self.progress("reading real images", done, total)
            if chunk.labels is not None:
                labels.update(np.ascontiguousarray(chunk.labels, np.int32).data)
        return pixels.hexdigest(), labels.hexdigest()

    def _chunks(self, count: int) -> Iterator[Chunk]:
        labelled = self.dataset.kind == "images"
        for parts, images in _batches(self.dataset, count):
            yield Chunk(images, parts[1] if labelled and len(parts) > 1 else None)


def generated_samples(
    generator: Any,
    about: dict[str, Any],
    seed: int,
    reals: RealSamples,
    label_names: Sequence[str] = (),
    captions: Callable[[int], Any] | None = None,
) -> Samples:
    """Returns images that are generated from random latents.

    Labels come in turn, unless a class of the reals is more than twice as frequent as another: then
    they are as frequent as there.

    Args:
        generator: a model that draws latents, or an exported one.
        about: what generates the images, as JSON.
        seed: seed of the latents.
        reals: the images that these are compared with.
        label_names: the classes that the labels mean, if they mean any.
        captions: returns encoded captions; default: those of the generator in turn.
    """
    shape = tuple(generator.image_shape)
    exported = isinstance(generator, Generator)
    conditional = generator.conditional if exported else generator.num_labels
    texts = getattr(generator, "captions", ())
    protocol: dict[str, Any] = {"seed": seed}
    made_of, chosen = "latents", captions  # of the condition for so many latents
    if captions is not None:
        protocol["captions"] = "of the real images"
        made_of += ", captions of the real images"
    elif texts:
        chosen = None if exported else partial(in_turn, texts)
        made_of += ", captions in turn"
    elif frequencies := _uneven_frequencies(reals, label_names):
        chosen = partial(in_proportion, frequencies)
        protocol["labels"] = frequencies
        made_of += ", labels as frequent as in the real images"
    elif conditional:
        made_of += ", labels in turn"

    def conditions(count: int) -> tuple[Any, ...]:
        if chosen is not None:
            return (chosen(count),)
        return generator.conditions(count) if exported else (generator.draw_labels(count),)

    def chunks(count: int) -> Iterator[Chunk]:
        latents = draw_latents(
            count, generator.latent_dim, seed=seed, distribution=generator.latent_distribution
        )
        inputs, size = (latents, *conditions(count)), _limit(shape, _CHUNK_VALUES, 16, _CHUNK)
        options = {} if exported else {"batch_size": _limit(shape, _BATCH_VALUES, 4, _BATCH)}
        generate = generator if exported else generator.generate
        for start in range(0, count, size):
            part = [None if i is None else i[start : start + size] for i in inputs]
            images = _displayed(generate(*part, **options))
            yield Chunk(images, part[1] if label_names else None)

    about = {**about, "made_of": made_of} if exported else _about_model(generator, about, made_of)
    labels = (lambda count: conditions(count)[0]) if label_names else None
    return Samples(shape, chunks, about, protocol, label_names=label_names, labels=labels)


def _uneven_frequencies(reals: RealSamples, label_names: Sequence[str]) -> list[int]:
    """The number of real images of each label, if one has more than twice as many as another."""
    counts = dict(zip(reals.label_names, reals.dataset.class_counts, strict=False))
    own = [counts[name] for name in label_names if name in counts]
    is_known = own and len(own) == len(label_names)
    return own if is_known and max(own) > 2 * min(own) else []


def translated_samples(model: Any, dataset: ImageDataset, about: dict[str, Any]) -> Samples:
    """Returns the translations of a dataset's images, with the targets of paired data."""
    inputs = dataset.sides[0] if dataset.sides else dataset
    paired, networks, config = not dataset.sides, model.exports(), model.get_config()
    name, network = next(iter(networks.items()))
    about = _about_model(model, about, "the inputs of the reference")
    if len(networks) > 1:
        about["network"] = name
    # What distinguishes tasks on equal inputs, for example enlarging by 2 or by 4.
    task = {"scale": network.facts.get("scale", 1)}
    task |= {key: config[key] for key in ("mask", "mask_size") if key in config}
    batch_size = _limit(dataset.image_shape, _BATCH_VALUES, 4, 8)

    def chunks(count: int) -> Iterator[Chunk]:
        for parts, targets in _batches(inputs, count):
            arrays = network.inputs_of(parts)
            images = model.run_generator(network.network, arrays, batch_size=batch_size)
            yield Chunk(_displayed(images), targets=targets if paired else None)

    shape, count = dataset.image_shape, inputs.num_images
    return Samples(shape, chunks, about, {"task": task}, count, paired)


def run_samples(
    model: Any,
    dataset: ImageDataset,
    about: dict[str, Any],
    seed: int,
    split: str | None,
    training: Callable[[], ImageDataset] | None = None,
) -> tuple[Samples, RealSamples]:
    """Returns what the model of a run generates, and the images of the run to compare with.

    `training` loads the data of its training, if these are others.
    """
    translates = not hasattr(model, "draw_latents")
    reals = RealSamples(dataset, held_out=translates, split=split, training=training)
    if translates:
        return translated_samples(model, dataset.held_out or dataset, about), reals
    names = model.label_names(dataset.class_names) if model.labels_are_classes else ()
    captions = partial(_captions, dataset) if dataset.kind == "captions" else None
    return generated_samples(model, about, seed, reals, names, captions), reals


def _captions(dataset: ImageDataset, count: int) -> np.ndarray:
    """Encoded captions of the dataset in the order of seed 0, in several epochs if needed."""
    return np.concatenate([parts[1] for parts, _ in _batches(dataset, count)])


def _about_model(model: Any, about: dict[str, Any], made_of: str) -> dict[str, Any]:
    weights = "as trained" if model.ema_generator is None else "averaged"
    own = {"weights": weights, "made_of": made_of}
    return {**about, **own, "computed_in": model.dtype_policy.compute_dtype}


def _displayed(images: np.ndarray) -> np.ndarray:
    """Images as a viewer shows them, uint8; points stay float32.

    Raises:
        UserError: there are values that are not finite.
    """
    if not np.isfinite(images).all():
        raise UserError(
            "the images to evaluate are not finite: the training diverged, or half precision "
            "overflows"
        )
    return images.astype(np.float32) if is_points(images.shape) else to_uint8(images)


def _limit(image_shape: tuple[int, int, int], values: int, least: int, most: int) -> int:
    """The number of images that have so many values, within bounds."""
    return int(np.clip(values // int(np.prod(image_shape)), least, most))


def _batches(
    dataset: ImageDataset, count: int
) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
    """The first `count` samples in the order of seed 0, and their images."""
    size = min(_limit(dataset.image_shape, _CHUNK_VALUES, 16, _CHUNK), dataset.num_images)
    left = count
    for batch in dataset.batches(size, seed=0, balance=False):
        arrays = batch if isinstance(batch, tuple) else (batch,)
        parts = tuple(array.numpy()[:left] for array in arrays)
        yield parts, _displayed(parts[1] if dataset.kind == "pairs" else parts[0])
        left -= size
        if left <= 0:
            return
