"""All forms of dataset names: what each holds, and the function that loads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

BUILT_IN, TFDS, YOURS = "built in", "tensorflow-datasets", "your files"
PIPELINE, HUB = "Python", "Hugging Face Hub"


class Kind(NamedTuple):
    """What to give as --dataset for a kind of samples, and an example."""

    give: str
    example: str


KINDS = {
    "images": Kind("the name of a dataset of images, folder:PATH or prepared:FILE", "digits"),
    "pairs": Kind("pairs:DIR", "pairs:DIR"),
    "unpaired": Kind("unpaired:DIR_A,DIR_B", "unpaired:DIR_A,DIR_B"),
    "captions": Kind("captions:FILE, or digits-captions", "digits-captions"),
    "taught": Kind("taught:FILE.npz, which `tfgan2 distill` writes", "taught:FILE.npz"),
}


@dataclass(frozen=True)
class Entry:
    """Description of a dataset, or of all datasets whose names have one form.

    Attributes:
        summary: one line.
        image_shape: (height, width, channels) before scaling, None where sizes vary.
        num_images: in the default split ("train"), None where it depends.
        source: "built in", "tensorflow-datasets", "your files", "Python"
            or "Hugging Face Hub".
        loader: "MODULE.FUNCTION" in `tfgan2.data`; takes a Request, returns an ImageDataset.
        kind: one of `KINDS`.
    """

    summary: str
    image_shape: tuple[int, int, int] | None = None
    num_images: int | None = None
    source: str = TFDS
    loader: str = "records.load"
    kind: str = "images"


def _yours(summary: str, loader: str, kind: str = "images") -> Entry:
    return Entry(summary, source=YOURS, loader=loader, kind=kind)


# A new source of data is one entry here and one module with its loader.
# fmt: off
CATALOGUE: dict[str, Entry] = {
    "digits": Entry("handwritten digits, tiny", (8, 8, 1), 1797, BUILT_IN, "embedded.load_digits"),
    "faces": Entry("grey faces, very few", (25, 25, 1), 100, BUILT_IN, "embedded.load_faces"),
    "ring8": Entry("points: 8 Gaussians on a circle", (1, 1, 2), 100_000, BUILT_IN, "points.load"),
    "grid25": Entry("points: 25 Gaussians on a grid", (1, 1, 2), 100_000, BUILT_IN, "points.load"),
    "digits-captions": Entry(
        "the digits, with captions that name them", (8, 8, 1), 1797,
        BUILT_IN, "folders.captions.load_digits", "captions"),
    "pairs:DIR": _yours(
        "pairs side by side in one file, or in two folders such as A and B",
        "folders.pairs.load_pairs", "pairs"),
    "unpaired:DIR_A,DIR_B": _yours(
        "images of two kinds, not paired", "folders.unpaired.load_unpaired", "unpaired"),
    "captions:FILE": _yours(
        "images with captions: JSON lines, CSV or COCO", "folders.captions.load_file", "captions"),
    "folder:PATH": _yours(
        "images in a folder; its subfolders are the classes, or train and test",
        "folders.classes.load"),
    "prepared:FILE": _yours("a folder packed by `tfgan2 prepare`, fast to read", "prepared.load"),
    "taught:FILE.npz": _yours(
        "images that a trained run drew, for `tfgan2 distill`", "taught.load", "taught"),
    "taught-pairs:DIR": _yours(
        "pairs whose targets a trained run made, for `tfgan2 distill`",
        "taught.load_pairs", "pairs"),
    "hf:NAME": Entry(
        "images of the Hugging Face Hub, or of a folder of its kinds", None, None, HUB, "hub.load"),
    "hf-captions:NAME": Entry(
        "images with captions of the Hugging Face Hub", None, None,
        HUB, "hub.load_captions", "captions"),
    "tfds:MODULE": Entry(
        "a dataset that a Python module of your own defines", None, None, TFDS, "modules.load"),
    "mnist": Entry("handwritten digits", (28, 28, 1), 60_000),
    "stacked_mnist": Entry(
        "three digits of mnist as red, green and blue", (28, 28, 3), 128_000, TFDS, "stacked.load"),
    "fashion_mnist": Entry("clothes", (28, 28, 1), 60_000),
    "kmnist": Entry("cursive Japanese characters", (28, 28, 1), 60_000),
    "emnist/letters": Entry("handwritten letters", (28, 28, 1), 88_800),
    "emnist/balanced": Entry("handwritten letters and digits", (28, 28, 1), 112_800),
    "omniglot": Entry("characters of 50 alphabets", (105, 105, 3), 19_280),
    "cifar10": Entry("small photographs of 10 things", (32, 32, 3), 50_000),
    "cifar100": Entry("small photographs of 100 things", (32, 32, 3), 50_000),
    "svhn_cropped": Entry("house numbers", (32, 32, 3), 73_257),
    "imagenet_resized/64x64": Entry("ImageNet, small", (64, 64, 3), 1_281_167),
    "eurosat/rgb": Entry("land seen by satellite", (64, 64, 3), 27_000),
    "stl10": Entry("photographs of 10 things", (96, 96, 3), 5_000),
    "celeb_a": Entry("faces of celebrities", (218, 178, 3), 162_770),
    "cycle_gan/horse2zebra": Entry(
        "horses and zebras, unpaired", (256, 256, 3), 1_334,
        TFDS, "folders.unpaired.load_cycle_gan", "unpaired"),
    "lfw": Entry("faces in the wild", (250, 250, 3), 13_233),
    "horses_or_humans": Entry("rendered horses and people", (300, 300, 3), 1_027),
    "rock_paper_scissors": Entry("rendered hands", (300, 300, 3), 2_520),
    "beans": Entry("leaves of bean plants", (500, 500, 3), 1_034),
    "oxford_flowers102": Entry("flowers of 102 kinds", None, 1_020),
    "tf_flowers": Entry("flowers of 5 kinds", None, 3_670),
    "oxford_iiit_pet": Entry("cats and dogs of 37 breeds", None, 3_680),
    "cats_vs_dogs": Entry("cats and dogs", None, 23_262),
    "stanford_dogs": Entry("dogs of 120 breeds", None, 12_000),
    "food101": Entry("dishes of 101 kinds", None, 75_750),
}
# fmt: on

PIPELINES = {"images": "pipeline", "pairs": "pipeline-pairs", "unpaired": "pipeline-unpaired"}
"""The names that stand for a `tf.data.Dataset`, by the kind of its samples."""

POINTS = tuple(name for name, entry in CATALOGUE.items() if entry.image_shape == (1, 1, 2))


def _form(name: str) -> str:
    """The part that all names of one form share: "folder:", "cycle_gan/", or the whole name."""
    return re.split("(?<=[:/])", name, maxsplit=1)[0]


_FORMS = {_form(name): entry for name, entry in CATALOGUE.items()} | {
    name: Entry("a tf.data pipeline", source=PIPELINE, loader="pipeline.load", kind=kind)
    for kind, name in PIPELINES.items()
}
_OTHER = Entry("a dataset of tensorflow-datasets")


def entry_of(name: str) -> Entry:
    """Returns the entry for a name; names of no known form belong to tensorflow-datasets."""
    return _FORMS.get(_form(name), _OTHER)


def is_listed(name: str) -> bool:
    """Returns whether the catalogue has a name, or others of its form."""
    return _form(name) in _FORMS


def form_of(name: str) -> str:
    """Returns the form of a name as the catalogue has it, such as "folder:PATH"."""
    return next((form for form, entry in CATALOGUE.items() if entry is entry_of(name)), "NAME")


def kind_of(name: str) -> str:
    """Returns the kind of a dataset's samples, one of `KINDS`, from its name alone."""
    return entry_of(name).kind
