"""Users' own data: what `fit` and `train_step` check, and batches that do not divide."""

from __future__ import annotations

import inspect
import warnings
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SGD, batch_for, eagerly, make_small

from tfgan2 import load_dataset, registry
from tfgan2.errors import DataWarning, UserError
from tfgan2.keras_model.batches import dataset_of, whole_batches
from tfgan2.models.base import GenerativeModel

# One of each kind of step; the others have a slow test.
QUICK: dict[str, dict[str, Any]] = {
    "gan": {"d_steps": 3, **SGD},
    "cgan": {"packing": 2, **SGD},
    "cyclegan": {},
    "stackgan": {},
}


def compiled(name: str, **hyperparameters: Any) -> GenerativeModel:
    model = make_small(name, **hyperparameters)
    model.compile()
    return model


def samples(model: GenerativeModel, count: int) -> tuple[np.ndarray, ...]:
    """Samples with what belongs to them; more than one update's if the model needs them."""
    whole = batch_for(model, count)
    return tuple(part[:count] for part in whole)


def assert_finite(model: GenerativeModel) -> None:
    for name, variable in model.state().items():
        assert np.isfinite(np.asarray(variable, np.float64)).all(), name


def options_of(name: str) -> dict[str, int]:
    known = registry.hyperparameters(name)
    return {key: value for key, value in {"d_steps": 2, "packing": 3}.items() if key in known}


@pytest.mark.parametrize(
    ("count", "size", "whole", "length"),
    [
        (24, 16, False, 1),
        (32, 16, False, 2),
        (24, 5, False, 6),  # a step takes 4
        (24, 16, True, 1),
        (204, 10, False, 20),  # the last of many is not read
    ],
)
def test_the_length_of_an_epoch(count: int, size: int, whole: bool, length: int) -> None:
    model = make_small("gan", packing=2)
    data = tf.data.Dataset.from_tensor_slices(samples(model, count))
    dataset, step, found = whole_batches(model, data.batch(size, drop_remainder=whole))
    assert (step, found) == (size - size % 2, length)
    assert found in (steps := len(list(dataset)), steps - 1)


