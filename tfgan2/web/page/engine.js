// Runs the exported file with onnxruntime-web.

import { toBytes } from "./images.js";

async function get(path, options) {
  const answer = await fetch(path, options).catch(({ message }) => {
    throw new Error(`${path} cannot be loaded: ${message}`);
  });
  if (!answer.ok) throw new Error(`${path} cannot be loaded: ${answer.status}`);
  return answer;
}

// Reads model.json; "no-cache" asks whether it has changed since the last visit.
export const readAbout = async () => (await get("model.json", { cache: "no-cache" })).json();

async function prepareRuntime({ wasm, mjs }) {
  if (!globalThis.ort) {
    throw new Error("onnxruntime-web cannot be loaded: is this device offline?");
  }
  const flags = ort.env.wasm;
  ort.env.logLevel = "error";
  if (wasm.integrity) {
    // From a CDN: only files with the hashes that this page was written with.
    const [binary, code] = await Promise.all(
      [wasm, mjs].map(async ({ url, integrity }) => (await get(url, { integrity })).arrayBuffer()),
    );
    flags.wasmBinary = binary;
    const type = "text/javascript";
    flags.wasmPaths = { mjs: URL.createObjectURL(new Blob([code], { type })) };
  } else {
    const absolute = ({ url }) => new URL(url, document.baseURI).href;
    flags.wasmPaths = { wasm: absolute(wasm), mjs: absolute(mjs) };
  }
}

// Returns run(inputs), which returns images. `inputs` is {name: {list, shape}} with any number of
// samples and the shape of one.
export async function loadEngine({ runtime, metadata }) {
  const [model] = await Promise.all([
    get("model.onnx", { cache: "no-cache" }).then((answer) => answer.arrayBuffer()),
    prepareRuntime(runtime),
  ]);
  const session = await ort.InferenceSession.create(new Uint8Array(model), {
    executionProviders: ["wasm"],
  });
  const types = Object.fromEntries(metadata.inputs.map(({ name, dtype }) => [name, dtype]));
  const Kind = { float32: Float32Array, int32: Int32Array };

  // Runs the model once, from sample `start` on; a fixed batch is filled up.
  async function once(samples, start) {
    const left = Object.values(samples)[0].list.length - start;
    const batch = metadata.batch ?? left;
    const count = Math.min(batch, left);
    const feeds = {};
    for (const [name, { list, shape }] of Object.entries(samples)) {
      const length = shape.reduce((product, edge) => product * edge, 1);
      const data = new Kind[types[name]](batch * length);
      for (let i = 0; i < batch; i++) data.set(list[start + Math.min(i, count - 1)], i * length);
      feeds[name] = new ort.Tensor(types[name], data, [batch, ...shape]);
    }
    const { image } = await session.run(feeds);
    const [, height, width, channels] = image.dims;
    const size = height * width * channels;
    return Array.from({ length: count }, (_, i) => ({
      width,
      height,
      channels,
      data: toBytes(image.data.subarray(i * size, (i + 1) * size)),
    }));
  }

  async function all(samples) {
    const count = Object.values(samples)[0].list.length;
    const made = [];
    while (made.length < count) made.push(...(await once(samples, made.length)));
    return made;
  }

  // A session runs one batch at a time.
  let last = Promise.resolve();
  return (samples) => {
    const made = last.then(() => all(samples));
    last = made.catch(() => {});
    return made;
  };
}
