"""Datasets as tensorflow-datasets prepares them, written by the tests."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds

SHARDS, PER_SHARD = 3, 12
COUNT = SHARDS * PER_SHARD


def prepare(
    root: Path,
    name: str,
    features: dict,
    example: object,
    splits: str = "train",
    version: str = "1.0.0",
) -> None:
    """Writes a prepared dataset `name`; `example` makes the record of a number."""
    folder = root / name / version
    name = name.partition("/")[0]
    folder.mkdir(parents=True)
    spec = tfds.features.FeaturesDict(features)
    infos = []
    for split in splits.split():
        for shard in range(SHARDS):
            path = folder / f"{name}-{split}.tfrecord-{shard:05d}-of-{SHARDS:05d}"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for number in range(shard * PER_SHARD, (shard + 1) * PER_SHARD):
                    writer.write(spec.serialize_example(spec.encode_example(example(number))))
        infos.append(
            tfds.core.SplitInfo(name=split, shard_lengths=[PER_SHARD] * SHARDS, num_bytes=0)
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=spec,
        split_infos=infos,
        filename_template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        check_data=False,
    )
