"""A `tf.data` pipeline of the user's own, as `tfgan2.fit` takes it in place of a name.

It is read as it is: its order and its random changes stay. Only with `cache="memory"` are its
samples kept, and drawn in an order of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.data.catalogue import PIPELINES
from tfgan2.data.dataset import ImageDataset, Order, Source, cpu_count, whole
from tfgan2.data.folders.unpaired import unpaired
from tfgan2.data.request import Request, build
from tfgan2.data.sources import as_tensor, table_source
from tfgan2.errors import UserError, one_line, warn

_BATCH = 256
_COMPARED = 64
"""Samples that are read twice, to see whether they come again."""
_MOST = 1.1
"""Largest value of an image; a little more than 1, because resizing overshoots."""
_MOST_CLASSES = 10_000
"""Classes of labels without names, unless there are more samples."""
_NAMED = 8
"""Classes that a message names."""
_LABELS = ("labels", "class", "classes", "target", "targets", "y")
"""Names that dictionaries have for what is to be called `label`."""
_FORMS = "an image, (image, label) or two images, such as (input, target)"


def name_of(pipeline: Any, needed: str) -> str:
    """Returns the name of a pipeline for a flavour that needs this kind of data.

    Two images are a pair, or for "unpaired" one of each side. Raises a UserError unless it is a
    pipeline of images or of two.
    """
    if not isinstance(pipeline, tf.data.Dataset):
        raise UserError(
            f"dataset is of type {type(pipeline).__name__}: give the name of a dataset, or a "
            "tf.data.Dataset, of arrays tf.data.Dataset.from_tensor_slices(images)"
        )
    kind = _kind(_parts(pipeline.element_spec))
    return PIPELINES["unpaired" if (kind, needed) == ("pairs", "unpaired") else kind]


def load(request: Request) -> ImageDataset:
    """Loads the request's pipeline: reads it once, to count and check its samples."""
    pipeline = request.pipeline
    if pipeline is None:
        raise UserError(
            f"{request.name!r} stands for a pipeline, a tf.data.Dataset: give it in Python, as "
            "dataset of tfgan2.fit or of a run's resume"
        )
    for option in ("image_size", "channels"):
        if getattr(request, option) is not None:
            flag = option.replace("_", "-")
            raise UserError(f"a pipeline has a size of its own: leave --{flag} out")
    if request.name == PIPELINES["unpaired"]:
        return unpaired(request, *(_side(request, pipeline, number) for number in range(2)))
    return _loaded(request, pipeline)


def _side(request: Request, pipeline: tf.data.Dataset, number: int) -> ImageDataset:
    """Loads the first or the second image of each element."""
    own = replace(request, name=PIPELINES["images"], direction="AtoB", notes=[])
    side = _loaded(own, pipeline.map(lambda *parts: parts[number]))
    request.notes.extend(note for note in own.notes if note not in request.notes)
    return side


def _loaded(request: Request, pipeline: tf.data.Dataset) -> ImageDataset:
    samples = _samples(pipeline)
    names = tuple(getattr(pipeline, "class_names", None) or ())
    keep = request.cache == "memory"
    with one_line("the pipeline cannot be read", tf.errors.OpError):
        found = _read(samples, request, keep=keep)
        again = _digests(next(iter(samples.batch(_COMPARED))))
    if request.direction == "BtoA":
        found = found.turned()
        samples = samples.map(lambda one, other: (other, one))
    known = _class_names(names, found.labels)
    request.notes.extend(_missing(known, found.labels))
    if keep:
        return _kept(request, found, known)
    return _streamed(request, samples, found, known, repeats=again == found.digests[: len(again)])


@dataclass(frozen=True)
class _Found:
    """What reading a pipeline once has shown.

    Attributes:
        shapes: of the images of a sample, one, or two of a pair.
        labels: int32, shape (N,), or None.
        digests: one for each sample.
        images: the images, or those of the inputs and of the targets; empty unless kept.
    """

    shapes: list[tuple[int, ...]]
    labels: np.ndarray | None
    digests: list[bytes]
    images: list[np.ndarray]

    def turned(self) -> _Found:
        """Returns pairs with their inputs as targets."""
        return replace(self, shapes=self.shapes[::-1], images=self.images[::-1])

    @cached_property
    def content(self) -> dict[str, Any]:
        """Distinguishes the samples from others, whatever their order."""
        digest = hashlib.sha256(b"".join(sorted(self.digests))).hexdigest()[:16]
        return {"samples": len(self.digests), "digest": digest}

    def dataset(self, source: Source, request: Request) -> ImageDataset:
        *inputs, shape = self.shapes
        dataset = ImageDataset(source, request.name, shape, self.content)  # type: ignore[arg-type]
        if not inputs:
            return dataset
        return replace(dataset, kind="pairs", details={"input_shape": list(inputs[0])})