def test_a_dataset_of_unknown_length() -> None:
    model = make_small("gan")
    data = tf.data.Dataset.from_tensor_slices(samples(model, 8)).batch(4)
    assert whole_batches(model, data.filter(lambda *parts: True))[2] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_the_rest_of_an_epoch_is_left_out(name: str) -> None:
    model = compiled(name, **QUICK[name])
    unit = model.batch_multiple
    dataset = tf.data.Dataset.from_tensor_slices(samples(model, 15)).batch(7)
    history = model.fit(dataset, epochs=2, verbose=0).history
    assert int(model.step) == 2 * (15 // (7 - 7 % unit))
    assert all(np.isfinite(values).all() for values in history.values())
    assert_finite(model)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_odd_batches_of_every_flavour(name: str, policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = compiled(name, **options_of(name))
    finally:
        keras.config.set_dtype_policy("float32")
    parts = samples(model, 29)
    sizes = [13, 1, 8, 7]
    starts = np.cumsum([0, *sizes])
    batches = [[part[a:b] for part in parts] for a, b in pairwise(starts)]
    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in parts)
    dataset = tf.data.Dataset.from_generator(
        lambda: (tuple(each) for each in batches), output_signature=signature
    )
    history = model.fit(dataset, epochs=2, steps_per_epoch=1, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    for batch in batches:  # each has another static size
        metrics = model.train_step(tuple(batch))
        assert all(np.isfinite(float(value)) for value in metrics.values())
    if name != "cyclegan":
        step = tf.function(model.train_step, input_signature=[signature])
        for batch in batches:
            metrics = step(tuple(tf.constant(part) for part in batch))
            assert all(np.isfinite(float(value)) for value in metrics.values())
    if policy == "float32":
        assert_finite(model)


@pytest.mark.slow
def test_a_batch_that_is_too_small_is_skipped() -> None:
    model = compiled("gan", d_steps=3, **SGD)
    (images, _) = samples(model, 7)
    with pytest.raises(UserError, match="a batch of 2 is too small for a step of GAN"):
        model.train_step(images[:2])
    model.train_step(images)
    before = [np.asarray(variable) for variable in model.state().values()]
    step = tf.function(
        model.train_step, input_signature=[tf.TensorSpec((None, 8, 8, 1), tf.float32)]
    )
    for metrics in (model.train_step(images[:2]), step(tf.constant(images[:2]))):
        assert set(metrics) >= {"generator_loss"} and not any(map(float, metrics.values()))
    for old, variable in zip(before, model.state().values(), strict=True):
        np.testing.assert_array_equal(old, variable)
    assert float(step(tf.constant(images))["generator_loss"]) and int(model.step) == 2


@pytest.mark.slow
def test_batches_of_a_known_size_add_nothing_to_the_step() -> None:
    model = compiled("lsgan", network="mlp", d_steps=2, **SGD)
    (images, _) = samples(model, 8)
    guarded = tf.function(model.train_step).get_concrete_function(tf.constant(images))
    bare = inspect.unwrap(type(model).train_step)
    plain = tf.function(lambda batch: bare(model, batch)).get_concrete_function(tf.constant(images))
    kinds = [[op.type for op in f.graph.get_operations()] for f in (guarded, plain)]
    assert kinds[0] == kinds[1]


def test_a_dataset_smaller_than_a_step_is_refused_before_the_first() -> None:
    model = compiled("gan", d_steps=5)
    dataset = tf.data.Dataset.from_tensor_slices(samples(model, 4)).batch(64)
    with pytest.raises(UserError, match=r"a batch of 4 is too small .* batches of 5 or more"):
        model.fit(dataset, verbose=0)
    with pytest.raises(UserError, match="the dataset has no batches"):
        model.fit(dataset.take(0), verbose=0)
    assert int(model.step) == 0


def test_arrays_have_the_flavours_own_batch_size() -> None:
    model = compiled("gan", d_steps=2, **SGD)
    images, _ = samples(model, 300)
    model.fit(images, verbose=0)  # 64 per update, 128 per step
    assert int(model.step) == 2
    model.fit(images, None, 50, 1, 0)
    assert int(model.step) == 5
    with pytest.raises(UserError, match="arrays of 300 and 299 samples"):
        model.fit(images, np.zeros(299), verbose=0)


def test_forms_of_labels() -> None:
    model = make_small("cgan")
    images, labels = samples(model, 8)
    for given in (
        labels.astype(np.float64),
        labels[:, None],
        keras.utils.to_categorical(labels, 3),
    ):
        found = model.real_samples((images, given)).labels
        np.testing.assert_array_equal(found, labels)
        assert found.dtype == tf.int32


@pytest.mark.slow
def test_float64_becomes_float32() -> None:
    model, wanted = compiled("cgan", **SGD), compiled("cgan", **SGD)
    images, labels = samples(model, 8)
    wanted.fit(images, labels, shuffle=False, verbose=0)
    model.fit(images.astype(np.float64), labels[:, None], shuffle=False, verbose=0)
    assert int(model.step) == 1
    for one, other in zip(model.weights, wanted.weights, strict=True):
        np.testing.assert_array_equal(one, other)


REFUSED = [
    ("gan", lambda x, y: (np.uint8(x * 127 + 127), y), "images are uint8, but GAN trains on"),
    ("gan", lambda x, y: (x * 127.5 + 127.5, y), r"images run from .* give x / 127.5 - 1"),
    (
        "gan",
        lambda x, y: (x * 3, y),
        r"images run from -3 to .* the model trains on \[-1, 1\]",
    ),
    ("gan", lambda x, y: (x * np.nan, y), "images hold values that are not finite"),
    ("gan", lambda x, y: (x[..., 0], y), r"shape \(8, 8\), .*: add an axis for the channels"),
    ("gan", lambda x, y: (np.moveaxis(x, -1, 1), y), "move the channels last"),
    ("gan", lambda x, y: (x[:, :4], y), r"make the model with image_shape=\(4, 8, 1\)"),
    ("gan", lambda x, y: (np.repeat(x, 3, -1), y), r"with image_shape=\(8, 8, 3\)"),
    ("gan", lambda x, y: (x[0], y[:8]), "without an axis for the samples"),
    ("cgan", lambda x, y: (x, None), "CGAN needs images with labels"),
    ("cgan", lambda x, y: (x, y + 1), "labels run from 1 to 3, but num_classes=3 takes"),
    ("cgan", lambda x, y: (x, y + 0.5), "takes whole numbers from 0 to 2"),
    ("cgan", lambda x, y: (x, np.zeros((len(x), 7))), r"labels have shape \(7,\)"),
    ("cgan", lambda x, y: (x, np.full((len(x), 3), 1 / 3)), "labels are not one-hot"),
    ("cgan", lambda x, y: (x, np.eye(3)[y] + np.eye(3)[0]), "labels are not one-hot"),
    ("cgan", lambda x, y: (x, np.eye(3)[y] * 0), "labels are not one-hot"),
    ("cgan", lambda x, y: (x, [7, *y[1:]]), "labels run from 0 to 7"),
    ("cgan", lambda x, y: ([*x[:-1], x[-1, 1:]], y), "samples in a list differ in shape"),
    ("cgan", lambda x, y: ("digits", y), "x is 'digits', without batches"),
    ("cgan", lambda x, y: (np.array("digits"), y), "arrays of 0 and 8 samples"),
    ("cgan", lambda x, y: (x, np.array(["a"] * len(x))), "labels are string, but CGAN takes whole"),
    ("pix2pix", lambda x, y: (x, None), "Pix2Pix needs inputs with targets"),
    ("cyclegan", lambda x, y: (x, None), "CycleGAN needs images A with images B"),
    ("stackgan", lambda x, y: (x, y[:, :2]), r"words have shape \(2,\)"),
]


@pytest.mark.parametrize(("name", "change", "message"), REFUSED)
def test_data_that_do_not_suit_are_refused(name: str, change: Any, message: str) -> None:
    model = compiled(name)
    x, y = samples(model, 8)
    x.flat[0], x.flat[1] = -1, 1
    x, y = change(x, y)
    with pytest.raises(UserError, match=message) as error:
        model.fit(x, y, verbose=0)
    assert "\n" not in str(error.value)
    assert int(model.step) == 0


def test_all_values_of_arrays_are_checked() -> None:
    """Not only those of the first batch, which is another one each time."""
    model = compiled("cgan")
    images, labels = samples(model, 200)
    wrong = images.copy()
    wrong[-1, 0, 0, 0] = np.nan
    with pytest.raises(UserError, match="images hold values that are not finite"):
        model.fit(wrong, labels, batch_size=2, shuffle=False, verbose=0)
    labels[-1] = 9
    with pytest.raises(UserError, match="labels run from 0 to 9"):
        model.fit(images, labels, batch_size=2, shuffle=False, verbose=0)
    assert int(model.step) == 0


def test_lists_are_arrays() -> None:
    model, arrays = make_small("cgan"), samples(make_small("cgan"), 8)

    class Column:  # as in pandas
        def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
            return arrays[1]

    for x, y in (
        ([*arrays[0]], arrays[1].tolist()),
        (arrays[0].tolist(), Column()),
        (tf.constant(arrays[0]), np.eye(3)[arrays[1]].tolist()),
        (list(arrays), None),
    ):
        dataset = dataset_of(model, x, y, 4, False)
        assert dataset is not None
        batches = list(dataset.as_numpy_iterator())
        found = np.concatenate([labels for _, labels in batches])
        np.testing.assert_allclose(np.concatenate([x for x, _ in batches]), arrays[0])
        np.testing.assert_array_equal(found if found.ndim == 1 else found.argmax(1), arrays[1])


def test_a_loaded_dataset_has_no_batches_yet() -> None:
    dataset = load_dataset("digits", image_size=8)
    with pytest.raises(UserError, match=r"x is ImageDataset\('digits', .* give load_dataset"):
        compiled("gan").fit(dataset, verbose=0)


def test_a_part_of_the_range_is_told() -> None:
    model = compiled("gan")
    images, _ = samples(model, 8)
    dataset = tf.data.Dataset.from_tensors(np.abs(images))
    for data, message in (
        (np.abs(images), "images run"),
        (dataset, "images of the first batch run"),
    ):
        with pytest.warns(DataWarning, match=f"{message} from 0.00") as caught, eagerly():
            model.fit(data, verbose=0)
        assert len(caught) == 1
    with warnings.catch_warnings(), eagerly():
        warnings.simplefilter("error", DataWarning)
        model.fit(images, verbose=0)


@pytest.mark.parametrize("kind", ["generator", "PyDataset"])
def test_the_first_batch_of_other_data_is_checked(kind: str) -> None:
    model = compiled("cgan")
    images, labels = samples(model, 8)
    images = 127.5 * images + 127.5

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return images, labels

    data = Batches() if kind == "PyDataset" else (each for each in [(images, labels)] * 2)
    with pytest.raises(UserError, match=r"images run from .* give x / 127.5 - 1"):
        model.fit(data, verbose=0)


def test_a_generator_of_images_alone_loses_no_batch() -> None:
    model = compiled("gan", **SGD)
    images, _ = samples(model, 8)
    with eagerly():
        model.fit((images for _ in range(2)), steps_per_epoch=2, verbose=0)
    assert int(model.step) == 2
    with pytest.raises(UserError, match="the generator has no batches"):
        model.fit((images for _ in range(0)), verbose=0)


def test_datasets_that_do_not_suit_are_refused() -> None:
    model = compiled("gan")
    images, labels = samples(model, 8)
    single = tf.data.Dataset.from_tensor_slices(images)
    for dataset, message in (
        (single, "batch the dataset, for example by batch"),
        (tf.data.Dataset.from_tensors((images, labels, labels)), "a batch has 3 parts"),
        (tf.data.Dataset.from_tensors({"image": images}), "as a tuple, not a dictionary"),
    ):
        with pytest.raises(UserError, match=message):
            model.fit(dataset, verbose=0)
    with pytest.raises(UserError, match="y has no effect, since x is a dataset"):
        model.fit(single.batch(4), labels, verbose=0)
    with pytest.raises(UserError, match="batch_size has no effect"):
        model.fit(single.batch(4), batch_size=2, verbose=0)
    with pytest.raises(UserError, match="no data: give fit a dataset of batches, or arrays"):
        model.fit(verbose=0)
    for size in (0, -3, 2.5):
        with pytest.raises(UserError, match=f"at least 1, not {size}"):
            model.fit(images, batch_size=size, verbose=0)
