"""Batches of users' own data: checked before the first step, cut to what a step can use.

A step takes a multiple of `batch_multiple` samples on each replica; the rest of a batch is left
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from numbers import Integral
from types import GeneratorType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError, warn
from tfgan2.images import is_points

NUMBERS = ("labels", "words")
"""Parts of a batch that are whole numbers; all others are images."""
_FEW = 16
"""Batches that are read before training to count their samples."""
MOST = 1.1
"""Largest value of an image; a little more than 1, because resizing overshoots."""
_FIRST = " of the first batch"


def parts_of(batch: Any) -> tuple[Any, ...]:
    """The parts of a batch; Keras has None in place of targets and weights that were not given."""
    parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
    return tuple(part for part in parts if part is not None)


def step_specs(model: keras.Model, size: int) -> tuple[tf.TensorSpec, ...]:
    """The parts that a step takes, `size` images per update, on one device."""
    count = size * model.batches_per_step
    return tuple(
        tf.TensorSpec((count, *shape), tf.int32 if name in NUMBERS else tf.float32)
        for name, shape in model.batch_parts().items()
    )


# --- checks --------------------------------------------------------------------------------------


def check_parts(model: keras.Model, parts: Sequence[Any]) -> None:
    """Raises a UserError unless number, shapes and types of a batch's parts suit the model."""
    name, wanted = type(model).__name__, model.batch_parts()
    both = " with ".join(wanted)
    if any(isinstance(part, dict) for part in parts):
        raise UserError(f"a batch is {both}, as a tuple, not a dictionary")
    if len(parts) < len(wanted):
        raise UserError(f"{name} needs {both}: give both, as fit(x, y) or as tuples of a dataset")
    if len(parts) > max(2, len(wanted)):
        raise UserError(
            f"a batch has {len(parts)} parts, but {name} takes {both}: leave sample weights out"
        )
    for (what, shape), part in zip(wanted.items(), parts, strict=False):
        found = tf.TensorShape(part.shape)
        if found.rank is None:  # a generator's
            continue
        whole = tuple(found)
        if whole == shape and shape:
            raise UserError(
                f"{what} have shape {whole}, without an axis for the samples: batch the dataset, "
                "for example by batch(64)"
            )
        _check_shape(what, whole[1:], shape, model)
        dtype = tf.as_dtype(part.dtype)
        if what not in NUMBERS and not dtype.is_floating:
            raise UserError(
                f"{what} are {dtype.name}, but {name} trains on float32 in [-1, 1]: give "
                "x / 127.5 - 1 for values from 0 to 255"
            )
        if what in NUMBERS and not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
            raise UserError(f"{what} are {dtype.name}, but {name} takes whole numbers from 0")


def _check_shape(what: str, found: tuple, shape: tuple, model: keras.Model) -> None:
    if what == "labels" and found in ((1,), (model.num_labels,)):
        return
    pairs = zip(found, shape, strict=False)
    if len(found) == len(shape) and all(None in pair or pair[0] == pair[1] for pair in pairs):
        return
    advice = f"make the model with image_shape={found}"
    if found == shape[:2]:
        advice = "add an axis for the channels, x[..., None]"
    elif len(found) == 3 and found == (shape[-1], *shape[:-1]):
        advice = "move the channels last, np.moveaxis(x, 1, -1)"
    elif what in NUMBERS or len(found) != 3:
        advice = f"give one array of shape {('N', *shape)}".replace("'", "")
    raise UserError(f"{what} have shape {found}, but the model takes {shape}: {advice}")


def check_values(model: keras.Model, parts: Sequence[Any], of: str = "") -> None:
    """Raises a UserError if values are out of range, and warns if they look so.

    `of` says of which part of the data they are, if not of all.
    """
    for what, part in zip(model.batch_parts(), parts, strict=False):
        values = np.asarray(part)
        if not values.size or what == "words":
            continue
        low, high = float(values.min()), float(values.max())
        if what == "labels":
            most = model.num_labels - 1
            one_hot = values.ndim == 2 and values.shape[1] > 1
            if one_hot and not (np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()):
                raise UserError("labels are not one-hot: give 0 and a single 1 in each row")
            if not one_hot and (low < 0 or high > most or (values != np.floor(values)).any()):
                raise UserError(
                    f"labels run from {low:g} to {high:g}, but num_classes={most + 1} takes whole "
                    f"numbers from 0 to {most}"
                )
        elif not np.isfinite((low, high)).all():  # NaN, too
            raise UserError(f"{what} hold values that are not finite: remove them")
        elif what == "latents":
            continue  # their range is no mistake of scaling
        elif not is_points(model.image_shape) and max(-low, high) > MOST:
            advice = "x / 127.5 - 1" if low >= 0 and high > 2 else "values of that range"
            raise UserError(
                f"{what} run from {low:.4g} to {high:.4g}, but the model trains on [-1, 1]: give "
                f"{advice}"
            )
        elif not is_points(model.image_shape) and low >= 0 and high > low:
            advice = "if all do, give 2 * x - 1" if of else "give 2 * x - 1"
            warn(f"{what}{of} run from {low:.2f} to {high:.2f}, not from -1 to 1: {advice}")


# --- the data of `fit` ---------------------------------------------------------------------------


