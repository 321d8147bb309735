"""The bundle is complete and reproducible, and its code runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import make_small
from PIL import Image, ImageOps

from tfgan2 import runtime
from tfgan2.export import ExportSpec, Options, export_networks, model_specs
from tfgan2.export.bundle import TEMPLATES, snippets, zip_folder
from tfgan2.inputs import words
from tfgan2.runtime import shipped
from tfgan2.runtime.container import sha256_of

NODE = shutil.which("node")
KINDS = {
    "labels": "cgan",
    "images": "pix2pix",
    "masks": "inpainting",
    "sentences": "stackgan",
    "styles": "stylegan2",
    "thresholds": "biggan",
}
TRUNCATED = {"stylegan2": 0.75, "biggan": 0.5}
BATCHES = {"pix2pix": 2, "stackgan": 2}
RANGES = {"pix2pix": {"8-bit": (0.0, 15.0)}}


def export(folder, flavour, **options):
    model = make_small(flavour)
    truncation = TRUNCATED.get(flavour)
    options |= {"truncation": truncation, "batch": BATCHES.get(flavour)}
    options = Options(["tflite", "onnx"], images=16, bundle=True, **options)
    specs = model_specs(model, model.label_names(["cat", "dog", "7"]), options)
    if flavour in RANGES:
        facts = {"input_ranges": RANGES[flavour]}
        specs = {name: replace(s, facts={**s.facts, **facts}) for name, s in specs.items()}
    return export_networks(
        specs,
        folder,
        options,
        about={"flavour": flavour, "dataset": "digits"},
    )


KIND_PARAMS = [
    pytest.param(kind, marks=[pytest.mark.slow] * (kind not in ("labels", "images")))
    for kind in KINDS
]


@pytest.fixture(scope="module", params=KIND_PARAMS)
def bundle(request, tmp_path_factory):
    """The bundle of a network with such inputs; the one with sentences has uint8 images."""
    folder = tmp_path_factory.mktemp(request.param)
    output = "uint8" if request.param == "sentences" else "float32"
    export(folder, KINDS[request.param], output=output)
    return folder / "bundle"


def blocks(bundle, language):
    text = (bundle / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_complete(bundle):
    metadata = json.loads((bundle / "metadata.json").read_text())
    files = {item["file"]: item for item in metadata["artefacts"]}
    parity = json.loads((bundle / "parity.json").read_text())["files"]
    assert files.keys() == parity.keys()
    for name, item in files.items():
        assert sha256_of(bundle / name) == item["sha256"]
        assert parity[name]["psnr"] == item["psnr"] > 80
        assert parity[name]["frechet"]["images"] == 16
        shown = bundle / "samples" / f"{name}.png"
        assert shown.exists() == (item["outputs"][0]["name"] == "image")
    one, other = (
        np.asarray(Image.open(bundle / "samples" / f"generator{suffix}.png"), int)
        for suffix in (".tflite", ".onnx")
    )
    assert np.abs(one - other).max() <= 1 and np.ptp(one) > 0
    if metadata["class_names"]:
        assert (bundle / "labels.txt").read_text() == "cat\ndog\n7\n"
    else:
        assert not (bundle / "labels.txt").exists()
    readme = (bundle / "README.md").read_text()
    for tensor in [*metadata["inputs"], *metadata["outputs"]]:
        assert f"| `{tensor['name']}` |" in readme
    rules = (words.INVISIBLE, words.ALONE, words.WORD, words.APOSTROPHES)
    assert all((rule in readme) == ("captions" in metadata) for rule in rules)


@pytest.mark.parametrize("number", [0, 1])
def test_the_python_runs(bundle, tmp_path, number):
    folder = shutil.copytree(bundle, tmp_path / "elsewhere")
    for path in (*folder.glob("samples/*-input.png"), *folder.glob("samples/*-mask.png")):
        with Image.open(path) as square:
            wide = ImageOps.expand(square, (6, 0, 6, 0))
        wide.save(path)
    code = blocks(bundle, "python")[number]
    alone = "\nimport sys\nassert not {'tfgan2', 'tensorflow', 'keras'} & set(sys.modules)\n"
    subprocess.run([sys.executable, "-c", code + alone], cwd=folder, check=True, timeout=120)
    metadata = json.loads((bundle / "metadata.json").read_text())
    output = metadata["outputs"][0]
    with Image.open(folder / "result.png") as made:
        assert made.size == (output["shape"][2], output["shape"][1])
        assert np.ptp(np.asarray(made)) > 0
        if "input_ranges" in metadata:
            source = Image.open(folder / "samples" / "generator-input.png")
            assert source.getextrema()[1] < 16
            _, expected = runtime.load(folder / "generator.onnx").translate(source)
            assert np.abs(np.asarray(made, int) - np.asarray(expected)).max() <= 1


STUB = """
let opened = 0;
process.on("exit", () => { process.exitCode = opened; });
export class Tensor {
  constructor(type, data, dims) { Object.assign(this, { type, data, dims }); }
}
export const InferenceSession = {
  async create(file) {
    opened++;
    return {
      async release() { opened--; },
      async run(feeds) {
        const seen = Object.entries(feeds).map(([name, t]) => [
          name, t.type, t.data.constructor.name, t.data.length, t.dims,
          Math.min(...t.data), Math.max(...t.data)]);
        console.log(JSON.stringify([file, seen]));
        const text = new Tensor("float32", new Float32Array(BATCH * DIM), [BATCH, DIM]);
        if ("words" in feeds) return { text };
        return { image: new Tensor("float32", VALUES, [1, 16, 16, 1]) };
      },
    };
  },
};
"""


CALL = """
import { generate } from "./code.mjs";
console.log(JSON.stringify([...await generate(ARGUMENTS)]));
"""


def run_javascript(folder, code, arguments, **values):
    """Runs the code with the stand-in, filled with these values; returns the printed JSON."""
    package = folder / "node_modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"type": "module", "main": "index.js"}')
    stub = STUB
    for name, value in values.items():
        stub = stub.replace(name, str(value))
    (package / "index.js").write_text(stub)
    (folder / "code.mjs").write_text(code)
    (folder / "run.mjs").write_text(CALL.replace("ARGUMENTS", arguments))
    ran = subprocess.run(
        [NODE, "run.mjs"], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_the_javascript_feeds_and_shows(bundle, tmp_path):
    """Runs the code with a stand-in for onnxruntime-web that prints its inputs."""
    (code,) = blocks(bundle, "javascript")
    metadata = json.loads((bundle / "metadata.json").read_text())
    text = next((i["shape"][1] for i in metadata["inputs"] if i["name"] == "text"), 0)
    rounds = metadata["outputs"][0]["dtype"] == "uint8"
    count = int(np.prod(metadata["outputs"][0]["shape"][1:]))
    values = f"Uint8Array.from({{ length: {count} }}, (_, i) => i)"
    if not rounds:
        values = f"Float32Array.from({{ length: {count} }}, (_, i) => i / 127.5 - 1)"
    batch = next(i["batch"] for i in metadata["artefacts"] if i["file"] == "generator.onnx") or 1
    picture = "{ data: Uint8ClampedArray.from({ length: 1024 }, (_, i) => i % 256) }"
    calls = {"label": "2", "input": picture, "mask": picture}
    given = ", ".join(calls[i["name"]] for i in metadata["inputs"] if i["name"] in calls)
    *fed, pixels = run_javascript(tmp_path, code, given, BATCH=batch, DIM=text, VALUES=values)
    # Grey becomes red, green and blue, opaque; every level stays the same.
    assert pixels == [level for i in range(count) for level in (i, i, i, 255)]
    assert fed[-1][0] == "generator.onnx"
    for _, _, _, size, dims, _, _ in (tensor for _, tensors in fed for tensor in tensors):
        assert dims[0] == batch and size == np.prod(dims)
    seen = {name: rest for name, *rest in fed[-1][1]}
    assert seen.keys() == {item["name"] for item in metadata["inputs"]}
    for item in metadata["inputs"]:
        kind, array, _, dims, low, high = seen[item["name"]]
        assert kind == item["dtype"]
        assert array == {"float32": "Float32Array", "int32": "Int32Array"}[kind]
        assert dims[1:] == item["shape"][1:]
        constant = {"label": (2, 2), "mask": (0, 1), "text": (0, 0), "truncation": (0.75, 0.75)}
        expected = constant.get(item["name"])
        if expected:
            assert (low, high) == expected
        if item["name"] == "input":
            darkest = 14 if "input_ranges" in metadata else 1  # the grey of 0, 1 and 2, stretched
            assert low == pytest.approx(darkest / 127.5 - 1) and 0.9 < high <= 1
        if item["name"] == "z":
            assert low < high and np.isfinite([low, high]).all()
            threshold = metadata.get("truncation", {"of": ""})
            if threshold["of"] == "latents":
                assert low >= -0.5 and high <= 0.5


@pytest.fixture(scope="module")
def onnxruntime_web(tmp_path_factory):
    """A node_modules with onnxruntime-web."""
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "onnxruntime-web"]
    if subprocess.run(command, cwd=folder, capture_output=True).returncode:
        pytest.skip("npm cannot fetch onnxruntime-web here")
    return folder / "node_modules"


@pytest.mark.slow
@pytest.mark.skipif(NODE is None or shutil.which("npm") is None, reason="needs node and npm")
def test_the_javascript_runs_with_onnxruntime_web(bundle, onnxruntime_web, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / "elsewhere")
    (folder / "node_modules").symlink_to(onnxruntime_web)
    (folder / "code.mjs").write_text(blocks(bundle, "javascript")[0])
    metadata = json.loads((bundle / "metadata.json").read_text())
    picture = "{ data: Uint8ClampedArray.from({ length: 1024 }, (_, i) => i % 256) }"
    calls = {"label": "2", "input": picture, "mask": picture}
    given = ", ".join(calls[i["name"]] for i in metadata["inputs"] if i["name"] in calls)
    (folder / "run.mjs").write_text(CALL.replace("ARGUMENTS", given))
    ran = subprocess.run(
        [NODE, "run.mjs"], cwd=folder, check=True, capture_output=True, text=True, timeout=120
    )
    pixels = np.array(json.loads(ran.stdout.splitlines()[-1])).reshape(-1, 4)
    height, width = metadata["outputs"][0]["shape"][1:3]
    assert len(pixels) == height * width and (pixels[:, 3] == 255).all()
    assert np.ptp(pixels[:, 0]) > 0


def test_kotlin_and_swift_name_the_tensors(bundle):
    """Checks names only: there is no compiler here."""
    assert "--dynamic-size" not in (bundle / "README.md").read_text()
    metadata = json.loads((bundle / "metadata.json").read_text())
    for language in ("kotlin", "swift"):
        (code,) = blocks(bundle, language)
        assert all(code.count(a) == code.count(b) for a, b in ("()", "[]", "{}"))
        for item in metadata["inputs"]:
            assert f'"{item["name"]}"' in code
        assert "generator" in code and '"image"' in code
        if language == "kotlin":
            assert code.count("CompiledModel.create(") == 1 + (" + listOf(encoder, " in code)
            assert "opened.forEach { it.close() }" in code
        repeated = {"kotlin": "Array(2 * ", "swift": "count: 2"}[language] in code
        assert repeated == (metadata["artefacts"][0]["batch"] == 2)
        if "input_ranges" in metadata:
            assert {"kotlin": "(stretched(input)", "swift": "1 is 15"}[language] in code
        if language == "kotlin" and "input" in [item["name"] for item in metadata["inputs"]]:
            assert "createScaledBitmap(middle, width, height, true)" in code
        assert ("UInt8](try" in code or "readInt8" in code) == (
            metadata["outputs"][0]["dtype"] == "uint8"
        )


def test_functions_of_several_networks_have_their_names():
    metadata = runtime.read_metadata("pretrained:digits")
    entry = {**metadata, "file": "a_to_b.tflite", "network": "a_to_b"}
    for snippet in snippets([entry], {"a_to_b": metadata}):
        code = TEMPLATES.get_template(f"{snippet['language'].lower()}.j2").render(snippet=snippet)
        if snippet["language"] != "Python":
            assert "aToB(" in code and "generate(" not in code


def test_the_code_of_the_shipped_digits_is_up_to_date():
    folder = shipped.located("pretrained:digits").parent
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    found = list(snippets(metadata["artefacts"], {"generator": metadata}))
    assert {snippet["language"] for snippet in found} == {"Python", "Kotlin", "Swift", "JavaScript"}
    for snippet in found:
        language = snippet["language"].lower()
        code = TEMPLATES.get_template(f"{language}.j2").render(snippet=snippet)
        assert code in blocks(folder, language)


def test_transparency_is_kept(tmp_path):
    z = keras.Input((3,), name="z")
    made = keras.layers.Reshape((4, 5, 4))(keras.layers.Dense(80, activation="tanh")(z))
    options = Options(["tflite", "onnx"], bundle=True, images=16)
    export_networks({"generator": ExportSpec(keras.Model(z, made))}, tmp_path, options)
    bundle = tmp_path / "bundle"
    (kotlin,), (swift,) = (blocks(bundle, language) for language in ("kotlin", "swift"))
    rgb = "level(4 * i), level(4 * i + 1), level(4 * i + 2)"
    assert f"Color.argb(level(4 * i + 3), {rgb})" in kotlin
    assert f"[{rgb}, level(4 * i + 3)]" in swift
    if NODE is not None:
        (code,) = blocks(bundle, "javascript")
        values = "Float32Array.from({ length: 80 }, (_, i) => i / 127.5 - 1)"
        *_, pixels = run_javascript(tmp_path, code, "", BATCH=1, DIM=0, VALUES=values)
        assert pixels == list(range(80))


def test_code_for_phones_needs_a_fixed_size(tmp_path):
    image = keras.Input((None, None, 1), name="input")
    made = keras.layers.Conv2D(1, 3, padding="same", activation="tanh")(image)
    spec = ExportSpec(keras.Model(image, made), facts={"size": [8, 8], "multiple": 1, "scale": 1})
    export_networks({"generator": spec}, tmp_path, Options(["tflite"], bundle=True, images=4))
    assert [len(blocks(tmp_path / "bundle", name)) for name in ("python", "kotlin", "swift")] == [
        *(1, 0, 0)
    ]
    readme = (tmp_path / "bundle" / "README.md").read_text()
    assert "Code in Kotlin and Swift is written only for exports without `--dynamic-size`" in readme


@pytest.mark.slow
def test_two_networks_of_uint8(tmp_path):
    """The code for each network gives the same image as its file."""
    export(tmp_path, "cyclegan", output="uint8")
    bundle = tmp_path / "bundle"
    metadata = json.loads((bundle / "metadata.json").read_text())
    parity = json.loads((bundle / "parity.json").read_text())["files"]
    assert {item["output"] for item in parity.values()} == {"uint8"}
    assert min(item["psnr"] for item in parity.values()) > 60
    files = [f"{name}{suffix}" for name in ("a_to_b", "b_to_a") for suffix in (".onnx", ".tflite")]
    assert sorted(item["file"] for item in metadata["artefacts"]) == sorted(files)
    for file, code in zip(files, blocks(bundle, "python"), strict=True):
        assert f'run("{file}"' in code and "127.5)" not in code
        subprocess.run([sys.executable, "-c", code], cwd=bundle, check=True, timeout=120)
        source = bundle / "samples" / f"{Path(file).stem}-input.png"
        assert f'"samples/{source.name}"' in code
        with Image.open(source) as picture:
            _, expected = runtime.load(bundle / file).translate(picture)
        with Image.open(bundle / "result.png") as made:
            off = np.abs(np.asarray(made, int) - np.asarray(expected))
        assert off.max() <= 1 and np.ptp(np.asarray(expected)) > 0
    reading = {"kotlin": "readInt8", "swift": "UInt8](try", "javascript": "= image.data[i];"}
    for language, reads in reading.items():
        one, other = blocks(bundle, language)
        assert "a_to_b" in one and "b_to_a" in other
        assert all(reads in code and "[i] + 1" not in code for code in (one, other))


def test_the_zip_depends_on_the_content_alone(bundle, tmp_path, monkeypatch):
    archive = bundle.with_suffix(".zip")
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
        assert names == sorted(names)
        assert {info.date_time[0] for info in packed.infolist()} == {1980}
        packed.extractall(tmp_path)
    files = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    assert {name.removeprefix("bundle/") for name in names} == files
    again = tmp_path / "again.zip"
    zip_folder(tmp_path / "bundle", again)  # the same content, with other dates
    assert again.read_bytes() == archive.read_bytes()
