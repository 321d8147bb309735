// The page of a network that takes images.

import { byId, duration, latest } from "./controls.js";
import { decode, fitted, show } from "./images.js";
import { download } from "./png.js";

const MOST = 512; // pixels along the longer edge, if the network takes any size
const HIDDEN = 128; // the grey that tfgan2.runtime shows hidden pixels in

export async function showImages(about, engine) {
  const { metadata } = about;
  const shapes = Object.fromEntries(metadata.inputs.map(({ name, shape }) => [name, shape]));
  const [, height, width, channels] = shapes.input;
  const size = height === null ? null : [height, width];
  const takesMask = "mask" in shapes;
  const scale = metadata.scale ?? 1;
  const multiple = metadata.multiple ?? 1;
  const least = metadata.least ?? 1;
  const range = metadata.input_ranges?.["8-bit"];
  const facts = byId("image-facts");

  // The input image, and 1 for each of its hidden pixels.
  let taken = null;
  let mask = null;
  let made = null;

  async function run(image, hidden) {
    const [rows, columns] = [image.height, image.width].map(
      (edge) => (size ? edge : Math.ceil(Math.max(edge, least) / multiple) * multiple),
    );
    // With a free size, the borders are mirrored up to a multiple and cut off again; several times
    // where the image is small.
    const mirrored = (i, edge) => {
      const k = i % (2 * edge);
      return Math.min(k, 2 * edge - 1 - k);
    };
    const spread = (data, depth, value) => {
      const wide = new Float32Array(rows * columns * depth);
      for (let y = 0, at = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const from = mirrored(y, image.height) * image.width + mirrored(x, image.width);
          for (let c = 0; c < depth; c++) wide[at++] = value(data[from * depth + c]);
        }
      }
      return { list: [wide], shape: [rows, columns, depth] };
    };
    const inputs = { input: spread(image.data, channels, (v) => Math.fround(v / 127.5) - 1) };
    if (takesMask) inputs.mask = spread(hidden, 1, Number);
    const [whole] = await (await engine)(inputs);
    const cut = {
      width: scale * image.width,
      height: scale * image.height,
      channels: whole.channels,
    };
    cut.data = new Uint8ClampedArray(cut.width * cut.height * cut.channels);
    for (let y = 0; y < cut.height; y++) {
      const start = y * whole.width * whole.channels;
      const row = whole.data.subarray(start, start + cut.width * whole.channels);
      cut.data.set(row, y * cut.width * cut.channels);
    }
    if (takesMask) {
      // Pixels that are not hidden stay as they are.
      hidden.forEach((is, i) => {
        if (is) return;
        for (let c = 0; c < channels; c++) cut.data[i * channels + c] = image.data[i * channels + c];
      });
    }
    return cut;
  }

  function showTaken() {
    const data = taken.data.slice();
    mask.forEach((is, i) => is && data.fill(HIDDEN, i * channels, (i + 1) * channels));
    show(byId("taken"), { ...taken, data });
  }

  const draw = latest(async () => {
    if (!taken) return;
    if (takesMask && mask.every((is) => is === mask[0])) {
      made = null;
      const canvas = byId("made");
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      byId("save-image").disabled = true;
      facts.textContent = mask[0]
        ? "Everything is hidden: leave a part of the image."
        : "Nothing is hidden: paint over what to fill.";
      return;
    }
    facts.textContent = "Working…";
    await new Promise((resolve) => setTimeout(resolve)); // so that the browser shows it
    const start = performance.now();
    made = await run(taken, mask);
    const took = performance.now() - start;
    show(byId("made"), made);
    facts.textContent = `${made.width}×${made.height} pixels in ${duration(took)}`;
    byId("save-image").disabled = false;
  });

  async function take(file) {
    const found = await fitted(await decode(file), { size, most: MOST, channels, range });
    taken = found;
    mask = new Uint8Array(found.width * found.height);
    if (takesMask) hideMiddle();
    showTaken();
    return draw();
  }

  // ---- choosing

  const drop = byId("drop");
  byId("file").addEventListener("change", ({ target }) => target.files[0] && take(target.files[0]));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", () => drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  byId("fit").textContent = size
    ? `The middle is cut out and scaled to ${size[1]}×${size[0]} pixels.`
    : `Images larger than ${MOST} pixels are reduced.`;
  byId("save-image").addEventListener("click", () => download(made, `${about.name}-image`));

  // ---- hiding

  function hideMiddle() {
    const { width: w, height: h } = taken;
    for (let y = h >> 2; y < h - (h >> 2); y++) {
      mask.fill(1, y * w + (w >> 2), y * w + w - (w >> 2));
    }
  }

  function paint(from, to) {
    const radius = Math.max(0.5, (byId("width").value / 200) * Math.min(taken.width, taken.height));
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / radius));
    for (let k = 0; k <= steps; k++) {
      const [x, y] = from.map((start, axis) => start + (k / steps) * (to[axis] - start));
      for (let row = Math.max(0, Math.floor(y - radius)); row < taken.height; row++) {
        if (row > y + radius) break;
        for (let column = Math.max(0, Math.floor(x - radius)); column < taken.width; column++) {
          if (column > x + radius) break;
          const far = Math.hypot(column + 0.5 - x, row + 0.5 - y);
          if (far <= radius) mask[row * taken.width + column] = 1;
        }
      }
    }
    showTaken();
  }

  if (takesMask) {
    const canvas = byId("taken");
    canvas.classList.add("paint");
    byId("fit").textContent += " Paint over what to fill.";
    byId("brush").hidden = false;
    let last = null;
    const place = (event) => [
      (event.offsetX / canvas.clientWidth) * taken.width,
      (event.offsetY / canvas.clientHeight) * taken.height,
    ];
    canvas.addEventListener("pointerdown", (event) => {
      if (!taken) return;
      canvas.setPointerCapture(event.pointerId);
      last = place(event);
      paint(last, last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      const next = place(event);
      paint(last, next);
      last = next;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        if (last) draw();
        last = null;
      });
    }
    byId("width").addEventListener("input", ({ target }) => {
      target.nextElementSibling.textContent = `${target.value} %`;
    });
    const change = (work) => () => {
      if (!taken) return;
      work();
      showTaken();
      draw();
    };
    byId("box").addEventListener("click", change(hideMiddle));
    byId("clear").addEventListener("click", change(() => mask.fill(0)));
  }

  // ---- start

  const [rows, columns] = size ?? [256, 256];
  Object.assign(byId("taken"), { width: columns, height: rows });
  Object.assign(byId("made"), { width: scale * columns, height: scale * rows });
  byId("images").hidden = false;
  await engine;

  return {
    take,
    taken: () => ({ ...taken, mask }),
    made: () => made,
    // Translates one image, {width, height, channels, data}, with its hidden pixels.
    render: (image, hidden) => run(image, hidden),
  };
}
