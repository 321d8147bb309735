// The page of a generator that takes latents.

import { byId, duration, latest, make, wholeNumber } from "./controls.js";
import { along, drawLatents, moved, slerp, truncated } from "./latents.js";
import { grid, show } from "./images.js";
import { download } from "./png.js";

const STRIP = 9;
const NO_THRESHOLD = 4; // of latents: hardly one lies beyond
const ROUND_TRIP = 6000; // milliseconds that "Play" takes there and back

export async function showLatents(about, engine) {
  const { metadata, directions, captions } = about;
  const { dim, distribution } = metadata.latent;
  const conditional = metadata.inputs.some(({ name }) => name === "label");
  const names = conditional ? metadata.class_names : captions.map(({ text }) => text);
  const [height, width] = metadata.outputs[0].shape.slice(1);
  // Of styles a fraction up to 1, of latents a threshold; beyond the end of its slider there is none.
  const truncates = metadata.truncation?.of;
  const noTruncation = truncates === "styles" ? 1 : NO_THRESHOLD;
  const latents = (seed, count) => drawLatents(seed, count, dim, distribution);

  // What the main image is generated from. A place is the position of a moved slider, else null.
  const state = { seed: 0, index: 0, choice: 0, places: directions.map(() => null) };
  state.truncation = metadata.truncation?.default ?? noTruncation;

  // Generates images from latents, each with the number of a class or caption.
  async function images(rows, choices) {
    const { truncation } = state;
    const within = truncates === "latents" && truncation < noTruncation;
    const list = within ? rows.map((row) => truncated(row, truncation)) : rows;
    const inputs = { z: { list, shape: [dim] } };
    if (truncates === "styles") {
      inputs.truncation = { list: rows.map(() => [truncation]), shape: [] };
    }
    if (conditional) inputs.label = { list: choices.map((choice) => [choice]), shape: [] };
    if (captions.length) {
      const vectors = choices.map((choice) => captions[choice].vector);
      inputs.text = { list: vectors, shape: [vectors[0].length] };
    }
    return (await engine)(inputs);
  }
  const image = async (latent, choice) => (await images([latent], [choice]))[0];

  let drawn = { key: null };
  function base() {
    const key = `${state.seed} ${state.index}`;
    if (drawn.key !== key) drawn = { key, latent: latents(state.seed, state.index + 1).at(-1) };
    return drawn.latent;
  }
  const current = () => moved(base(), directions, state.places, distribution);

  const title = (choice) => (names.length > 1 ? `-${names[choice]}` : "").replace(/\W+/g, "-");
  const fileName = (rest) => `${about.name}-${rest}`;

  // ---- the image

  let shown;
  const draw = latest(async () => {
    await engine;
    const { choice } = state;
    const start = performance.now();
    shown = await image(current(), choice);
    const took = performance.now() - start;
    show(byId("image"), shown);
    byId("facts").textContent = `${width}×${height} pixels in ${duration(took)}`;
  });

  byId("sliders").closest("section").hidden = !directions.length;
  const sliders = directions.map(({ share, limit }, k) => {
    const percent = share >= 0.01 ? `${Math.round(100 * share)}%` : "<1%";
    const input = make("input", { type: "range", min: -limit, max: limit, step: 0.01 });
    const name = make("span", {}, `Direction ${k + 1} `, make("small", {}, percent));
    name.title = `${percent} of the change by small steps in the latent space`;
    const value = make("output");
    byId("sliders").append(make("label", { className: "slider" }, name, input, value));
    input.addEventListener("input", () => {
      state.places[k] = Number(input.value);
      showPlaces();
      draw();
    });
    return { input, value };
  });

  function showPlaces() {
    const latent = base();
    sliders.forEach(({ input, value }, k) => {
      const place = state.places[k] ?? along(latent, directions[k].vector);
      input.value = place;
      value.textContent = place.toFixed(2);
    });
    byId("reset").disabled = state.places.every((place) => place === null);
  }

  function choose(change) {
    Object.assign(state, change);
    if (!("places" in change)) state.places = directions.map(() => null);
    byId("seed").value = state.seed;
    byId("index").value = state.index;
    showPlaces();
    return draw();
  }

  byId("seed").addEventListener("input", () => {
    const seed = wholeNumber(byId("seed"));
    if (seed === null || seed === state.seed) return;
    choose({ seed, index: 0 });
    drawGrid();
  });
  byId("index").addEventListener("input", () => {
    const index = wholeNumber(byId("index"));
    if (index !== null) choose({ index });
  });
  byId("another").addEventListener("click", () => {
    choose({ seed: Math.floor(Math.random() * 1e6), index: 0 });
    drawGrid();
  });
  byId("reset").addEventListener("click", () => choose({}));
  byId("save").addEventListener("click", async () => {
    await draw();
    const changed = byId("reset").disabled ? "" : "-changed";
    const which = state.index ? `${state.seed}-${state.index}` : state.seed;
    download(shown, fileName(`seed-${which}${title(state.choice)}${changed}`));
  });

  // ---- classes or captions

  const radios = names.map((name, choice) => {
    const radio = make("input", { type: "radio", name: "choice", checked: choice === 0 });
    radio.addEventListener("change", () => {
      state.choice = choice;
      draw();
      drawWay();
      drawStrip();
      drawGrid();
    });
    return radio;
  });
  if (names.length > 1) {
    const field = byId("choices");
    field.querySelector("legend").textContent = conditional ? "Class" : "Caption";
    const labels = names.map((name, i) => make("label", {}, radios[i], name));
    field.querySelector("div").append(...labels);
    byId("turns").querySelector("span").textContent =
      conditional ? "All classes in turn" : "All captions in turn";
    field.hidden = byId("turns").hidden = false;
  }

  // ---- truncation

  const truncation = byId("truncation");
  function showTruncation() {
    truncation.value = state.truncation;
    truncation.nextElementSibling.textContent =
      state.truncation < noTruncation ? state.truncation.toFixed(2) : "none";
  }
  if (truncates) {
    truncation.max = Math.max(noTruncation, state.truncation);
    showTruncation();
    truncation.addEventListener("input", () => {
      state.truncation = Number(truncation.value);
      showTruncation();
      draw();
      drawWay();
      drawStrip();
      drawGrid();
    });
    byId("truncate").hidden = false;
  }

  // ---- between two seeds

  const ends = () => [byId("start"), byId("end")].map(wholeNumber);
  const usable = () => ends().every((seed) => seed !== null);
  function between(weight) {
    const [start, end] = ends().map((seed) => latents(seed, 1)[0]);
    return slerp(start, end, weight);
  }
  const weight = () => Number(byId("way").value);

  let onTheWay;
  const drawWay = latest(async () => {
    if (!usable()) return;
    byId("way").nextElementSibling.textContent = `${Math.round(100 * weight())} %`;
    onTheWay = await image(between(weight()), state.choice);
    show(byId("middle"), onTheWay);
  });
  const strip = Array.from({ length: STRIP }, () => make("canvas", { width, height }));
  byId("strip").append(...strip);
  const drawStrip = latest(async () => {
    if (!usable()) return;
    const { choice } = state;
    for (const [k, canvas] of strip.entries()) {
      show(canvas, await image(between(k / (STRIP - 1)), choice));
    }
  });
  byId("way").addEventListener("input", () => {
    play(false);
    drawWay();
  });
  for (const id of ["start", "end"]) {
    byId(id).addEventListener("input", () => {
      drawWay();
      drawStrip();
    });
  }

  let playing = null; // the loop that moves the position; one that waits for an image ends later
  function play(wanted) {
    const button = byId("play");
    button.textContent = wanted ? "Pause" : "Play";
    button.setAttribute("aria-pressed", wanted);
    playing = null;
    if (!wanted) return;
    const begin = performance.now() - (Math.acos(1 - 2 * weight()) / (2 * Math.PI)) * ROUND_TRIP;
    const frame = async (now) => {
      if (playing !== frame) return;
      byId("way").value = (1 - Math.cos((2 * Math.PI * (now - begin)) / ROUND_TRIP)) / 2;
      await drawWay();
      requestAnimationFrame(frame);
    };
    playing = frame;
    requestAnimationFrame(frame);
  }
  byId("play").addEventListener("click", () => play(playing === null));
  byId("save-way").addEventListener("click", async () => {
    await drawWay();
    const part = Math.round(100 * weight());
    if (usable()) download(onTheWay, fileName(`seeds-${ends().join("-")}-at-${part}`));
  });

  // ---- many

  const inTurn = () => names.length > 1 && byId("in-turn").checked;
  let many = { images: [], columns: 1 };
  const drawGrid = latest(async () => {
    const { seed, choice } = state;
    const turns = inTurn();
    const most = Number(byId("count").value);
    // A column for each class if they fit, so that rows are whole.
    const lined = turns && names.length <= 12;
    const edge = Math.sqrt(most);
    const columns = lined ? names.length * Math.max(1, Math.round(edge / names.length)) : edge;
    const count = lined ? Math.max(1, Math.round(most / columns)) * columns : most;
    const rows = latents(seed, count);
    const choices = rows.map((_, i) => (turns ? i % names.length : choice));
    byId("grid").style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    byId("grid").style.maxWidth = `${Math.max(6, width / 16) * columns}rem`;
    while (byId("grid").children.length > count) byId("grid").lastChild.remove();
    while (byId("grid").children.length < count) {
      byId("grid").append(make("button", {}, make("canvas", { width, height })));
    }
    const made = [];
    // In small batches, so that the page stays responsive.
    const step = Math.max(1, Math.min(16, Math.floor(65536 / (width * height))));
    for (let from = 0; from < count; from += step) {
      const to = Math.min(count, from + step);
      made.push(...(await images(rows.slice(from, to), choices.slice(from, to))));
      for (let i = from; i < to; i++) {
        const button = byId("grid").children[i];
        show(button.firstChild, made[i]);
        button.ariaLabel = `Image ${i}` + (names.length > 1 ? `, ${names[choices[i]]}` : "");
        button.onclick = () => {
          radios.forEach((radio, number) => (radio.checked = number === choices[i]));
          choose({ seed, index: i, choice: choices[i] });
          drawWay();
          drawStrip();
          byId("image").scrollIntoView({ block: "nearest", behavior: "smooth" });
        };
      }
      await new Promise((resolve) => setTimeout(resolve));
    }
    many = { images: made, columns, seed };
  });
  byId("count").addEventListener("change", drawGrid);
  byId("in-turn").addEventListener("change", drawGrid);
  byId("save-grid").addEventListener("click", async () => {
    await drawGrid();
    const { images: made, columns, seed } = many;
    download(grid(made, columns), fileName(`seed-${seed}-grid`));
  });

  // ---- start

  for (const id of ["image", "middle"]) Object.assign(byId(id), { width, height });
  byId("latents").hidden = false;
  await choose({});
  // The rest follows once the first image is shown.
  setTimeout(() => {
    drawWay();
    drawStrip();
    drawGrid();
  });

  return {
    state,
    latents,
    between,
    current,
    // Generates one image: {width, height, channels, data} with data 0…255.
    render: (latent, choice = 0) => image(Float32Array.from(latent), choice),
    shown: () => shown,
  };
}
