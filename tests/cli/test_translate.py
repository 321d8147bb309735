"""`tfgan2 translate`, and `--text` of `sample` and `generate`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import finished
from PIL import Image

import tfgan2
from tfgan2 import cli
from tfgan2.errors import UserError


def exported(out: Path, words: str) -> Path:
    finished(out, f"--image-size 16 --batch-size 4 {words}")
    words = f"export {out} --format onnx --format tflite --images 16"
    assert cli.run(words.split()) == 0
    return out


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("runs") / "filler", "inpainting --dataset digits")


@pytest.fixture(scope="module")
def enlarger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "enlarger"
    return exported(run, "srgan --dataset digits --channels 3 --set blocks=1")


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Enough steps for sentences to make a difference.
    words = "stackgan --dataset digits-captions --steps 60 --batch-size 16 --set base_channels=8"
    return exported(tmp_path_factory.mktemp("runs") / "speaker", words)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two grey images, one in a subfolder."""
    root = tmp_path / "pictures"
    (root / "deeper").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, shape in (("a.png", (16, 16)), ("deeper/b.jpg", (19, 30))):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(root / name)
    return root


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), int)


def test_outside_the_mask_nothing_changes(filler: Path, pictures: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for path in pictures.rglob("*.*"):
        mask = np.zeros(opened(path).shape, np.uint8)
        mask[3:9, 5:12] = 255
        target = (masks / path.relative_to(pictures)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    words = f"translate {filler} --input {pictures} --mask {masks} --out {tmp_path / 'out'}"
    assert cli.run(words.split()) == 0
    for name in ("a", "deeper/b"):
        source = next(pictures.glob(f"{name}.*"))
        mask = opened(masks / f"{name}.png") > 127
        made, given = opened(tmp_path / "out" / f"{name}.png"), opened(source)
        np.testing.assert_array_equal(made[~mask], given[~mask])
        assert (made[mask] != given[mask]).mean() > 0.5
    # One mask for one picture; without a mask the middle is filled.
    one = f"translate {filler}/export/generator.onnx --input {pictures}/a.png --out {tmp_path}/1"
    assert cli.run([*one.split(), "--mask", str(masks / "a.png")]) == 0
    np.testing.assert_allclose(
        opened(tmp_path / "1" / "a.png"), opened(tmp_path / "out/a.png"), atol=1
    )
    assert cli.run(f"translate {filler} --input {pictures}/a.png --out {tmp_path}/2".split()) == 0
    changed = opened(tmp_path / "2" / "a.png") != opened(pictures / "a.png")
    assert changed[4:12, 4:12].mean() > 0.5 and not changed[:4].any() and not changed[:, 12:].any()


MARKS = np.zeros((16, 16), np.uint8)
MARKS[3:9, 5:12] = 1
MASKS = {
    "zero and one": Image.fromarray(MARKS),
    "sixteen bits": Image.fromarray(MARKS.astype(np.uint16)),
    "red": Image.fromarray(np.dstack([MARKS * 255, MARKS * 0, MARKS * 0])),
    "black strokes": Image.fromarray(np.dstack([MARKS * 0] * 3 + [MARKS * 255])),
    "white keeps": Image.fromarray(255 - 255 * MARKS),
}


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *((kind, "/export/generator.onnx") for kind in MASKS),
        *(pytest.param(k, "", marks=[pytest.mark.slow] * (k != "white keeps")) for k in MASKS),
    ],
)
def test_what_a_mask_marks_is_filled(
    filler: Path, pictures: Path, tmp_path: Path, kind: str, suffix: str
) -> None:
    MASKS[kind].save(tmp_path / "mask.png")
    words = f"translate {filler}{suffix} --input {pictures}/a.png --out {tmp_path}/out"
    words += f" --mask {tmp_path}/mask.png" + " --invert-mask" * (kind == "white keeps")
    assert cli.run(words.split()) == 0
    changed = opened(tmp_path / "out" / "a.png") != opened(pictures / "a.png")
    assert changed[MARKS == 1].mean() > 0.5 and not changed[MARKS == 0].any()


@pytest.mark.slow
def test_a_translator_of_a_run(enlarger: Path, pictures: Path, tmp_path: Path) -> None:
    words = f"translate {enlarger} --input {pictures} --out {tmp_path / 'out'}"
    assert cli.run(words.split()) == 0
    run = tfgan2.open_run(enlarger)
    _, made = run.translator().translate(Image.open(pictures / "deeper/b.jpg"))
    np.testing.assert_array_equal(made, opened(tmp_path / "out/deeper/b.png"))
    for wrong, message in (("BtoA", "srgan has one direction"), ("up", "must be AtoB or BtoA")):
        with pytest.raises(UserError, match=message):
            run.translator(direction=wrong)
    with pytest.raises(UserError, match=r"use run.translator\(\)"):
        run.sample()


