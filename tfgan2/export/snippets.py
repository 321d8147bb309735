"""Code that runs an exported file, for the README of a bundle, in four languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Described:
    """What a snippet needs to know of a file, from its metadata.

    Attributes:
        file: its name.
        network: which of the model's networks it holds.
        inputs: name to dtype and shape, for a batch of one, no size free.
        uniform: whether latents are drawn from U(-1, 1), not from N(0, 1).
        shape: of one image that it makes.
        uint8: whether it makes uint8.
        encoder: of generators that take sentences: the file that encodes them.
        words: the numbers of an example's words, and the example.
    """

    file: str
    network: str
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    uniform: bool
    shape: tuple[int, int, int]
    uint8: bool
    encoder: str | None = None
    words: tuple[list[int], str] | None = None

    def size_of(self, name: str) -> int:
        """How many values an input has."""
        size = 1
        for edge in self.inputs[name][1]:
            size *= edge
        return size

    def dims(self, name: str) -> str:
        return ", ".join(str(edge) for edge in self.inputs[name][1])


def describe(
    listing: Mapping[str, Any],
    metadata: Mapping[str, Any],
    encoder: str | None,
    words: tuple[list[int], str] | None,
) -> Described:
    """What the snippets of a file say.

    Args:
        listing: its entry in metadata.json.
        metadata: of the folder.
        encoder: the file that encodes sentences.
        words: see `Described`.
    """
    batch = listing["batch"] or 1
    inputs = {}
    for item in listing["inputs"]:
        free = iter(metadata.get("size", ()))
        rest = (next(free) if edge is None else edge for edge in item["shape"][1:])
        inputs[item["name"]] = item["dtype"], (batch, *rest)
    output = listing["outputs"][0]
    edges = output["shape"][1:]
    if None in edges:
        scale = metadata.get("scale", 1)
        edges = [*(scale * edge for edge in metadata["size"]), edges[-1]]
    return Described(
        listing["file"],
        listing["network"],
        inputs,
        metadata["latent"]["distribution"] == "uniform",
        tuple(edges),
        output["dtype"] == "uint8",
        encoder,
        words,
    )


def _levels(channels: int) -> str:
    """Red, green and blue of pixel i, in Kotlin and Swift."""
    if channels < 3:
        place = "i" if channels == 1 else f"{channels} * i"
        return ", ".join([f"level({place})"] * 3)
    return ", ".join(f"level({channels} * i{f' + {c}' if c else ''})" for c in range(3))


# --- Python --------------------------------------------------------------------------------------


def python(it: Described) -> str:
    """A script that writes made.png, by onnxruntime or LiteRT."""
    onnx = it.file.endswith(".onnx")
    lines = ["import numpy as np"]
    if onnx:
        lines.append("import onnxruntime")
    else:
        lines.append("from ai_edge_litert.interpreter import Interpreter")
    lines += ["from PIL import Image", ""]
    if onnx:
        lines += [
            "",
            "def run(file, inputs):",
            '    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])',
            "    return session.run(None, inputs)[0]",
            "",
            "",
        ]
    else:
        lines += [
            "",
            "def run(file, inputs):",
            "    runner = Interpreter(model_path=file).get_signature_runner()",
            "    return next(iter(runner(**inputs).values()))",
            "",
            "",
        ]
    fed = []
    for name, (_, shape) in it.inputs.items():
        if name == "z":
            draw = f"random.standard_normal({shape}, np.float32)"
            if it.uniform:
                draw = f"random.uniform(-1, 1, {shape}).astype(np.float32)"
            lines += ["random = np.random.default_rng(7)", f"z = {draw}"]
        elif name == "label":
            lines.append(f"label = np.full({shape}, 0, np.int32)  # the line in labels.txt, from 0")
        elif name == "text" and it.words is not None:
            lines.append(f"words = np.array([{it.words[0]}], np.int32)  # {it.words[1]!r}")
            lines.append(f'text = run("{it.encoder}", {{"words": words}})')
            if shape[0] > 1:
                lines.append(f"text = np.repeat(text, {shape[0]}, axis=0)")
        elif name in ("input", "mask"):
            mode = {1: "L", 3: "RGB", 4: "RGBA"}[shape[-1]]
            lines += [
                f'picture = Image.open("samples/{it.network}-{name}.png").convert("{mode}")',
                f"picture = picture.resize(({shape[2]}, {shape[1]}), Image.Resampling.BICUBIC)",
                f"pixels = np.asarray(picture, np.float32).reshape({(1, *shape[1:])})",
                f"{name} = (pixels > 127).astype(np.float32)"
                if name == "mask"
                else "input = pixels / 127.5 - 1",
            ]
            if shape[0] > 1:
                lines.append(f"{name} = np.repeat({name}, {shape[0]}, axis=0)")
        fed.append(f'"{name}": {name}')
    lines.append(f'images = run("{it.file}", {{{", ".join(fed)}}})')
    made = "images[0]"
    if not it.uint8:
        lines.append("images = np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)")
    if it.shape[-1] not in (3, 4):
        made = "images[0, :, :, 0]"
    lines.append(f'Image.fromarray({made}).save("made.png")')
    return "\n".join(lines)


# --- Kotlin --------------------------------------------------------------------------------------


def kotlin(it: Described) -> str:
    """A function that makes a Bitmap, by LiteRT's CompiledModel."""
    height, width, channels = it.shape
    takes, fills = [], []
    for name in it.inputs:
        size = it.size_of(name)
        if name == "z":
            draw = "random.nextGaussian().toFloat()"
            if it.uniform:
                draw = "2f * random.nextFloat() - 1f"
            fills += [
                "    val random = Random(7)",
                f'    inputs["z"]!!.writeFloat(FloatArray({size}) {{ {draw} }})',
            ]
        elif name == "label":
            takes.append("label: Int")  # the line in labels.txt, from 0
            fills.append(f'    inputs["label"]!!.writeInt(IntArray({size}) {{ label }})')
        elif name == "text" and it.words is not None:
            numbers = ", ".join(map(str, it.words[0]))
            fills += [
                f'    val encoder = CompiledModel.create(context.assets, "{it.encoder}", CPU)',
                '    val words = encoder.createInputBuffer("words")',
                f"    words.writeInt(intArrayOf({numbers}))  // {it.words[1]}",
                '    val text = encoder.createOutputBuffer("text")',
                '    encoder.run(mapOf("words" to words), mapOf("text" to text))',
                '    inputs["text"]!!.writeFloat(text.readFloat())',
            ]
        else:
            takes.append(f"{name}: Bitmap")
            edges, value = it.inputs[name][1], "channel / 127.5f - 1f"
            if name == "mask":
                value = "if (channel > 127) 1f else 0f"
            fills += [
                f'    inputs["{name}"]!!.writeFloat('
                f"values({name}, {edges[2]}, {edges[1]}, {edges[3]}) "
                f"{{ channel -> {value} }})",
            ]
    names = ", ".join(f'"{name}"' for name in it.inputs)
    parameters = ", ".join(["context: Context", *takes])
    if it.uint8:
        read = ['    val made = outputs["image"]!!.readInt8()']
        level = "    fun level(i: Int) = made[i].toInt() and 0xFF"
    else:
        read = ['    val made = outputs["image"]!!.readFloat()']
        level = "    fun level(i: Int) = ((made[i] + 1f) * 127.5f).roundToInt().coerceIn(0, 255)"
    rgb = _levels(channels)
    code = [
        "import android.content.Context",
        "import android.graphics.Bitmap",
        "import android.graphics.Color",
        "import com.google.ai.edge.litert.Accelerator",
        "import com.google.ai.edge.litert.CompiledModel",
        *(["import java.util.Random"] if "z" in it.inputs else []),
        *([] if it.uint8 else ["import kotlin.math.roundToInt"]),
        "",
        "private val CPU = CompiledModel.Options(Accelerator.CPU)",
        "",
        f"fun make({parameters}): Bitmap {{",
        f'    val model = CompiledModel.create(context.assets, "{it.file}", CPU)',
        f"    val inputs = listOf({names}).associateWith {{ model.createInputBuffer(it) }}",
        '    val outputs = mapOf("image" to model.createOutputBuffer("image"))',
        *fills,
        "    model.run(inputs, outputs)",
        *read,
        level,
        f"    val pixels = IntArray({height * width}) {{ i -> Color.rgb({rgb}) }}",
        f"    return Bitmap.createBitmap(pixels, {width}, {height}, Bitmap.Config.ARGB_8888)",
        "}",
    ]
    if "input" in it.inputs:
        code += [
            "",
            "private fun values(",
            "    picture: Bitmap, width: Int, height: Int, channels: Int, scaled: (Int) -> Float",
            "): FloatArray {",
            "    val fitted = Bitmap.createScaledBitmap(picture, width, height, true)",
            "    return FloatArray(height * width * channels) { i ->",
            "        val pixel = fitted.getPixel(i / channels % width, i / channels / width)",
            "        scaled(",
            "            when {",
            "                channels == 1 ->",
            "                    (Color.red(pixel) + Color.green(pixel) + Color.blue(pixel)) / 3",
            "                i % channels == 0 -> Color.red(pixel)",
            "                i % channels == 1 -> Color.green(pixel)",
            "                i % channels == 2 -> Color.blue(pixel)",
            "                else -> Color.alpha(pixel)",
            "            }",
            "        )",
            "    }",
            "}",
        ]
    return "\n".join(code)


