"""Measures whether generated digits are readable, and whether all ten occur.

    tfgan2 sample RUN --count 500 --seed 1 --out samples.npz
    python benchmarks/digits_quality.py samples.npz

Trains a classifier on three quarters of scikit-learn's handwritten digits. Prints its accuracy on
the rest, which says how much the other figures mean, its mean top probability on the samples, and
the share of samples that it assigns to each digit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from command_line import errors_in_one_line
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import tfgan2
from tfgan2.errors import one_line


def real_digits(image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns all 1,797 images, shape (1797, size * size), in [-1, 1], and their labels."""
    dataset = tfgan2.load_dataset("digits", image_size=image_size)
    images, labels = next(iter(dataset.batches(dataset.num_images)))
    return images.numpy().reshape(dataset.num_images, -1), labels.numpy()


def classify(samples: np.ndarray) -> dict[str, object]:
    """Classifies samples with a classifier trained on the real digits.

    Args:
        samples: in [-1, 1], shape (N, size, size, 1).

    Returns:
        The accuracy on real digits not trained on, the mean top probability on those and on the
        samples, and the share of samples that is assigned to each digit.
    """
    images, labels = real_digits(samples.shape[1])
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=0.25, random_state=0, stratify=labels
    )
    classifier = MLPClassifier((128,), alpha=1e-2, random_state=0).fit(train, train_labels)
    probabilities = classifier.predict_proba(samples.reshape(len(samples), -1))
    shares = np.bincount(probabilities.argmax(axis=1), minlength=10) / len(samples)
    return {
        "accuracy_on_real": float(classifier.score(test, test_labels)),
        "top_probability_on_real": float(classifier.predict_proba(test).max(axis=1).mean()),
        "top_probability": float(probabilities.max(axis=1).mean()),
        "shares": [round(float(share), 4) for share in shares],
    }


def read_samples(path: Path) -> np.ndarray:
    with one_line(f"cannot read '{path}'", KeyError, ValueError, advice="give an .npz of images"):
        return np.load(path)["images"].astype(np.float32) / 127.5 - 1


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help=".npz from `tfgan2 sample`")
    results = classify(read_samples(parser.parse_args().samples))
    print(f"classifier's accuracy on real digits: {results['accuracy_on_real']:.3f}")
    print(f"its mean top probability there:       {results['top_probability_on_real']:.3f}")
    print(f"its mean top probability on samples:  {results['top_probability']:.3f}")
    shares = results["shares"]
    print("share of each digit: " + " ".join(f"{d}:{s:.1%}" for d, s in enumerate(shares)))
    print(f"the rarest digit: {min(shares):.1%}")


if __name__ == "__main__":
    main()