def test_compare_shows_input_and_result(enlarger: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = f"translate {enlarger} --input {pictures} --out {out} --compare"
    assert cli.run(words.split()) == 0
    assert opened(out / "a.png").shape == (64, 128, 3)
    assert opened(out / "deeper" / "b.png").shape == (76, 240, 3)
    given = opened(pictures / "a.png").repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(opened(out / "a.png")[:, :64, 1], given)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", "/export/generator.onnx"])
def test_16_bit_grey_for_a_colour_network(enlarger: Path, suffix: str, tmp_path: Path) -> None:
    """16 bits are scaled to 8 and converted to RGB, with a free or fixed size."""
    shallow = np.random.default_rng(0).integers(0, 256, (4, 4)).astype(np.uint16)
    for name, pixels in (("deep", 257 * shallow), ("shallow", shallow.astype(np.uint8))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        words = f"translate {enlarger}{suffix} --input {tmp_path}/{name}.png --out {tmp_path}/out"
        assert cli.run([*words.split()[:-1], f"{tmp_path}/{name}"]) == 0
    np.testing.assert_array_equal(
        opened(tmp_path / "deep/deep.png"), opened(tmp_path / "shallow/shallow.png")
    )


@pytest.mark.slow
def test_inputs_have_the_range_of_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each by itself would become black and white; 8-bit images stay as they are."""
    rng = np.random.default_rng(0)
    for side, high, dtype in (("A", 4096, np.uint16), ("B", 256, np.uint8)):
        (tmp_path / "data" / side).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, high, (16, 16), dtype)
            Image.fromarray(pixels).save(tmp_path / "data" / side / f"{i}.png")
    run = finished(
        tmp_path / "run",
        f"pix2pix --dataset pairs:{tmp_path / 'data'} --image-size 16 --hold-out 1 --batch-size 1",
    )
    assert cli.run(["export", str(run), "--format", "onnx", "--images", "16"]) == 0
    metadata = json.loads((run / "export" / "metadata.json").read_text())
    assert metadata["input_ranges"] == {"16-bit": [0, 4095]}
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    dark = rng.integers(0, 500, (16, 16), np.uint16)
    Image.fromarray(dark).save(inputs / "deep.png")
    Image.fromarray((dark // 50).astype(np.uint8)).save(inputs / "dark.png")
    Image.fromarray(dark.astype(np.float32) - 100).save(inputs / "float.tif")
    for number, model in enumerate((run, run / "export" / "generator.onnx")):
        out = tmp_path / f"out{number}"
        words = f"translate {model} --input {inputs} --out {out} --compare"
        assert cli.run(words.split()) == 0
        taken = {path.stem: opened(path)[:, :16] for path in out.iterdir()}
        np.testing.assert_array_equal(taken["deep"], np.rint(dark * 255.0 / 4095))
        np.testing.assert_array_equal(taken["dark"], dark // 50)
        assert (taken["float"].min(), taken["float"].max()) == (0, 255)
        assert "0 is black, 4095 is white in 16-bit files" in capsys.readouterr().out


def test_unusable_files_are_refused_before_anything_is_written(
    filler: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, out = tmp_path / "masks", tmp_path / "out"
    (masks / "deeper").mkdir(parents=True)
    box = Image.new("L", (16, 16))
    box.paste(255, (2, 3, 9, 9))
    box.save(masks / "a.png")
    box.save(masks / "deeper" / "b.png")
    words = f"translate {filler} --input {pictures} --out {out}".split()

    def refused(message: str, *more: str) -> None:
        assert cli.run([*words, *more]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ") and message in error
        assert not out.exists()

    refused("b.png: the mask is 16x16, the image 30x19", "--mask", str(masks))
    for shade, hidden in ((0, "nothing"), (1, "everything"), (255, "everything")):
        Image.new("L", (30, 19), shade).save(masks / "deeper" / "b.png")
        refused(f"{masks}/deeper/b.png: the mask hides {hidden}: draw", "--mask", str(masks))
    light = Image.new("L", (30, 19), 255)
    light.paste(0, (5, 5, 15, 12))
    light.save(masks / "deeper" / "b.png")
    refused("b.png marks 88% of the image: give --no-invert-mask to fill", "--mask", str(masks))
    refused("a.png: there is no mask to invert", "--invert-mask")
    Image.new("F", (16, 16), float("nan")).save(pictures / "c.tif")
    refused("cannot read 'c.tif': some of its values are not finite")
    (pictures / "d.png").write_bytes(b"x")
    refused("(and 1 more of 4); repair or remove it, or give --skip-unreadable")
    assert cli.run([*words[:-1], f"{out}-2", "--skip-unreadable"]) == 0
    assert "left out 2 of 4 files that cannot be read" in capsys.readouterr().err
    assert {path.name for path in Path(f"{out}-2").rglob("*.png")} == {"a.png", "b.png"}
    (pictures / "d.png").unlink()
    Image.new("L", (16, 16)).save(pictures / "c.png")
    refused("are both called 'c': rename one")


def test_a_warning_names_the_file(
    filler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    Image.new("L", (16, 16)).save(tmp_path / "a.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    words = f"translate {filler}/export/generator.onnx --input {tmp_path}/a.tif --out {tmp_path}/o"
    assert cli.run(words.split()) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: 1 of 1 files gave warnings, the first is 'a.tif'")


@pytest.mark.slow
def test_exported_files_need_no_tensorflow(
    enlarger: Path, speaker: Path, pictures: Path, tmp_path: Path
) -> None:
    commands = [
        f"translate {enlarger}/export/generator.{kind} --input {pictures} --out {tmp_path / kind}"
        for kind in ("onnx", "tflite")
    ]
    commands.append(
        f"generate {speaker}/export/generator.onnx --text seven --count 2 --out {tmp_path}/7.png"
    )
    code = (
        "import sys; from tfgan2 import cli\n"
        f"assert [cli.run(words.split()) for words in {commands!r}] == [0, 0, 0]\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    # The size of the file is fixed: the middle of each picture, 4x4 small, is made 16x16.
    assert opened(tmp_path / "onnx" / "deeper" / "b.png").shape == (16, 16, 3)


@pytest.mark.slow
def test_texts(speaker: Path, tmp_path: Path) -> None:
    def arrays(words: str) -> np.ndarray:
        out = tmp_path / "x.npz"
        assert cli.run([*words.split(), "--seed", "3", "--out", str(out)]) == 0
        return np.load(out)["images"].astype(int)

    def sample(*texts: str) -> np.ndarray:
        out = tmp_path / "x.npz"
        told = [word for text in texts for word in ("--text", text)]
        words = ["sample", str(speaker), "--count", "4", "--seed", "3", "--out", str(out), *told]
        assert cli.run(words) == 0
        return np.load(out)["images"].astype(int)

    seven, both = sample("a handwritten seven"), sample("a handwritten seven", "the digit two")
    np.testing.assert_array_equal(both[[0, 2]], seven[[0, 2]])
    assert np.abs(both[1] - seven[1]).max() > 0
    np.testing.assert_array_equal(sample("A handwritten, SEVEN!"), seven)
    captions = sample()
    assert captions.shape == (4, 16, 16, 1)
    generated = arrays(f"generate {speaker}/export/generator.tflite --count 4")
    assert np.abs(generated - captions).max() <= 1


@pytest.mark.slow
def test_a_text_generator_of_another_precision_and_a_foreign_encoder(
    speaker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "half"
    half = ["--format", "tflite", "--precision", "float16", "--out", str(out)]
    assert cli.run(["export", str(speaker), *half]) == 0
    made = {}
    for file in (out / "generator.float16.tflite", speaker / "export" / "generator.tflite"):
        words = ["generate", str(file), "--text", "seven", "--count", "3"]
        assert cli.run([*words, "--out", str(tmp_path / "x.npz")]) == 0
        made[file.name] = np.load(tmp_path / "x.npz")["images"].astype(int)
    one, other = made.values()
    assert np.abs(one - other).max() <= 1
    run = exported(
        tmp_path / "other",
        "stackgan --dataset digits-captions --set text_dim=7 --set text_steps=1",
    )
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for source, name in ((speaker, "generator.onnx"), (run, "text_encoder.onnx")):
        (foreign / name).write_bytes((source / "export" / name).read_bytes())
    capsys.readouterr()
    words = ["generate", str(foreign / "generator.onnx"), "--out", str(tmp_path / "x.png")]
    assert cli.run(words) == 2
    error = capsys.readouterr().err
    assert "encodes a text as 7 numbers, generator.onnx takes 128" in error
    (foreign / "generator.onnx").rename(foreign / "renamed.onnx")
    assert cli.run([*words[:1], str(foreign / "renamed.onnx"), *words[2:]]) == 2
    assert "name them as `tfgan2 export` did" in capsys.readouterr().err


WRONG_WORDS = [
    ("translate {filler} --input nowhere --out o", "nowhere does not exist"),
    ("translate nowhere.onnx --input {pictures} --out o", "nowhere.onnx does not exist"),
    ("translate {filler} --input {empty} --out o", "holds no images"),
    ("translate {filler} --input {broken} --out o", "cannot read"),
    ("translate {filler} --input {pictures} --out {pictures}", "is not an empty folder"),
    ("translate {filler} --input {pictures} --out o --mask {small}", "the mask is 3x3, the"),
    ("translate {filler} --input {pictures} --out o --mask {empty}", "has no mask called 'a'"),
    ("translate {filler} --input {pictures} --out o --direction BtoA", "has one direction"),
    ("translate {enlarger} --input {pictures} --out o --mask {small}", "takes no mask"),
    ("translate {enlarger} --input {pictures} --out o --invert-mask", "takes no mask"),
    ("translate {speaker} --input {pictures} --out o", "takes no images"),
    ("sample {filler} --out o.png", "`tfgan2 translate"),
    ("sample {speaker} --text nonsense --out o.png", "no word of 'nonsense' is known"),
    ("generate {filler}/export/generator.onnx --out o.png", "use `tfgan2 translate`"),
    ("generate {speaker}/export/text_encoder.onnx --out o.png", "give the generator beside it"),
    (
        "translate {speaker}/export/generator.onnx --input {pictures} --out o",
        "`tfgan2 generate`",
    ),
    ("export {speaker} --dynamic-size --out o", "leave --dynamic-size out"),
    ("fit pix2pix --dataset digits --out o", "give pairs:DIR"),
    ("fit pix2pix --dataset folder:{pictures} --out o", "give pairs:/"),
    ("fit cyclegan --dataset folder:{pictures} --out o", "give unpaired:/"),
    ("fit dcgan --dataset pairs:{pictures} --out o", "give folder:/"),
    ("fit stackgan --dataset digits --out o", "give captions:FILE"),
    (
        "fit srgan --dataset digits --image-size 18 --out o",
        "must be multiples of 4, 4 or more",
    ),
]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(words, message, marks=[pytest.mark.slow] * ("{speaker}" in words))
        for words, message in WRONG_WORDS
    ],
)
def test_wrong_words(
    words: str,
    message: str,
    request: pytest.FixtureRequest,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = {name: tmp_path / name for name in ("empty", "broken", "work")}
    for place in places.values():
        place.mkdir()
    (places["broken"] / "x.png").write_bytes(b"no picture")
    small = tmp_path / "small.png"
    Image.new("L", (3, 3)).save(small)
    monkeypatch.chdir(places["work"])
    runs = {
        name: request.getfixturevalue(name)
        for name in ("filler", "enlarger", "speaker")
        if f"{{{name}}}" in words
    }
    filled = words.format(pictures=pictures, small=small, **runs, **places)
    assert cli.run(filled.split()) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not list(places["work"].iterdir())


@pytest.mark.slow
def test_a_uint8_file(filler: Path, pictures: Path, tmp_path: Path) -> None:
    """A uint8 file calibrated on other data gives the same images as the float file."""
    words = f"export {filler} --format tflite --output uint8 --images 16 --allow-lossy"
    words += f" --precision float32 --precision int8 --calibration faces --out {tmp_path / 'e'}"
    assert cli.run(words.split()) == 0
    made = {}
    for file in (filler / "export" / "generator.tflite", *(tmp_path / "e").glob("*.tflite")):
        out = tmp_path / f"made-{len(made)}"
        assert cli.run(f"translate {file} --input {pictures} --out {out}".split()) == 0
        made[file] = [opened(path) for path in sorted(out.rglob("*.png"))]
    full, *others = made.values()
    assert len(others) == 2
    for one, other in zip(full, made[tmp_path / "e" / "generator.tflite"], strict=True):
        assert np.abs(one - other).max() <= 1
    listed = json.loads((tmp_path / "e" / "metadata.json").read_text())["artefacts"]
    assert [item.get("calibration") for item in listed] == [None, "64 of faces"]
