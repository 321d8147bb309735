// Small things that both kinds of page need.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

// Work that takes a while and is asked for faster than it goes: what is asked for meanwhile is done
// once, afterwards, so that a dragged slider never leaves a queue behind.
export function latest(work) {
  let current = null;
  let again = false;
  return () => {
    again = true;
    current ??= (async () => {
      try {
        while (again) {
          again = false;
          await work();
        }
      } finally {
        current = null;
      }
    })();
    return current;
  };
}

// A whole number in a field; null while it holds none.
export function wholeNumber(field) {
  return field.value !== "" && field.checkValidity() ? Number(field.value) : null;
}

// What pictures took, as a person wants to read it.
export function duration(milliseconds) {
  const digits = milliseconds < 10 ? 1 : 0;
  return milliseconds < 1000
    ? `${milliseconds.toFixed(digits)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

export function fileSize(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