def dataset_of(
    model: keras.Model, x: Any, y: Any, batch_size: int | None, shuffle: bool
) -> tf.data.Dataset | None:
    """The batches of a dataset or of arrays; None for other data, which are left to Keras.

    All values of arrays are checked, since another batch comes first each time.

    Raises:
        UserError: no data, `y` or `batch_size` with a dataset, a batch size that is not possible,
            or arrays of different lengths, or that do not suit the model.
    """
    if x is None:
        raise UserError("no data: give fit a dataset of batches, or arrays")
    if batch_size is not None and (not isinstance(batch_size, Integral) or batch_size < 1):
        raise UserError(f"batch_size must be a whole number of at least 1, not {batch_size!r}")
    if isinstance(x, tf.data.Dataset):
        for name, value in (("y", y), ("batch_size", batch_size)):
            if value is not None:
                raise UserError(f"{name} has no effect, since x is a dataset: leave it out")
        return x
    if isinstance(x, str) or type(x).__module__.startswith("tfgan2.data."):
        raise UserError(
            f"x is {x!r}, without batches: give load_dataset(name).batches(64) and steps_per_epoch"
        )
    if not isinstance(x, list | tuple) and not hasattr(x, "__array__"):
        return None
    most = max(2, len(model.batch_parts()))
    arrays = [part for each in (x, y) for part in _arrays(each, most)]
    lengths = [int(part.shape[0]) if len(part.shape) else 0 for part in arrays]
    if len(set(lengths)) > 1 or not lengths[0]:
        found = " and ".join(map(str, lengths))
        raise UserError(f"arrays of {found} samples: give as many of each, and at least one")
    check_parts(model, arrays)
    check_values(model, arrays)
    tensors = [tf.convert_to_tensor(part) for part in arrays[: len(model.batch_parts())]]
    indices = tf.data.Dataset.range(lengths[0])
    if shuffle:
        indices = indices.shuffle(lengths[0])
    size = min(lengths[0], (batch_size or model.batch_size) * model.batches_per_step)
    rows = indices.batch(size - size % _unit(model) or size, drop_remainder=True)
    return rows.map(lambda rows: tuple(tf.gather(part, rows) for part in tensors))


def _arrays(given: Any, most: int) -> list[np.ndarray]:
    """Returns the arrays that `x` or `y` holds: up to `most` in a list or tuple, else one.

    Raises:
        UserError: a list of samples that differ in shape.
    """
    if given is None:
        return []
    is_list = isinstance(given, list | tuple) and 0 < len(given) <= most
    several = is_list and all(len(getattr(part, "shape", ())) for part in given)
    try:
        return [np.asarray(part) for part in (given if several else [given])]
    except ValueError as error:
        raise UserError("the samples in a list differ in shape: give all one shape") from error


def checked(model: keras.Model, x: Any) -> Any:
    """Returns a generator or a `PyDataset`, whose first batch has been checked, or other data.

    Raises:
        UserError: the first batch does not suit the model.
    """
    if isinstance(x, keras.utils.PyDataset):
        first = x[0]
    elif isinstance(x, GeneratorType):
        first = next(x, None)
        if first is None:
            raise UserError("the generator has no batches")
        x = _tuples(chain([first], x))
    else:
        return x
    parts = [part if isinstance(part, dict) else np.asarray(part) for part in parts_of(first)]
    check_parts(model, parts)
    check_values(model, parts, _FIRST)
    return x


def _tuples(batches: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Yields batches as Keras takes them from a generator."""
    yield from map(parts_of, batches)


def _unit(model: keras.Model) -> int:
    return model.batch_multiple * model.distribute_strategy.num_replicas_in_sync


def whole_batches(
    model: keras.Model, dataset: tf.data.Dataset, *, in_range: bool = False
) -> tuple[tf.data.Dataset, int, int]:
    """The dataset in batches of one size that all replicas can share, that size, and their number.

    The size is that of the first batch, or a little less. What an epoch has left is left out. The
    number is 0 if the dataset does not know its length, and may be one too small if it has many.
    Values that are known to be `in_range` are not checked.

    Raises:
        UserError: the batches do not suit the model, or are too small.
    """
    check_parts(model, parts_of(dataset.element_spec))
    first = next(iter(dataset), None)
    if first is None:
        raise UserError("the dataset has no batches")
    parts = parts_of(first)
    check_parts(model, parts)
    if not in_range:
        check_values(model, parts, _FIRST)
    unit, count = _unit(model), int(parts[0].shape[0])
    size = count - count % unit
    if size < max(unit, model.fewest_samples):
        raise too_small(model, count, max(unit, model.fewest_samples))
    specs = parts_of(dataset.element_spec)
    length = _fewest_samples(dataset, specs[0].shape, count) // size
    if any(float32(part) is not part for part in parts) or any(s.shape.rank is None for s in specs):
        shapes = [(None, *part.shape[1:]) for part in parts]
        dataset = dataset.map(
            lambda *parts: tuple(map(tf.ensure_shape, map(float32, parts_of(parts)), shapes))
        )
    if parts_of(dataset.element_spec)[0].shape[0] != size:
        dataset = dataset.rebatch(size, drop_remainder=True)
    return dataset, size, length


def _fewest_samples(dataset: tf.data.Dataset, shape: tf.TensorShape, count: int) -> int:
    """A dataset's number of samples, `count` per batch; 0 if unknown.

    Of the last batch of many, which may be smaller, it counts one.
    """
    batches = max(0, int(dataset.cardinality()))  # negative: unknown or endless
    if not batches or (shape.rank is not None and shape[0] is not None):
        return batches * count
    last = 1
    if batches <= _FEW:
        last = int(parts_of(next(iter(dataset.skip(batches - 1))))[0].shape[0])
    return (batches - 1) * count + last


def too_small(model: keras.Model, count: int, least: int) -> UserError:
    """Makes the error for a batch with fewer than the least number of samples."""
    return UserError(
        f"a batch of {count} is too small for a step of {type(model).__name__}: give batches of "
        f"{least} or more"
    )


def float32(part: Any) -> Any:
    """The part in float32, if it is of floats of another size."""
    return tf.cast(part, tf.float32) if tf.as_dtype(part.dtype).is_floating else part
