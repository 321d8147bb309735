"""The pairs that a teacher of images from images makes for its student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2 import images, runs
from tfgan2.command import command_text
from tfgan2.data import load_dataset
from tfgan2.data.request import Progress
from tfgan2.data.taught import write_facts
from tfgan2.files import written_atomically

DEFAULT_COUNT = 2_000
_SEED = 2_000_000
_AT_ONCE = 4


def write_pairs(
    run_dir: Path,
    folder: Path,
    *,
    checkpoint: str = runs.NEWEST,
    count: int | None = None,
    progress: Progress = lambda text, done, total: None,
) -> int:
    """Writes inputs of a trained run, and what it makes of them, into a new folder.

    The inputs are those that the teacher was trained on: each once as it is, then cropped and
    mirrored at random as in its training. Pairs that were held out from it are held out from the
    student.

    Args:
        run_dir: the run of a flavour that learns from pairs.
        folder: becomes `taught-pairs:FOLDER`.
        checkpoint: as for `runs.load_model`.
        count: number of pairs; default: 2,000, or all inputs if these are more.
        progress: called with what is being done, how much of it is done, and the total.

    Returns:
        The number of pairs, without those held out.

    Raises:
        UserError: the teacher's data cannot be loaded, or the folder cannot be written.
    """
    config = runs.RunConfig.read(run_dir)
    model, about = runs.load_model(run_dir, checkpoint)
    dataset = load_dataset(**vars(config.data), progress=progress)
    total = max(DEFAULT_COUNT, dataset.num_images) if count is None else count
    with written_atomically(folder, parents=True) as new:
        at_once = min(_AT_ONCE, dataset.num_images)
        batches = iter(dataset.batches(at_once, seed=_SEED))
        for start in range(0, total, at_once):
            progress(f"drawing images with {about['flavour']}", start, total)
            inputs = next(batches)[0]
            if start + at_once > dataset.num_images:
                inputs = model.jittered(inputs, f"taught {start}")
            _write(model, new, "train", inputs[: total - start], start)
        progress(f"drawing images with {about['flavour']}", total, total)
        if dataset.held_out is not None:
            held_out = dataset.held_out.some(dataset.held_out.num_images)[0]
            for start in range(0, len(held_out), _AT_ONCE):
                _write(model, new, "test", held_out[start : start + _AT_ONCE], start)
        facts = {name: about[name] for name in ("flavour", "dataset", "step")}
        facts["command"] = command_text(config)
        write_facts(new, {**facts, "images": total, "size": list(model.image_shape[:2])})
    return total


def _write(model: Any, folder: Path, part: str, inputs: tf.Tensor | np.ndarray, start: int) -> None:
    """Writes PNG files: the inputs into `partA`, the images made of them into `partB`."""
    inputs = np.asarray(inputs)
    outputs = model.run_generator(model.sampling_generator, {"input": inputs})
    for side, values in (("A", inputs), ("B", outputs)):
        (folder / f"{part}{side}").mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images.to_uint8(values), start):
            images.to_pil(image).save(folder / f"{part}{side}" / f"{number:06d}.png")