def _streamed(
    request: Request,
    samples: tf.data.Dataset,
    found: _Found,
    known: tuple[str, ...],
    *,
    repeats: bool,
) -> ImageDataset:
    """Reads the pipeline while training; the first samples are those held out."""
    for option in ("classes", "balance"):
        if getattr(request, option):
            raise UserError(
                f"a pipeline that is not in memory has an order of its own: leave --{option} out",
                ", or give --cache memory",
            )
    count, held_out = len(found.digests), request.hold_out or 0
    request.check_held_out(count)
    if not repeats:
        if held_out:
            raise UserError(
                "the pipeline yields other samples each time it is read, so that none can be held "
                "out: give `shuffle` reshuffle_each_iteration=False",
                ", or --hold-out 0, or --cache memory",
            )
        request.notes.append(
            "the pipeline yields other samples each time it is read: a run that resumes goes on "
            "with samples of its own; give --cache memory to keep them"
        )

    def part(samples: tf.data.Dataset, labels: np.ndarray | None, count: int) -> ImageDataset:
        counts = () if labels is None else np.bincount(labels, minlength=len(known)).tolist()
        dataset = found.dataset(Source(count, False, _drawn(samples, count)), request)
        return replace(dataset, class_names=known, class_counts=tuple(counts))

    labels = [None, None] if found.labels is None else np.split(found.labels, [held_out])
    rest = part(samples.take(held_out), labels[0], held_out) if held_out else None
    training = part(samples.skip(held_out), labels[1], count - held_out)
    return replace(training, held_out=rest)


def _drawn(samples: tf.data.Dataset, count: int) -> Any:
    def drawn(order: Order) -> tf.data.Dataset:
        # A pipeline that repeats itself is at the same place at the start of every epoch.
        begun = samples.skip(order.start % count).concatenate(samples.repeat())
        batches, rows = begun.batch(order.batch_size, drop_remainder=True), order.rows
        if order.part.of == 1:
            return batches.map(lambda *batch: whole(batch))
        return batches.map(lambda *batch: whole(tuple(part[rows] for part in batch)))

    return drawn


def _kept(request: Request, found: _Found, known: tuple[str, ...]) -> ImageDataset:
    """Holds the samples in memory, sorted by their digests, so that no shuffling changes them."""
    order = np.array(sorted(range(len(found.digests)), key=found.digests.__getitem__))
    images = [each[order] for each in found.images]

    def look_up(tables: Sequence[tf.Tensor], numbers: tf.Tensor) -> Any:
        return whole(tuple(tf.gather(table, numbers) for table in tables))

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        tables = [as_tensor(each[numbers]) for each in images]
        source = table_source(len(numbers), tables, look_up, labels)
        return found.dataset(source, request)

    def copies() -> np.ndarray:
        return np.unique(np.array(found.digests)[order], return_inverse=True)[1]

    labels = None if found.labels is None else found.labels[order]
    return build(request, len(order), part, known=known, labels=labels, copies=copies)


# --- reading -------------------------------------------------------------------------------------


def _parts(spec: Any) -> tuple[Any, ...]:
    """Returns the image, and the label or the target, of an element or of its description."""
    if isinstance(spec, dict):
        if "image" not in spec:
            raise UserError(f"the pipeline yields {', '.join(spec)}: call the images 'image'")
        others = [name for name in spec if name in _LABELS]
        if others and "label" not in spec:
            raise UserError(
                f"the pipeline yields {', '.join(spec)}: call {others[0]!r} 'label', or leave it "
                "out to train without classes"
            )
        return tuple(spec[name] for name in ("image", "label") if name in spec)
    return tuple(spec) if isinstance(spec, tuple | list) else (spec,)


def _kind(specs: Sequence[Any]) -> str:
    """Returns the kind of samples that have these parts; raises a UserError for others."""
    if not 1 <= len(specs) <= 2 or not all(isinstance(spec, tf.TensorSpec) for spec in specs):
        raise UserError(f"the pipeline yields {len(specs)} parts: let it yield {_FORMS}")
    ranks = [spec.shape.rank for spec in specs]
    image = specs[0]
    if ranks[0] not in (3, 4) or not image.shape[-3:].is_fully_defined():
        raise UserError(
            f"the images of the pipeline have shape {image.shape}: give them one shape (height, "
            "width, channels), for example by tf.ensure_shape"
        )
    first, *rest = image.shape[-3:]
    if first in (1, 3) and min(rest) > 4:
        raise UserError(
            f"the images of the pipeline have shape {tuple(image.shape[-3:])}: move the channels "
            "last, for example by tf.transpose(image, (1, 2, 0))"
        )
    is_batched = ranks[0] == 4
    if len(specs) == 1:
        return "images"
    if ranks[1] == ranks[0] and specs[1].shape[-3:].is_fully_defined():
        return "pairs"
    is_column = ranks[1] == is_batched + 1 and specs[1].shape[-1] == 1  # as Keras' CIFAR-10 has
    if not specs[1].dtype.is_integer or not (ranks[1] == is_batched or is_column):
        raise UserError(
            f"the second part of the pipeline is {specs[1].dtype.name} of shape {specs[1].shape}: "
            f"let it yield {_FORMS}, where a label is a whole number"
        )
    return "images"


