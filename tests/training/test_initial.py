"""Fine-tuning: the weights of another run, and blocks of D that stay."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import PLAIN_SGD, SMALL, assert_refused, fit, make_small, tensors_for

import tfgan2
from tfgan2 import cli, runs
from tfgan2.errors import UserError
from tfgan2.training import checkpoints
from tfgan2.training.initial import take_weights

WORDS = f"dcgan --dataset digits --steps 2 --checkpoint-every 1 --log-every 1 {SMALL} {PLAIN_SGD}"


def arrays(run: Path, step: int | str = "newest") -> dict[str, np.ndarray]:
    return checkpoints.choose(run, str(step)).arrays


def test_weights_and_averages_are_taken_and_all_else_is_fresh(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "tuned"
    assert fit(run, f"{WORDS} --init-from {finished_run} --classes 1,7") == 0
    out = capsys.readouterr().out
    assert f"from {finished_run}, step 6" in out and "fresh:" not in out
    parent, first = arrays(finished_run), arrays(run, 0)
    of_networks = [name for name in first if name.startswith(("generator/", "ema_", "discrim"))]
    weights = [name for name in of_networks if "optimizer" not in name and "seed" not in name]
    assert len(weights) > 40
    assert [name for name in weights if first[name].tobytes() != parent[name].tobytes()] == []
    assert not np.any(first["discriminator_optimizer/000"])  # iterations
    assert int(checkpoints.choose(run, "0").step) == 0
    assert (run / "samples" / "step-0000000.png").is_file()
    config = runs.RunConfig.read(run)
    assert config.training.init_from == str(finished_run)


def test_weights_are_taken_even_if_another_process_has_just_taken_the_number(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "propose", lambda root, flavour, dataset: finished_run)
    assert cli.run(["fit", *WORDS.split(), "--init-from", str(finished_run), "--dry-run"]) == 0
    assert f"weights: 48 of 48 from {finished_run}, step 6" in capsys.readouterr().out


@pytest.mark.slow
def test_a_resume_does_not_read_the_parent_again(finished_run: Path, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    shutil.copytree(finished_run, parent)
    run, killed = tmp_path / "run", tmp_path / "killed"
    assert fit(run, f"{WORDS} --init-from {parent}") == 0
    shutil.rmtree(parent)
    shutil.copytree(run, killed)
    for path in checkpoints.paths(killed)[:-1]:
        path.unlink()
    assert cli.run(["fit", "--resume", str(killed)]) == 0
    same, again = arrays(run), arrays(killed)
    assert [name for name in same if same[name].tobytes() != again[name].tobytes()] == []


def test_a_checkpoint_file_and_a_remote_run(finished_run: Path, tmp_path: Path) -> None:
    file = checkpoints.paths(finished_run)[1]
    line = take_weights(make_model(), str(file))
    assert f"from {file}, step 4" in line
    url = "ram://parents/run"
    for path in (finished_run / "config.json", *checkpoints.paths(finished_run)):
        target = f"{url}/{path.relative_to(finished_run)}"
        tf.io.gfile.makedirs(target.rpartition("/")[0])
        tf.io.gfile.copy(str(path), target, overwrite=True)
    assert take_weights(make_model(), url) == f"weights: 48 of 48 from {url}, step 6"
    assert "step 4" in take_weights(make_model(), f"{url}/checkpoints/{file.name}")
    with pytest.raises(UserError, match=r"cannot read ram://parents/none\.npz"):
        take_weights(make_model(), "ram://parents/none.npz")


def make_model(**more: object) -> tfgan2.models.base.GenerativeModel:
    shape = more.pop("image_shape", (16, 16, 1))
    return tfgan2.create(
        "dcgan", image_shape=shape, **{"base_channels": 4, "latent_dim": 8, **more}
    )


def test_what_does_not_fit_stays_fresh_and_is_named(finished_run: Path) -> None:
    line = take_weights(make_model(latent_dim=9), str(finished_run))
    assert line.endswith(
        "fresh: generator/000/kernel (9, 128), there (8, 128), "
        "ema_generator/000/kernel (9, 128), there (8, 128)"
    )
    larger = take_weights(make_model(image_shape=(32, 32, 1)), str(finished_run))
    taken, _, total = larger.removeprefix("weights: ").split()[:3]
    assert 0 < int(taken) < int(total) and " more" in larger
    with pytest.raises(UserError, match=r"no kernel of .* fits this VAE: give a run"):
        take_weights(make_small("vae", base_channels=5), str(finished_run))
    # Biases fit, by chance.
    with pytest.raises(UserError, match=r"no kernel of .* fits this StyleGAN2: give a run"):
        take_weights(make_small("stylegan2", base_channels=32), str(finished_run))


@pytest.mark.parametrize(
    ("name", "fresh"),
    [
        ("stylegan2", {"generator": [0, 1], "discriminator": [14, 15, 16]}),
        ("r3gan", {"generator": [0, 1], "discriminator": [20]}),
    ],
)
def test_embeddings_of_classes_move_no_other_weights(
    name: str, fresh: dict[str, list[int]], tmp_path: Path
) -> None:
    shape, file = (16, 16, 1), tmp_path / "parent.npz"
    parent, child = (make_small(name, shape, conditional=known) for known in (False, True))
    by_name = {key: np.asarray(weight) for key, weight in parent.weights_by_name().items()}
    np.savez(file, header=np.frombuffer(b'{"step": 6}', np.uint8), **by_name)
    line = take_weights(child, str(file))
    named = {"ema_generator": fresh["generator"], **fresh}
    expected = {f"{network}/{number:03d}" for network in named for number in named[network]}
    assert set(re.findall(r"\w+/\d{3}", line)) == expected
    for network in ("generator", "ema_generator", "discriminator"):
        kernels = [
            [np.asarray(w) for w in getattr(model, network).weights if w.name == "kernel"][1:-1]
            for model in (parent, child)
        ]
        assert len(kernels[0]) > 5
        for theirs, ours in zip(*kernels, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_what_freeze_d_keeps_must_be_there(finished_run: Path) -> None:
    with pytest.raises(UserError, match=r"^freeze_d keeps discriminator/.*: lower freeze_d$"):
        take_weights(make_model(base_channels=5, freeze_d=1), str(finished_run))
    with pytest.raises(UserError, match=r"^freeze_d keeps discriminator/000/kernel, which"):
        take_weights(make_model(packing=2, freeze_d=1), str(finished_run))
    assert "fresh" not in take_weights(make_model(freeze_d=1), str(finished_run))


def test_discriminators_of_other_features_stay_fresh() -> None:
    model = tfgan2.create("projected", image_shape=(16, 16, 1), base_channels=4, feature_size=32)
    name = next(name for name in model.weights_by_name() if name.startswith("discriminator/"))
    own = dict(model.config)
    assert model.takes_weight(name, own) and model.takes_weight(name, {})
    for other in ({"seed": 1}, {"features": "efficientnet-lite1"}, {"feature_channels": 8}):
        assert not model.takes_weight(name, own | other)
        assert model.takes_weight("generator/000/kernel", own | other)


def test_averages_and_slow_weights_begin_at_the_weights_taken(
    finished_run: Path, tmp_path: Path
) -> None:
    parent = tmp_path / "parent.npz"
    kept = {k: v for k, v in arrays(finished_run).items() if not k.startswith("ema_")}
    header = np.frombuffer(b'{"step": 6}', np.uint8)
    np.savez(parent, header=header, **kept)
    model = make_model(lookahead=2)
    assert "fresh" not in take_weights(model, str(parent))
    for average, weight in zip(model.ema_generator.weights, model.generator.weights, strict=True):
        np.testing.assert_array_equal(average, weight)
    fast = [*model.generator.trainable_variables, *model.discriminator.trainable_variables]
    for slow, weight in zip(model.lookahead.variables, fast, strict=True):
        np.testing.assert_array_equal(slow, weight)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none", "no such run directory"),
        ("none.npz", "no such checkpoint"),
        ("folder", "is not a run directory: it has no config.json"),
        ("empty", "has no checkpoint yet"),
        ("samples.npz", "is damaged (it is no checkpoint of a run)"),
        ("broken.npz", "broken.npz is damaged"),
    ],
)
def test_mistakes(
    place: str,
    message: str,
    finished_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").mkdir()
    shutil.copy(finished_run / "config.json", tmp_path / "empty")
    np.savez(tmp_path / "samples.npz", images=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"PK" + bytes(50))
    out = tmp_path / "out"
    words = f"fit {WORDS} --init-from {tmp_path / place} --out {out}"
    assert_refused(words.split(), message, capsys)
    assert not out.exists()


# --- blocks that stay -----------------------------------------------------------------------------


def test_frozen_blocks_need_trained_weights(capsys: pytest.CaptureFixture[str]) -> None:
    words = f"fit {WORDS} --set freeze_d=1"
    assert_refused(words.split(), "freeze_d keeps random weights: give --init-from", capsys)


BLOCKS = {"mlp": 3, "dcgan": 3, "resnet": 3, "tutorial": 3, "began": 3, "fastgan": 2}


@pytest.mark.parametrize("network", BLOCKS)
def test_blocks_are_counted_from_the_image(network: str) -> None:
    count = BLOCKS[network]

    def discriminator(frozen: int) -> keras.Model:
        model = make_small("dcgan", (16, 16, 1), network=network, freeze_d=frozen)
        return model.discriminator

    message = f"^freeze_d must be from 0 to {count}, the blocks of D, not {count + 1}$"
    with pytest.raises(UserError, match=message):
        discriminator(count + 1)
    sizes = [len(discriminator(n).trainable_weights) for n in range(count + 1)]
    assert sizes == sorted(set(sizes), reverse=True) and sizes[-1] >= 2
    kernels = [w for w in discriminator(1).weights if w.name == "kernel"]
    assert not kernels[0].trainable and kernels[-1].trainable


@pytest.mark.parametrize("name", ["sngan", "began", "fastgan"])
def test_frozen_weights_stay(name: str) -> None:
    model = make_small(name, (16, 16, 1), freeze_d=2)
    model.compile()
    frozen = [w for w in model.discriminator.weights if not w.trainable]
    kernels = [w for w in model.discriminator.trainable_weights if w.name == "kernel"]
    before, others = ([w.numpy() for w in each] for each in (frozen, kernels))
    model.train_step(tensors_for(model))
    pairs = zip(frozen, before, strict=True)
    moved = {w.name for w, old in pairs if not np.array_equal(w, old)}
    # Batch norm still counts its batches, the spectral norms of the other blocks go on.
    assert moved <= {"moving_mean", "moving_variance", "vector_u"}
    assert len([w for w in frozen if w.name == "kernel"]) >= 2
    assert all(not np.array_equal(w, old) for w, old in zip(kernels, others, strict=True))
    again = type(model).from_config(model.get_config())
    assert len(again.discriminator.trainable_weights) == len(model.discriminator.trainable_weights)
