"""Compares the features of EfficientNet-Lite with an implementation in plain PyTorch.

    python benchmarks/features_parity.py --torch PYTHON

PYTHON is an interpreter with PyTorch and NumPy; tfgan2's own needs none. Both get the same crops of
photographs of scikit-image, of 64x64 pixels, one half blurred as a generator might. The PyTorch
side reads the file of weights by itself, resizes by itself, and shares no code with tfgan2. The
distances of its features are computed with SciPy's matrix square root.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

EDGES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240}
REPEATS = {"efficientnet-lite0": (1, 2, 2, 3, 3, 4, 1), "efficientnet-lite1": (1, 3, 3, 4, 4, 5, 1)}
STRIDES = (1, 2, 2, 2, 1, 2, 1)
COUNT, EDGE = 200, 64


# --- in PyTorch ----------------------------------------------------------------------------------


def reference(name: str, weights: str, given: Path, out: Path) -> None:
    """Computes the features of images in a .npz, with PyTorch alone."""
    import torch
    from torch.nn import functional

    state = torch.load(weights, weights_only=True)

    def convolved(x, name: str, stride: int = 1):
        kernel = state[f"{name}.weight"]
        size = kernel.shape[-1]
        total = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[2:]]
        pads = [part for n in reversed(total) for part in (n // 2, n - n // 2)]
        groups = x.shape[1] // kernel.shape[1]
        return functional.conv2d(functional.pad(x, pads), kernel, stride=stride, groups=groups)

    def normed(x, name: str):
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return functional.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    def features(images: np.ndarray):
        x = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
        x = functional.interpolate(x, [EDGES[name]] * 2, mode="bicubic", antialias=True)
        x = (x.clamp(0, 255) - 127) / 128
        x = functional.relu6(normed(convolved(x, "_conv_stem", 2), "_bn0"))
        number = 0
        for stage, repeats in enumerate(REPEATS[name]):
            for repeat in range(repeats):
                block, y = f"_blocks.{number}", x
                if stage:
                    y = convolved(y, f"{block}._expand_conv")
                    y = functional.relu6(normed(y, f"{block}._bn0"))
                stride = 1 if repeat else STRIDES[stage]
                y = convolved(y, f"{block}._depthwise_conv", stride)
                y = functional.relu6(normed(y, f"{block}._bn1"))
                y = normed(convolved(y, f"{block}._project_conv"), f"{block}._bn2")
                x, number = (x + y if repeat else y), number + 1
        x = functional.relu6(normed(convolved(x, "_conv_head"), "_bn1"))
        return x.mean(dim=(2, 3)).numpy()

    with np.load(given) as arrays, torch.no_grad():
        found = {
            key: np.concatenate([features(images[i : i + 20]) for i in range(0, len(images), 20)])
            for key, images in arrays.items()
        }
    np.savez(out, **found)


# --- both ----------------------------------------------------------------------------------------


def crops() -> dict[str, np.ndarray]:
    """Crops of photographs, uint8, and others that are blurred."""
    from scipy.ndimage import gaussian_filter
    from skimage import data

    rng = np.random.default_rng(0)
    photographs = [data.chelsea(), data.coffee(), data.rocket(), data.astronaut()]

    def crop() -> np.ndarray:
        photograph = photographs[rng.integers(len(photographs))]
        size = rng.integers(EDGE, 2 * EDGE)
        top, left = (rng.integers(edge - size + 1) for edge in photograph.shape[:2])
        rows = np.linspace(0, size - 1, EDGE).astype(int)
        return photograph[top + rows][:, left + rows]

    real, fake = (np.stack([crop() for _ in range(COUNT)]) for _ in range(2))
    return {"real": real, "fake": gaussian_filter(fake, (0, 1, 1, 0))}


def distance_by_scipy(one: np.ndarray, other: np.ndarray) -> float:
    """The Fréchet distance of features by SciPy's square root of a matrix."""
    from scipy.linalg import sqrtm

    means = [x.mean(axis=0, dtype=np.float64) for x in (one, other)]
    covariances = [np.cov(x.astype(np.float64), rowvar=False) for x in (one, other)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    trace = np.trace(covariances[0] + covariances[1] - 2 * root)
    return float(np.square(means[0] - means[1]).sum() + trace)


def compare(name: str, python: str) -> str:
    """Returns a row of the table."""
    from tfgan2.evaluation.efficientnet import make_efficientnet
    from tfgan2.metrics import frechet_distance, statistics
    from tfgan2.pretrained.packages import weights_file

    images = crops()
    extractor = make_efficientnet(name, (EDGE, EDGE, 3))
    ours = {key: extractor(each).features for key, each in images.items()}
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "images.npz"), Path(folder, "features.npz")
        np.savez(given, **images)
        command = [python, __file__, "--reference", name, weights_file(name), given, out]
        subprocess.run([str(word) for word in command], check=True)
        with np.load(out) as arrays:
            theirs = dict(arrays)
    scale = max(np.abs(each).max() for each in theirs.values())
    difference = max(np.abs(ours[key] - theirs[key]).max() for key in ours) / scale
    own = frechet_distance(*statistics(ours["fake"]), *statistics(ours["real"]))
    other = distance_by_scipy(theirs["fake"], theirs["real"])
    return f"| `{name}` | {difference:.1e} | {own:.5f} | {other:.5f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch")
    parser.add_argument("--reference", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        name, weights, given, out = options.reference
        reference(name, weights, Path(given), Path(out))
        return
    if not options.torch:
        parser.error("give --torch PYTHON")
    print("| features | largest difference, of the largest | FID | PyTorch and SciPy |")
    print("|---|---|---|---|")
    for name in EDGES:
        print(compare(name, options.torch))


if __name__ == "__main__":
    main()