def _samples(pipeline: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the pipeline with one sample per element: a tuple of uint8 or float32 images."""
    if pipeline.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UserError("the pipeline never ends, so it has no epochs: leave repeat() out")
    specs = _parts(pipeline.element_spec)
    is_image = [True, _kind(specs) == "pairs"]
    for spec, image in zip(specs, is_image, strict=False):
        if image and not (spec.dtype == tf.uint8 or spec.dtype.is_floating):
            raise UserError(
                f"the images of the pipeline are {spec.dtype.name}: give uint8, or float32 in "
                "[-1, 1]"
            )

    def parts(*element: Any) -> tuple[tf.Tensor, ...]:
        values = _parts(element[0] if len(element) == 1 else element)
        return tuple(
            _image(value) if image else _labels(value, tf.shape(values[0])[:-3])
            for value, image in zip(values, is_image, strict=False)
        )

    samples = pipeline.map(parts, num_parallel_calls=cpu_count(), deterministic=True)
    return samples.unbatch() if specs[0].shape.rank == 4 else samples


def _image(value: tf.Tensor) -> tf.Tensor:
    return value if value.dtype == tf.uint8 else tf.cast(value, tf.float32)


def _labels(value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns labels as int32 of this shape, without the axis of a column."""
    return tf.reshape(tf.saturate_cast(value, tf.int32), shape)


def _read(samples: tf.data.Dataset, request: Request, *, keep: bool) -> _Found:
    """Reads all samples once; raises a UserError for images or labels that cannot be."""
    digests: list[bytes] = []
    labels: list[np.ndarray] = []
    images: list[list[np.ndarray]] = []
    low, high, total = np.inf, -np.inf, max(0, int(samples.cardinality()))
    shapes = [tuple(spec.shape) for spec in samples.element_spec if spec.shape.rank == 3]
    for batch in samples.batch(_BATCH):
        arrays = [part.numpy() for part in batch]
        for number, array in enumerate(arrays[: len(shapes)]):
            if array.dtype != np.uint8:
                extremes = _extreme(array.min()), _extreme(array.max())
                if shapes[number][:2] != (1, 1):  # points have a range of their own
                    low, high = min(low, extremes[0]), max(high, extremes[1])
            if keep:
                images.append([]) if number == len(images) else None
                images[number].append(array)
        labels += arrays[len(shapes) :]
        digests += _digests(batch)
        request.progress("reading the pipeline", len(digests), max(total, len(digests)))
    if not digests:
        raise UserError("the pipeline yields nothing: check its source, and what it filters")
    _check_range(low, high)
    found = np.concatenate(labels) if labels else None
    if found is not None and found.min() < 0:
        raise UserError(f"labels start at {found.min()}: give whole numbers from 0")
    return _Found(shapes, found, digests, [np.concatenate(each) for each in images])


def _extreme(value: Any) -> float:
    if not np.isfinite(value):
        raise UserError("the images of the pipeline hold values that are not finite: remove them")
    return float(value)


def _check_range(low: float, high: float) -> None:
    if max(-low, high) > _MOST:
        advice = "x / 127.5 - 1" if low >= 0 and high > 2 else "values of that range"
        raise UserError(
            f"the images of the pipeline run from {low:.4g} to {high:.4g}, but models train on "
            f"[-1, 1]: give {advice}"
        )
    if 0 <= low < high:
        warn(
            f"the images of the pipeline run from {low:.2f} to {high:.2f}, not from -1 to 1: give "
            "2 * x - 1"
        )


def _digests(batch: Sequence[tf.Tensor]) -> list[bytes]:
    """Returns a digest of each sample of a batch."""
    rows = zip(*(part.numpy() for part in batch), strict=True)
    return [
        hashlib.blake2b(
            b"".join(np.asarray(part).tobytes() for part in row), digest_size=8
        ).digest()
        for row in rows
    ]


def _class_names(given: tuple[str, ...], labels: np.ndarray | None) -> tuple[str, ...]:
    if labels is None:
        return ()
    count = int(labels.max()) + 1
    if given and len(given) < count:
        raise UserError(f"labels run to {count - 1}, but the pipeline names {len(given)} classes")
    if not given and count > max(len(labels), _MOST_CLASSES):
        raise UserError(
            f"labels run to {count - 1:,}, but there are {len(labels):,} samples: number the "
            "classes from 0 without gaps"
        )
    return tuple(map(str, given or range(count)))


def _missing(names: tuple[str, ...], labels: np.ndarray | None) -> Iterator[str]:
    """Yields a line if some classes have no samples, as with labels that begin at 1."""
    counts = np.zeros(0) if labels is None else np.bincount(labels, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if missing:
        some = ", ".join(missing[:_NAMED]) + (", …" if missing[_NAMED:] else "")
        yield (
            f"{len(missing):,} of {len(names):,} classes have no samples ({some}): number the "
            "classes from 0 without gaps, since flavours with classes draw samples of each"
        )
