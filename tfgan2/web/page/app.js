// Starts the page and exposes its functions.

import { duration, fileSize } from "./controls.js";
import { loadEngine, readAbout } from "./engine.js";
import { showImages } from "./translate.js";
import { showLatents } from "./generate.js";

const message = document.getElementById("message");

function tell(error) {
  message.textContent = error?.message || String(error);
  message.className = "error";
}

addEventListener("error", ({ error, message: text }) => tell(error ?? text));
addEventListener("unhandledrejection", ({ reason }) => tell(reason));

async function open() {
  const about = await readAbout();
  const engine = loadEngine(about);
  const takesImages = about.metadata.inputs.some(({ name }) => name === "input");
  const hooks = await (takesImages ? showImages : showLatents)(about, engine);
  const { versions } = globalThis.ort.env;
  const { step } = about.metadata.about;
  const trained = step ? `, trained for ${step.toLocaleString("en")} steps` : "";
  const milliseconds = performance.now();
  message.textContent =
    `A model of ${fileSize(about.bytes)}${trained}. Ready after ${duration(milliseconds)}.`;
  const footer = document.getElementById("footer");
  footer.textContent =
    `Run by onnxruntime-web ${versions.web ?? versions.common}. ` +
    `Exported with tfgan2 ${about.metadata.versions.tfgan2}.`;
  footer.hidden = false;
  return { ...hooks, milliseconds };
}

// For tests and for the console: the functions that generate.js or translate.js returns.
const ready = open();
window.tfgan2 = { ready };
ready.then((hooks) => Object.assign(window.tfgan2, hooks));
