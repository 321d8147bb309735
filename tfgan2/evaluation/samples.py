"""Where the images come from that are judged, and those that they are judged by."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images import is_points, to_uint8
from tfgan2.inputs.words import in_turn

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel
    from tfgan2.runtime import Generator

_CHUNK, _CHUNK_VALUES = 1000, 2**24
_BATCH, _BATCH_VALUES = 64, 2**20


class Chunk(NamedTuple):
    """Some samples.

    Attributes:
        images: uint8, shape (N, H, W, C), as a viewer would see them; of points float32.
        labels: int32, shape (N,): what was asked for, or what real images show; or None.
        targets: where images were made of images: what was to come out, like `images`; or None.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None


class Samples(Protocol):
    """Images, always the same ones in the same order.

    Attributes:
        image_shape: (height, width, channels).
        most: how many there are, None where there is no end.
        paired: whether it is known what each was to be.
        labelled: whether the labels of chunks are the classes of the reals.
        facts: what a protocol has to tell of them; JSON.
        who: what they are and were made by: run, flavour, step, weights and so on; JSON.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]: ...

    @property
    def most(self) -> int | None: ...

    @property
    def paired(self) -> bool: ...

    @property
    def labelled(self) -> bool: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    @property
    def who(self) -> dict[str, Any]: ...

    def chunks(self, count: int) -> Iterator[Chunk]:
        """The first `count` samples, some at a time, so that memory does not grow with them."""


def shown(images: np.ndarray) -> np.ndarray:
    """Images in [-1, 1] as a viewer sees them, uint8; points stay as they are."""
    return images.astype(np.float32) if is_points(images.shape) else to_uint8(images)


class LatentSamples:
    """What a model makes of random latents, all labels or captions in turn."""

    most = None
    paired = False

    def __init__(
        self,
        model: GenerativeModel,
        who: dict[str, Any],
        seed: int,
        places: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            model: draws latents.
            who: flavour, step and run.
            seed: of the latents.
            places: the class of the reals that each label means, see `label_places`.
        """
        self.image_shape = model.image_shape
        averaged = model.ema_generator is not None
        weights = "averaged" if averaged else "as trained"
        self.who = {
            **who,
            "weights": weights,
            "made_of": _made_of(model),
            "computed_in": model.dtype_policy.compute_dtype,
        }
        self.facts = {"seed": seed}
        self.labelled = places is not None and model.labels_are_classes
        self._places = places
        self._model, self._seed = model, seed

    def chunks(self, count: int) -> Iterator[Chunk]:
        model: Any = self._model
        latents = model.draw_latents(count, seed=self._seed)
        labels = model.draw_labels(count)
        captions = getattr(model, "captions", ())
        texts = in_turn(captions, count) if captions else []
        size, batch = _sizes(self.image_shape)
        for part in _parts(count, size):
            chosen = None if labels is None else labels[part]
            given: Any = chosen
            if captions:
                given = texts[part]
            made = model.generate(latents[part], given, batch_size=batch)
            yield Chunk(shown(made), _classes(chosen, self._places if self.labelled else None))


class FileSamples:
    """What an exported generator makes of random latents."""

    most = None
    paired = False

    def __init__(
        self, generator: Generator, file: Path, seed: int, places: np.ndarray | None = None
    ) -> None:
        """
        Args:
            generator: loaded from the file.
            file: to be named.
            seed: of the latents.
            places: the class of the reals that each label means, see `label_places`.
        """
        metadata = generator.metadata
        height, width, channels = generator.image_shape
        self.image_shape = (height, width, channels)
        self.who = {"file": str(file)}
        about = metadata.get("about", {})
        self.who |= {name: about[name] for name in ("flavour", "step") if name in about}
        self.who["made_of"] = _made_of(generator)
        self.facts = {"seed": seed}
        self._generator, self._seed = generator, seed
        self.labelled = places is not None and generator.conditional
        self._places = places

    def chunks(self, count: int) -> Iterator[Chunk]:
        generator = self._generator
        from tfgan2.inputs.latents import draw_latents

        latents = draw_latents(
            count,
            generator.latent_dim,
            seed=self._seed,
            distribution=generator.latent_distribution,
        )
        labels, texts = generator.labels(count), generator.texts(count)
        size, _ = _sizes(self.image_shape)
        for part in _parts(count, size):
            chosen = None if labels is None else labels[part]
            yield Chunk(
                shown(generator(latents[part], chosen, None if texts is None else texts[part])),
                _classes(chosen, self._places if self.labelled else None),
            )


class TranslatedSamples:
    """What a model makes of the images of a dataset, beside what was to come out."""

    labelled = False

    def __init__(self, model: GenerativeModel, dataset: ImageDataset, who: dict[str, Any]) -> None:
        """
        Args:
            model: turns images into images.
            dataset: of inputs; in whole, in its own order.
            who: flavour, step and run.
        """
        self.image_shape = dataset.image_shape
        inputs = dataset.sides[0] if dataset.sides else dataset
        self.most: int | None = inputs.num_images
        averaged = model.ema_generator is not None
        weights = "averaged" if averaged else "as trained"
        self.who = {
            **who,
            "weights": weights,
            "made_of": "the inputs of the reference",
            "computed_in": model.dtype_policy.compute_dtype,
        }
        self.paired = not dataset.sides
        self._dataset = inputs
        name, self._network = next(iter(model.exports().items()))
        if len(model.exports()) > 1:
            self.who["network"] = name
        # What it is that a model must do of these inputs: enlarge them twice, or four times.
        task = {"scale": self._network.facts.get("scale", 1)}
        for key in ("mask", "mask_size"):
            if key in model.get_config():
                task[key] = model.get_config()[key]
        self.facts: dict[str, Any] = {"task": task}
        self._model = model

    def chunks(self, count: int) -> Iterator[Chunk]:
        inputs_of = self._network.inputs_of
        assert inputs_of is not None
        size, batch = _sizes(self.image_shape)
        for parts in _batches(self._dataset, count, size):
            made = self._model.run_generator(
                self._network.network, inputs_of(parts), batch_size=min(batch, 8)
            )
            targets = shown(_target(parts, self._dataset)) if self.paired else None
            yield Chunk(shown(made), targets=targets)


