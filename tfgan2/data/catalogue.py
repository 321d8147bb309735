"""Which datasets there are, for people to choose from. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset's name stands for.

    Attributes:
        summary: one line.
        image_shape: (height, width, channels) as the dataset has them, None where sizes vary.
        num_images: in the split that is used by default ("train"), None where it depends.
        num_classes: 0 where there are no labels.
        source: "built in", "tensorflow-datasets" or "your files".
    """

    summary: str
    image_shape: tuple[int, int, int] | None
    num_images: int | None
    num_classes: int
    source: str = "tensorflow-datasets"


CATALOGUE: dict[str, DatasetInfo] = {
    "digits": DatasetInfo("handwritten digits, tiny", (8, 8, 1), 1797, 10, "built in"),
    "faces": DatasetInfo("grey faces, very few", (25, 25, 1), 100, 0, "built in"),
    "ring8": DatasetInfo("points: 8 Gaussians on a circle", (1, 1, 2), 100_000, 8, "built in"),
    "grid25": DatasetInfo("points: 25 Gaussians on a grid", (1, 1, 2), 100_000, 25, "built in"),
    "digits-captions": DatasetInfo(
        "the digits, with sentences that name them", (8, 8, 1), 1797, 0, "built in"
    ),
    "pairs:DIR": DatasetInfo(
        "pairs side by side in one file, or in the subfolders A and B", None, None, 0, "your files"
    ),
    "unpaired:DIR_A,DIR_B": DatasetInfo(
        "pictures of two kinds, not paired", None, None, 0, "your files"
    ),
    "captions:FILE.jsonl": DatasetInfo(
        'a line {"image": path, "caption": text} each', None, None, 0, "your files"
    ),
    "folder:PATH": DatasetInfo(
        "pictures in a folder; its subfolders are the classes", None, None, 0, "your files"
    ),
    "prepared:FILE": DatasetInfo(
        "a folder that `tfgan2 prepare` has packed, to be read fast", None, None, 0, "your files"
    ),
    "mnist": DatasetInfo("handwritten digits", (28, 28, 1), 60_000, 10),
    "stacked_mnist": DatasetInfo(
        "three digits of mnist as red, green and blue", (28, 28, 3), 128_000, 1000
    ),
    "fashion_mnist": DatasetInfo("clothes", (28, 28, 1), 60_000, 10),
    "kmnist": DatasetInfo("cursive Japanese characters", (28, 28, 1), 60_000, 10),
    "emnist/letters": DatasetInfo("handwritten letters", (28, 28, 1), 88_800, 37),
    "emnist/balanced": DatasetInfo("handwritten letters and digits", (28, 28, 1), 112_800, 47),
    "omniglot": DatasetInfo("characters of 50 alphabets", (105, 105, 3), 19_280, 1623),
    "cifar10": DatasetInfo("small photographs of 10 things", (32, 32, 3), 50_000, 10),
    "cifar100": DatasetInfo("small photographs of 100 things", (32, 32, 3), 50_000, 100),
    "svhn_cropped": DatasetInfo("house numbers", (32, 32, 3), 73_257, 10),
    "imagenet_resized/64x64": DatasetInfo("ImageNet, small", (64, 64, 3), 1_281_167, 1000),
    "eurosat/rgb": DatasetInfo("land seen by satellite", (64, 64, 3), 27_000, 10),
    "stl10": DatasetInfo("photographs of 10 things", (96, 96, 3), 5_000, 10),
    "celeb_a": DatasetInfo("faces of celebrities", (218, 178, 3), 162_770, 0),
    "cycle_gan/horse2zebra": DatasetInfo("horses and zebras, unpaired", (256, 256, 3), 1_334, 0),
    "lfw": DatasetInfo("faces in the wild", (250, 250, 3), 13_233, 0),
    "horses_or_humans": DatasetInfo("rendered horses and people", (300, 300, 3), 1_027, 2),
    "rock_paper_scissors": DatasetInfo("rendered hands", (300, 300, 3), 2_520, 3),
    "beans": DatasetInfo("leaves of bean plants", (500, 500, 3), 1_034, 3),
    "oxford_flowers102": DatasetInfo("flowers of 102 kinds", None, 1_020, 102),
    "tf_flowers": DatasetInfo("flowers of 5 kinds", None, 3_670, 5),
    "oxford_iiit_pet": DatasetInfo("cats and dogs of 37 breeds", None, 3_680, 37),
    "cats_vs_dogs": DatasetInfo("cats and dogs", None, 23_262, 2),
    "stanford_dogs": DatasetInfo("dogs of 120 breeds", None, 12_000, 120),
    "food101": DatasetInfo("dishes of 101 kinds", None, 75_750, 101),
}