# --- Swift ---------------------------------------------------------------------------------------


def swift(it: Described) -> str:
    """A function that makes the RGBA bytes of a picture, by TensorFlowLiteSwift."""
    height, width, channels = it.shape
    takes, fills, feeds = [], [], []
    for name in it.inputs:
        size = it.size_of(name)
        if name == "z":
            draw = "Float.random(in: -1...1)"
            if it.uniform is False:
                draw = (
                    "(-2 * log(Float.random(in: Float.leastNormalMagnitude...1))).squareRoot()\n"
                    "            * cos(2 * Float.pi * Float.random(in: 0...1))"
                )
            fills += [f"    let z = (0..<{size}).map {{ _ in\n        {draw}\n    }}"]
        elif name == "label":
            takes.append("label number: Int32")  # the line in labels.txt, from 0
            fills.append(f"    let label = [Int32](repeating: number, count: {size})")
        elif name == "text" and it.words is not None:
            stem = str(it.encoder).removesuffix(".tflite")
            fills += [
                f"    let words: [Int32] = {it.words[0]}  // {it.words[1]}",
                f'    let encoder = try runner("{stem}")',
                '    try encoder.invoke(with: ["words": bytes(of: words)])',
                '    let text = try encoder.output(named: "text").data',
            ]
        else:
            takes.append(f"{name}: [Float]")
        given = "text" if name == "text" else f"bytes(of: {name})"
        feeds.append(f'"{name}": {given}')
    notes = [
        f"/// - {name}: shape ({it.dims(name)}), "
        + ("1 where to fill, else 0" if name == "mask" else "in -1...1, rows of pixels")
        for name in it.inputs
        if name in ("input", "mask")
    ]
    if it.uint8:
        read = '    let made = [UInt8](try model.output(named: "image").data)'
        level = "made[i]"
    else:
        read = (
            '    let made = try model.output(named: "image").data.withUnsafeBytes {\n'
            "        Array($0.bindMemory(to: Float.self))\n    }"
        )
        level = "UInt8(min(max(((made[i] + 1) * 127.5).rounded(), 0), 255))"
    rgb = _levels(channels)
    stem = it.file.removesuffix(".tflite")
    return "\n".join(
        [
            "import Foundation",
            "import TensorFlowLite",
            "",
            f"/// A picture of {width}x{height}, as RGBA bytes.",
            *notes,
            f"func make({', '.join(takes)}) throws -> [UInt8] {{",
            f'    let model = try runner("{stem}")',
            *fills,
            f"    try model.invoke(with: [{', '.join(feeds)}])",
            read,
            f"    func level(_ i: Int) -> UInt8 {{ {level} }}",
            f"    return (0..<{height * width}).flatMap {{ i in [{rgb}, 255] }}",
            "}",
            "",
            "func runner(_ name: String) throws -> SignatureRunner {",
            '    let path = Bundle.main.path(forResource: name, ofType: "tflite")!',
            "    let interpreter = try Interpreter(modelPath: path)",
            '    return try interpreter.signatureRunner(with: "serving_default")',
            "}",
            "",
            "func bytes<Value>(of values: [Value]) -> Data {",
            "    values.withUnsafeBytes { Data($0) }",
            "}",
        ]
    )