class RealSamples:
    """The images of a dataset.

    Attributes:
        dataset: those that samples are compared with.
        whole: what a classifier may be trained on: the same, or where they are held out, the rest.
    """

    paired = labelled = False

    def __init__(self, dataset: ImageDataset, part: str, split: str | None = None) -> None:
        """
        Args:
            dataset: in whole.
            part: which it is, in words: "training" or "held out".
            split: of tensorflow-datasets.
        """
        self.whole = dataset
        # Of two sides the second is to be made; each is of its own length.
        self.dataset = dataset.sides[1] if dataset.sides else dataset
        self.image_shape = dataset.image_shape
        self.most: int | None = self.dataset.num_images
        height, width, channels = dataset.image_shape
        self.facts: dict[str, Any] = {
            "dataset": Path(dataset.name).name if ":" in dataset.name else dataset.name,
            "split": split or "",
            "part": part,
            "fingerprint": dataset.fingerprint,
            "size": f"{height}x{width}x{channels}",
        }
        self.who = {"dataset": dataset.name}

    @functools.cached_property
    def content(self) -> str:
        """What tells these images from any others, their pixels hashed."""
        digest = hashlib.sha256()
        for chunk in self.chunks(self.dataset.num_images):
            digest.update(np.ascontiguousarray(chunk.images).data)
        return digest.hexdigest()

    def chunks(self, count: int) -> Iterator[Chunk]:
        size, _ = _sizes(self.image_shape)
        for parts in _batches(self.dataset, count, size):
            labels = None
            if self.dataset.kind == "images" and len(parts) > 1:
                labels = parts[1]
            yield Chunk(shown(_target(parts, self.dataset)), labels)


class FolderSamples(RealSamples):
    """Pictures in a folder that someone made, by whatever program."""

    def __init__(self, dataset: ImageDataset, folder: Path) -> None:
        super().__init__(dataset, "all")
        self.facts = {}
        self.who = {"folder": str(folder)}


def real_samples(dataset: ImageDataset, *, held_out: bool, split: str | None = None) -> RealSamples:
    """What a run is judged by.

    Args:
        dataset: of the run.
        held_out: whether to take what it holds out, where it does.
        split: of tensorflow-datasets.
    """
    if dataset.held_out is None:
        return RealSamples(dataset, "all", split)
    if held_out:
        held = RealSamples(dataset.held_out, "held out", split)
        held.whole = dataset
        return held
    return RealSamples(dataset, "training", split)


def size_of_pictures(folder: Path, whole: bool) -> tuple[int, bool]:
    """The edge of the pictures in a folder, and whether there are colours.

    Args:
        folder: with pictures.
        whole: whether they are to be taken as they are.

    Raises:
        UserError: no pictures, or `whole` and they are not square and of one size.
    """
    from tfgan2.data.files import existing_folder, image_files

    root = existing_folder(str(folder), "DIR")
    sizes, colour = set(), False
    for path in image_files(root):
        try:
            with Image.open(root / path) as picture:
                sizes.add(picture.size)
                colour |= picture.mode not in ("1", "L", "LA", "I", "F", "I;16")
        except OSError as error:
            raise UserError(f"cannot read {str(root / path)!r}: mend or remove it") from error
        if whole and (len(sizes) > 1 or len(set(*sizes)) > 1):
            raise UserError(
                f"the pictures in {folder} are not square and of one size: give --image-size"
            )
    return min(sizes)[0], colour


def label_places(names: Sequence[str], class_names: Sequence[str]) -> np.ndarray | None:
    """The class that each label of a generator means; None where one is no class.

    Args:
        names: of the generator's labels.
        class_names: of the reals.

    Returns:
        int32, shape (labels,).
    """
    if not names or not set(names) <= set(class_names):
        return None
    return np.array([list(class_names).index(name) for name in names], np.int32)


def _classes(labels: np.ndarray | None, places: np.ndarray | None) -> np.ndarray | None:
    return None if labels is None or places is None else places[labels]


def _made_of(maker: Any) -> str:
    """What a generator was given beside latents, in words."""
    if getattr(maker, "captions", ()):
        return "latents, captions in turn"
    conditional = getattr(maker, "conditional", None) or getattr(maker, "num_labels", 0)
    return "latents, labels in turn" if conditional else "latents"


def _target(parts: tuple[np.ndarray, ...], dataset: ImageDataset) -> np.ndarray:
    """The images that are to be made."""
    return parts[1] if dataset.kind == "pairs" else parts[0]


def _sizes(shape: tuple[int, int, int]) -> tuple[int, int]:
    """How many images a chunk holds, and a batch of a generator."""
    values = int(np.prod(shape))
    return (
        int(np.clip(_CHUNK_VALUES // values, 16, _CHUNK)),
        int(np.clip(_BATCH_VALUES // values, 4, _BATCH)),
    )


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _batches(dataset: ImageDataset, count: int, size: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The parts of the first `count` samples in the order of seed 0: each at most once."""
    size = min(size, dataset.num_images)
    left = count
    for batch in dataset.batches(size, seed=0):
        parts = batch if isinstance(batch, tuple) else (batch,)
        yield tuple(part.numpy()[:left] for part in parts)
        left -= size
        if left <= 0:
            return
