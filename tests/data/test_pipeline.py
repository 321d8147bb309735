"""`tf.data` pipelines of the user's own."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import SGD, eagerly

import tfgan2
from tfgan2.data import load_dataset
from tfgan2.data.dataset import Part
from tfgan2.errors import DataWarning, UserError

IMAGES = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
LABELS = np.arange(12) % 3
FLOATS = IMAGES / 6 - 1


def pipeline(images=IMAGES, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((images, labels))


def load(samples, **options):
    return load_dataset("pipeline", pipeline=samples, **options)


def numbers(dataset, count, **order):
    """The first image numbers that a dataset of `IMAGES` yields."""
    batches = dataset.batches(4, **order).take(count)
    values = [(batch[0] if isinstance(batch, tuple) else batch).numpy() for batch in batches]
    return np.rint((np.concatenate(values)[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


def test_is_read_in_its_own_order_from_any_start():
    dataset = load(pipeline())
    assert numbers(dataset, 4) == [*range(12), 0, 1, 2, 3]
    assert numbers(dataset, 2, start=20) == [8, 9, 10, 11, 0, 1, 2, 3]
    assert numbers(dataset, 2, part=Part(1, 2)) == [2, 3, 6, 7]
    assert dataset.class_names == ("0", "1", "2") and dataset.class_counts == (4, 4, 4)
    assert not dataset.in_memory and not dataset.notes


@pytest.mark.parametrize(
    "samples",
    [
        pipeline().batch(5),
        tf.data.Dataset.from_tensor_slices({"image": IMAGES, "label": LABELS, "id": LABELS}),
        pipeline(labels=LABELS.astype(np.uint8)),
        pipeline(labels=LABELS[:, None]).map(lambda image, label: (image, label[0])),
        pipeline(labels=LABELS[:, None]),
        pipeline(labels=LABELS[:, None]).batch(5),
    ],
    ids=["batches", "dictionaries", "small labels", "mapped", "column", "batches of columns"],
)
def test_forms_of_elements(samples):
    images, labels = load(samples).some(12)
    assert images.dtype == np.float32 and images.shape == (12, 4, 4, 1)
    np.testing.assert_allclose(images[:, 0, 0, 0], np.arange(12) / 127.5 - 1, atol=1e-6)
    assert labels.dtype == np.int32 and labels.tolist() == LABELS.tolist()


def test_floats_stay_as_they_are():
    dataset = load(tf.data.Dataset.from_tensor_slices(FLOATS.astype(np.float64)))
    (images,) = dataset.some(12)
    np.testing.assert_array_equal(images, FLOATS.astype(np.float32))
    assert dataset.class_names == ()


def test_random_changes_are_new_in_each_epoch():
    crops = pipeline().map(lambda image, label: (tf.image.random_crop(image, (2, 2, 1)), label))
    shuffled = crops.shuffle(12)
    dataset = load(shuffled)
    first, second = numbers(dataset, 6)[:12], numbers(dataset, 6)[12:]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert "each time it is read" in dataset.notes[0]


def test_in_memory_no_shuffle_changes_the_order():
    one, other = (load(pipeline().shuffle(12), cache="memory") for _ in range(2))
    assert one.in_memory and one.fingerprint == other.fingerprint
    assert numbers(one, 6, seed=3) == numbers(other, 6, seed=3)
    assert sorted(numbers(one, 3)) == list(range(12))
    labels = np.concatenate([batch[1] for batch in one.batches(4).take(3)]).tolist()
    labelled = dict(zip(numbers(one, 3), labels, strict=True))
    assert labelled == dict(enumerate(LABELS))


def test_in_memory_classes_are_chosen_and_balanced():
    dataset = load(pipeline(labels=np.arange(12) // 8), cache="memory", balance=True)
    labels = [batch[1].numpy() for batch in dataset.batches(4).take(3)]
    assert np.bincount(np.concatenate(labels)).tolist() == [6, 6]
    chosen = load(pipeline(), cache="memory", classes=["2"])
    assert chosen.num_images == 4 and chosen.class_names == ("2",)


def test_samples_are_held_out():
    dataset = load(pipeline(), hold_out=4)
    assert numbers(dataset, 2) == [4, 5, 6, 7, 8, 9, 10, 11]
    assert dataset.held_out is not None
    assert numbers(dataset.held_out, 2) == [0, 1, 2, 3, 0, 1, 2, 3]
    in_memory = load(pipeline(), hold_out=4, cache="memory")
    rest = numbers(in_memory.held_out, 1)
    assert sorted(rest + numbers(in_memory, 2)) == list(range(12))


@pytest.mark.parametrize("cache", ["auto", "memory"])
def test_pairs(cache):
    pairs = tf.data.Dataset.from_tensor_slices((np.repeat(IMAGES, 3, -1), IMAGES))
    dataset = load_dataset("pipeline-pairs", pipeline=pairs, cache=cache)
    assert dataset.kind == "pairs" and dataset.image_shape == (4, 4, 1)
    assert dataset.details == {"input_shape": [4, 4, 3]}
    inputs, targets = dataset.some(12)
    np.testing.assert_array_equal(inputs[..., :1], targets)
    turned = load_dataset("pipeline-pairs", pipeline=pairs, cache=cache, direction="BtoA")
    assert turned.image_shape == (4, 4, 3) and turned.some(12)[0].shape == (12, 4, 4, 1)


@pytest.mark.parametrize("cache", ["auto", "memory"])
def test_images_of_two_kinds(cache):
    two = tf.data.Dataset.zip(
        tf.data.Dataset.from_tensor_slices(np.repeat(IMAGES, 3, -1)),
        tf.data.Dataset.from_tensor_slices(255 - IMAGES),
    )
    options = {"pipeline": two.batch(5), "cache": cache}
    dataset = load_dataset("pipeline-unpaired", **options)
    assert dataset.kind == "unpaired" and dataset.image_shape == (4, 4, 1)
    assert dataset.details == {"input_shape": [4, 4, 3]}
    one, other = dataset.some(12)
    assert one.shape == (12, 4, 4, 3) and other.shape == (12, 4, 4, 1)
    assert sorted(one[:, 0, 0, 0]) == sorted(-other[:, 0, 0, 0])
    assert [side.num_images for side in dataset.sides] == [12, 12]
    turned = load_dataset("pipeline-unpaired", **options, direction="BtoA", hold_out=4)
    assert turned.image_shape == (4, 4, 3) and turned.details == {"input_shape": [4, 4, 1]}
    assert turned.num_images == 8 and turned.held_out.num_images == 4


def test_class_names_of_image_folders_are_kept():
    samples = pipeline(images=FLOATS).batch(4)
    samples.class_names = ["cat", "dog", "eel"]
    assert load(samples).class_names == ("cat", "dog", "eel")


def failing():
    def broken(image, label):
        return tf.ensure_shape(tf.image.decode_png(tf.constant(b"no image")), (4, 4, 1)), label

    return pipeline().map(broken)


def raising():
    def samples():
        raise ZeroDivisionError("of no use")
        yield

    return tf.data.Dataset.from_generator(samples, output_signature=tf.TensorSpec((4, 4, 1)))


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (pipeline().repeat(), {}, "never ends, .*: leave repeat"),
        (pipeline().take(0), {}, "yields nothing"),
        (pipeline(FLOATS * 127), {}, r"run from -127 to 10.*: give values of that range"),
        (pipeline(IMAGES.astype(np.float32)), {}, r"run from 0 to 11, .*: give x / 127.5 - 1"),
        (pipeline(FLOATS * np.nan), {}, "not finite: remove them"),
        (pipeline(IMAGES.astype(np.int32)), {}, "are int32: give uint8"),
        (pipeline(np.zeros((12, 3, 8, 8))), {}, r"shape \(3, 8, 8\): move the channels last"),
        (pipeline(IMAGES[..., 0]), {}, r"have shape \(4, 4\): give them one shape"),
        (pipeline(labels=np.eye(3)[LABELS]), {}, "second part .*: let it yield"),
        (pipeline(labels=LABELS - 1), {}, "labels start at -1"),
        (pipeline(labels=LABELS + 2**32), {}, "labels run to .*, but there are 12 samples"),
        (pipeline(np.full((12, 1, 1, 2), np.nan)), {}, "not finite: remove them"),
        (tf.data.Dataset.from_tensor_slices({"x": IMAGES}), {}, "yields x: call the images 'im"),
        (
            tf.data.Dataset.from_tensor_slices({"image": IMAGES, "labels": LABELS}),
            {},
            "yields image, labels: call 'labels' 'label', or leave it out",
        ),
        (tf.data.Dataset.from_tensor_slices((IMAGES,) * 3), {}, "yields 3 parts: let it yield"),
        (pipeline(), {"image_size": 8}, "size of its own: leave --image-size out"),
        (pipeline(), {"balance": True}, "order of its own: leave --balance out"),
        (pipeline(), {"classes": ["1"]}, "order of its own: leave --classes out"),
        (pipeline(), {"hold_out": 12}, "12 cannot be held out"),
        (pipeline().shuffle(12), {"hold_out": 4}, "none can be held out: give `shuffle`"),
        (failing(), {}, "the pipeline cannot be read: Unknown image file format"),
        (raising(), {}, "the pipeline cannot be read: ZeroDivisionError: of no use$"),
    ],
)
def test_impossible_pipelines_are_refused(samples, options, message):
    with pytest.raises(UserError, match=message) as error:
        load(samples, **options)
    assert "\n" not in str(error.value)


def test_classes_without_samples_are_noticed():
    dataset = load(pipeline(labels=2 * LABELS + 1))
    assert dataset.notes[0].startswith("3 of 6 classes have no samples (0, 2, 4): number")


def test_values_from_0_to_1_are_noticed():
    with pytest.warns(DataWarning, match="run from 0.00 to 1.00"):
        load(pipeline(IMAGES / 11))


def test_other_objects_are_refused():
    with pytest.raises(UserError, match=r"dataset is of type list: give the name .* tf\.data"):
        tfgan2.fit("dcgan", [1, 2])


def test_a_run_resumes_on_the_pipeline_to_the_same_weights(tmp_path):
    samples = tf.data.Dataset.from_tensor_slices(
        (np.random.default_rng(0).uniform(-1, 1, (40, 16, 16, 1)), np.arange(40) % 2)
    )
    options = {
        "hyperparameters": {"base_channels": 4, "latent_dim": 3, **SGD},
        "batch_size": 16,
        "xla": False,
        "quiet": True,
    }
    whole = tfgan2.fit("cgan", samples, steps=6, out=tmp_path / "whole", **options)
    run = tfgan2.fit("cgan", samples, steps=3, out=tmp_path / "parts", **options)
    assert run.config.data.name == "pipeline"
    with pytest.raises(UserError, match="stands for a pipeline"):
        run.resume(steps=6, quiet=True)
    with pytest.raises(UserError, match="samples: 30, before 40"):
        run.resume(steps=6, dataset=samples.take(30), quiet=True)
    run.resume(steps=6, dataset=samples, quiet=True)
    for one, other in zip(whole.model().weights, run.model().weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_cyclegan_takes_images_of_two_kinds(tmp_path):
    numbers = np.random.default_rng(0)
    images = numbers.uniform(-1, 1, (2, 12, 16, 16, 1)).astype(np.float32)
    two = tf.data.Dataset.zip(*map(tf.data.Dataset.from_tensor_slices, images))
    options = {
        "hyperparameters": {"base_channels": 4, "blocks": 1},
        "batch_size": 2,
        "hold_out": 0,
        "xla": False,
        "quiet": True,
    }
    with eagerly():
        run = tfgan2.fit("cyclegan", two, steps=1, out=tmp_path / "run", **options)
        assert run.config.data.name == "pipeline-unpaired"
        with pytest.raises(UserError, match="not hold the data that the run began with"):
            run.resume(steps=2, dataset=two.take(8), quiet=True)
        run.resume(steps=2, dataset=two, quiet=True)
    assert run.step == 2


def test_a_run_goes_on_with_other_random_samples(tmp_path, capsys):
    def noise():
        # Not `tf.random`, whose seed an earlier run in the same process may have set.
        images = np.random.default_rng().uniform(-1, 1, (32, 16, 16, 1))
        return tf.data.Dataset.from_tensor_slices(images.astype(np.float32))

    options = {"hyperparameters": {"base_channels": 4}, "batch_size": 16, "xla": False}
    with eagerly():
        run = tfgan2.fit("dcgan", noise(), steps=1, out=tmp_path / "run", **options)
        run.resume(steps=2, dataset=noise())
    assert run.step == 2
    assert "not those that the run began with" in capsys.readouterr().out
