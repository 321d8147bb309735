"""Are generated digits readable, and are all ten there?

A classifier is trained on three quarters of scikit-learn's handwritten digits; its accuracy on the
rest is told first, since a figure of a poor judge means nothing. Then it is shown samples:

    tfgan2 sample RUN --count 500 --seed 1 --out samples.npz
    python benchmarks/digits_quality.py samples.npz

Printed: how many samples it takes for each digit, and the mean probability of its first choice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import tfgan2


def real_digits(image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 images, shape (1797, size * size), in [-1, 1], and their labels."""
    dataset = tfgan2.load_dataset("digits", image_size=image_size)
    images, labels = next(iter(dataset.batches(dataset.num_images)))
    return images.numpy().reshape(dataset.num_images, -1), labels.numpy()


def judge(samples: np.ndarray) -> dict[str, object]:
    """What a classifier trained on the real digits sees in samples.

    Args:
        samples: in [-1, 1], shape (N, size, size, 1).

    Returns:
        Its accuracy on real digits that it was not trained on, the mean probability of its first
        choice on those and on the samples, and the share of samples that it takes for each digit.
    """
    images, labels = real_digits(samples.shape[1])
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=0.25, random_state=0, stratify=labels
    )
    classifier = MLPClassifier((128,), alpha=1e-2, random_state=0).fit(train, train_labels)
    chosen = classifier.predict_proba(samples.reshape(len(samples), -1))
    shares = np.bincount(chosen.argmax(axis=1), minlength=10) / len(samples)
    return {
        "accuracy_on_real": float(classifier.score(test, test_labels)),
        "top_probability_on_real": float(classifier.predict_proba(test).max(axis=1).mean()),
        "top_probability": float(chosen.max(axis=1).mean()),
        "shares": [round(float(share), 4) for share in shares],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help=".npz from `tfgan2 sample`")
    samples = np.load(parser.parse_args().samples)["images"].astype(np.float32) / 127.5 - 1
    verdict = judge(samples)
    print(f"classifier's accuracy on real digits: {verdict['accuracy_on_real']:.3f}")
    print(f"its mean top probability there:       {verdict['top_probability_on_real']:.3f}")
    print(f"its mean top probability on samples:  {verdict['top_probability']:.3f}")
    shares = verdict["shares"]
    print("share of each digit: " + " ".join(f"{d}:{s:.1%}" for d, s in enumerate(shares)))
    print(f"the rarest digit: {min(shares):.1%}")


if __name__ == "__main__":
    main()
