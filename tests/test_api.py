"""`tfgan2.fit`, `open_run` and `load`."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import SGD, eagerly, finished
from PIL import Image

import tfgan2
from tfgan2 import cli
from tfgan2.api.run import Run
from tfgan2.errors import TrainingInterrupted, UserError

TINY = {"base_channels": 4, "latent_dim": 8, **SGD}


def test_importing_loads_no_tensorflow() -> None:
    code = "import sys, tfgan2; tfgan2.fit; tfgan2.load; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_completion_finds_names_that_are_not_loaded() -> None:
    assert set(tfgan2.__all__) <= set(dir(tfgan2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "code", ["load_dataset('digits')", "create('gan', image_shape=(8, 8, 1), base_channels=4)"]
)
def test_tensorflow_is_loaded_without_its_messages(code: str) -> None:
    names = ("TF_CPP_MIN_LOG_LEVEL", "TFGAN2_DEBUG")
    env = {name: value for name, value in os.environ.items() if name not in names}
    words = [sys.executable, "-c", f"import tfgan2; tfgan2.{code}"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_samples_are_those_of_the_command_line(finished_run: Path, tmp_path: Path) -> None:
    run = tfgan2.open_run(finished_run)
    images = run.sample(5, seed=7)
    assert images.shape == (5, 16, 16, 1) and images.dtype == np.float32
    assert np.abs(images).max() <= 1
    out = tmp_path / "samples.npz"
    words = ["sample", str(finished_run), "--count", "5", "--seed", "7", "--out", str(out)]
    assert cli.run(words) == 0
    samples = run.draw(5, seed=7)
    np.testing.assert_array_equal(samples.latents, np.load(out)["latents"])
    np.testing.assert_array_equal(run.sample(latents=samples.latents), images)
    assert run.sample(3, interpolate=True, frames=4).shape[0] == 9
    with pytest.raises(UserError, match="give count or latents, not both"):
        run.sample(5, latents=samples.latents)
    with pytest.raises(UserError, match="number of latents must be at least 2, not 1"):
        run.sample(latents=samples.latents[:1], interpolate=True)
    np.testing.assert_array_equal(run.sample(5, seed=7, label=None, text=None), images)
    with pytest.raises(UserError, match="this generator takes no labels"):
        run.sample(2, label=3.0)
    with pytest.raises(UserError, match=r"latents must have the shape \(count, 8\), not \(\)"):
        run.sample(latents=5)
    assert run.step == 6 and run.config.flavour == "dcgan"
    assert [line["step"] for line in run.statistics()] == [2, 4, 6]
    assert isinstance(run.model(), keras.Model)
    assert run.sample(2, checkpoint=4).shape[0] == 2


def test_a_model_of_a_run_has_float32_whatever_the_global_policy(finished_run: Path) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tfgan2.open_run(finished_run).model()
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in model.generator.layers} == {"float32"}


def test_a_budget_may_be_a_text(finished_run: Path) -> None:
    with pytest.raises(UserError, match=r"budget must be like .*, not '3XB'"):
        tfgan2.distill(finished_run, budget="100KB, 3XB")


def test_a_timelapse_shows_the_grids(finished_run: Path, tmp_path: Path) -> None:
    grids = tfgan2.open_run(finished_run).timelapse(tmp_path / "out.gif")
    assert [path.name for path in grids] == ["step-0000004.png", "step-0000006.png"]
    with Image.open(tmp_path / "out.gif") as image:
        assert image.n_frames == 2
    with pytest.raises(UserError, match=r"a timelapse is a \.gif"):
        tfgan2.open_run(finished_run).timelapse(tmp_path / "out.png")


def test_evaluation_export_and_exported_files(finished_run: Path, tmp_path: Path) -> None:
    run = tfgan2.open_run(finished_run)
    figures = run.evaluate(
        ["fid"],
        count=40,
        features="random-conv-112",
        out=tmp_path / "result",
        quiet=True,
        cache_dir=tmp_path / "cache",
    )
    assert set(figures) >= {"fid"} and np.isfinite(figures["fid"])
    assert (tmp_path / "result" / "result.json").exists()
    (artifact,) = run.export("tflite", out=tmp_path / "export", images=16, quiet=True)
    assert artifact.path.exists() and artifact.max_difference < 1e-4
    images = tfgan2.load(artifact.path).generate(4, seed=1)
    np.testing.assert_allclose(images, run.sample(4, seed=1), atol=1e-4)
    latents = run.draw(2, seed=3).latents
    assert tfgan2.load(artifact.path)(latents).shape == (2, 16, 16, 1)


@pytest.mark.slow
def test_an_exported_translator(tmp_path: Path) -> None:
    location = finished(tmp_path / "run", "srgan --dataset digits --set blocks=1")
    run = tfgan2.open_run(location)
    with pytest.raises(UserError, match="srgan takes images, not latents"):
        run.sample(2)
    (artifact,) = run.export("onnx", images=16, quiet=True)
    assert tfgan2.load(artifact.path).scale > 1


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"hyperparameters": TINY, "xla": False, "dry_run": True}
    run = tfgan2.fit("dcgan", "digits", out=tmp_path / "x", **settings)
    assert "generator: (None, 8) -> (None, 16, 16, 1)" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="no such run directory"):
        run.config  # noqa: B018


def test_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"steps": 1, "xla": False, "quiet": True, "hyperparameters": TINY}
    with eagerly():
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", **options)
    assert capsys.readouterr().out == ""


class Interrupting(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_is_an_error_that_says_where_to_go_on(tmp_path: Path) -> None:
    options = {"steps": 50, "xla": False, "quiet": True, "hyperparameters": TINY}
    with pytest.raises(TrainingInterrupted, match="saved at step 2 of 50") as caught:
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", callbacks=[Interrupting()], **options)
    assert caught.value.signal == signal.SIGINT and caught.value.step == 2
    assert tfgan2.open_run(caught.value.location).step == 2


def test_arguments_are_those_of_the_command_line() -> None:
    names = set(inspect.signature(tfgan2.fit).parameters)
    flags = {"settings": "hyperparameters", "resume": None}
    from tfgan2.cli.fit import fit

    for name in inspect.signature(fit).parameters:
        assert flags.get(name, name) in {*names, None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flavour": "dcgann"}, "did you mean 'dcgan'"),
        ({"flavour": 5}, "a flavour is given by its name, not as 5"),
        ({"dataset": "digit"}, "did you mean 'digits'"),
        ({"stepz": 3}, "unknown option 'stepz': did you mean 'steps'"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"steps": "many"}, "steps must be a whole number, not 'many'"),
        ({"steps": 5, "epochs": 1}, "steps or epochs, not both"),
        ({"precision": "float8"}, "unknown precision 'float8'"),
        ({"classes": 3}, "classes must be a list of names, not 3"),
        ({"classes": "1, frog"}, "unknown class 'frog'"),
        ({"seed": 2**31}, "seed must be from 0 to 2147483647, not"),
        ({"hyperparameters": {"latent": 3}}, "did you mean 'latent_dim'"),
        ({"hyperparameters": ["latent_dim=3"]}, "hyperparameters must be a dictionary, such as"),
        ({"latent_dim": 3}, "latent_dim is a hyperparameter: give hyperparameters={'latent_dim'"),
        ({"best_metric": "fid"}, "evaluate_every is missing"),
    ],
)
def test_mistakes_are_one_line(arguments: dict, message: str, tmp_path: Path) -> None:
    given = {"flavour": "dcgan", "dataset": "digits", "out": tmp_path / "run", **arguments}
    with pytest.raises(UserError, match=message):
        tfgan2.fit(**given)
    assert not list(tmp_path.iterdir())


def test_a_dataset_is_one_line_in_a_notebook() -> None:
    shown = "ImageDataset('digits', num_images=1797, image_shape=(16, 16, 1))"
    assert repr(tfgan2.load_dataset("digits")) == shown


def test_unknown_arguments_are_one_line(finished_run: Path) -> None:
    run = tfgan2.open_run(finished_run)
    for function, arguments, message in (
        (run.sample, {"labels": [1]}, "unknown option 'labels': did you mean 'label'"),
        (run.draw, {"sead": 1}, "did you mean 'seed'"),
        (run.evaluate, {"cuont": 40}, "did you mean 'count'"),
        (run.export, {"precisions": "int8"}, "did you mean 'precision'"),
        (run.export, {"format": "tflite"}, r"each format .* export\('tflite', 'onnx'\)"),
        (tfgan2.load_dataset, {"name": "digits", "image_sise": 8}, "did you mean 'image_size'"),
    ):
        with pytest.raises(UserError, match=message):
            function(**arguments)
    with pytest.raises(UserError, match="give each format as an argument of its own"):
        run.export(["tflite", "onnx"])
    with pytest.raises(UserError, match="unknown metric 'fidd': did you mean 'fid'"):
        run.evaluate("fidd")


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([5], "callbacks must be Keras callbacks, not 5"),
        (keras.callbacks.EarlyStopping("generator_loss", mode="min"), "EarlyStopping acts after"),
        ([keras.callbacks.LearningRateScheduler(abs)], "give a callback with a method on_train_ba"),
    ],
)
def test_callbacks_that_cannot_act_are_refused(
    callbacks: object, message: str, tmp_path: Path
) -> None:
    options = {"steps": 1, "xla": False, "hyperparameters": TINY, "callbacks": callbacks}
    with pytest.raises(UserError, match=message):
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", quiet=True, **options)
    assert not list(tmp_path.iterdir())


def test_texts_in_place_of_numbers_are_refused(finished_run: Path) -> None:
    run = tfgan2.open_run(finished_run)
    with pytest.raises(UserError, match="steps must be a whole number, not '9'"):
        run.resume(steps="9")
    with pytest.raises(UserError, match="epochs must be above 0 and finite, not '9'"):
        run.resume(epochs="9")


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("sample", {"seed", "label", "latents", "checkpoint"}),
        ("draw", {"seed", "label", "latents", "checkpoint"}),
        ("evaluate", {"count", "features", "real_dir", "cache_dir"}),
        ("export", {"precision", "batch", "seed", "bundle"}),
    ],
)
def test_signatures_list_the_options(name: str, names: set[str]) -> None:
    shown = inspect.signature(getattr(Run, name)).parameters
    assert names <= set(shown)
    assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in shown.values())
    assert "precisions" not in shown


def test_data_that_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for number in range(4):
        Image.new("L", (8, 8), 50 * number).save(old / f"{number}.png")
    options = {"hyperparameters": TINY, "xla": False, "image_size": 8, "batch_size": 3}
    with eagerly():
        run = tfgan2.fit("dcgan", f"folder:{old}", steps=1, out=tmp_path / "run", **options)
    old.rename(new)
    with pytest.raises(UserError, match=r"at '.*/old': if they have moved, give --dataset folder:"):
        run.resume(steps=1)
    with pytest.raises(UserError, match="'digits' is another kind of dataset"):
        run.resume(steps=1, dataset="digits")
    with pytest.raises(UserError, match=f"give folder:{new}"):
        run.resume(steps=1, dataset=str(new))
    with pytest.raises(UserError, match=r"folder '.*/none' does not exist"):
        run.resume(steps=1, dataset=f"folder:{tmp_path}/none")
    words = ["fit", "--resume", run.location, "--dataset", f"folder:{new}"]
    with eagerly():
        assert run.resume(steps=2, dataset=f"folder:{new}").step == run.step == 2
    assert run.config.training.steps == 2 and run.config.data.name == f"folder:{new}"
    assert cli.run(words) == 0
    assert tfgan2.open_run(run.location).config.data.name == f"folder:{new}"
    (new / "3.png").unlink()
    assert cli.run(words) == 2
    assert "began with: 1 of 4 files is missing ('3.png');" in capsys.readouterr().err


def test_what_is_no_run_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        tfgan2.open_run(tmp_path)
    with pytest.raises(UserError, match=r"none\.onnx"):
        tfgan2.load(tmp_path / "none.onnx")