# --- JavaScript ----------------------------------------------------------------------------------


def javascript(it: Described) -> str:
    """A module whose `make` gives the RGBA bytes of a picture, by onnxruntime-web."""
    height, width, channels = it.shape
    takes, fills, feeds = [], [], []
    for name, (_, _shape) in it.inputs.items():
        size, dims = it.size_of(name), it.dims(name)
        if name == "z":
            draw = "2 * Math.random() - 1"
            if not it.uniform:
                draw = (
                    "Math.sqrt(-2 * Math.log(1 - Math.random())) "
                    "* Math.cos(2 * Math.PI * Math.random())"
                )
            fills.append(f"  const z = Float32Array.from({{ length: {size} }}, () =>\n    {draw});")
            feeds.append(f'z: new ort.Tensor("float32", z, [{dims}])')
        elif name == "label":
            takes.append("label")
            feeds.append(
                f'label: new ort.Tensor("int32", new Int32Array({size}).fill(label), [{dims}])'
            )
        elif name == "text" and it.words is not None:
            fills += [
                f"  const words = Int32Array.from({it.words[0]}); // {it.words[1]}",
                f'  const encoder = await ort.InferenceSession.create("{it.encoder}");',
                "  const { text } = await encoder.run({",
                '    words: new ort.Tensor("int32", words, [1, words.length]),',
                "  });",
            ]
            feeds.append("text")
        else:
            takes.append(name)
            scaled = "channel / 127.5 - 1" if name == "input" else "channel > 127 ? 1 : 0"
            depth = it.inputs[name][1][3]
            feeds.append(
                f'{name}: new ort.Tensor("float32", values({name}.data, {depth}, (channel) => '
                f"{scaled}), [{dims}])"
            )
    notes = [
        f"// {name}: an ImageData of {it.inputs[name][1][2]}x{it.inputs[name][1][1]}"
        + (", white where to fill" if name == "mask" else "")
        + ", from context.getImageData."
        for name in it.inputs
        if name in ("input", "mask")
    ]
    if "label" in it.inputs:
        notes.append("// label: the line in labels.txt, from 0.")
    value = "image.data[i]" if it.uint8 else "(image.data[i] + 1) * 127.5"
    offsets = [0, 1, 2] if channels >= 3 else [0, 0, 0]
    code = [
        'import * as ort from "onnxruntime-web";',
        "",
        f"// The RGBA bytes of a picture of {width}x{height}; to show it:",
        f"// context.putImageData(new ImageData(await make(…), {width}, {height}), 0, 0)",
        *notes,
        f"export async function make({', '.join(takes)}) {{",
        f'  const session = await ort.InferenceSession.create("{it.file}");',
        *fills,
        "  const { image } = await session.run({",
        *(f"    {feed}," for feed in feeds),
        "  });",
        f"  const pixels = new Uint8ClampedArray({4 * height * width}).fill(255); // it rounds",
        f"  for (let pixel = 0; pixel < {height * width}; pixel++) {{",
        f"    [{', '.join(map(str, offsets))}].forEach((offset, channel) => {{",
        f"      const i = {channels} * pixel + offset;",
        f"      pixels[4 * pixel + channel] = {value};",
        "    });",
        "  }",
        "  return pixels;",
        "}",
    ]
    if "input" in it.inputs:
        code += [
            "",
            "function values(rgba, channels, scaled) {",
            "  return Float32Array.from({ length: (rgba.length / 4) * channels }, (_, i) => {",
            "    const first = 4 * Math.floor(i / channels);",
            "    const grey = (rgba[first] + rgba[first + 1] + rgba[first + 2]) / 3;",
            "    return scaled(channels === 1 ? grey : rgba[first + (i % channels)]);",
            "  });",
            "}",
        ]
    return "\n".join(code)


SNIPPETS: dict[str, tuple[str, Callable[[Described], str]]] = {
    "Kotlin": (".tflite", kotlin),
    "Swift": (".tflite", swift),
    "JavaScript": (".onnx", javascript),
}
"""Of each language but Python, which has both: the kind of file and what writes the code."""
