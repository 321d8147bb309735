// Helpers of both kinds of page.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

// Limits work that is requested faster than it runs: requests in the meantime run once, afterwards,
// so that a dragged slider leaves no queue.
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

// Returns the whole number in a field; null if there is none.
export function wholeNumber(field) {
  return field.value !== "" && field.checkValidity() ? Number(field.value) : null;
}

// Formats a duration for people.
export function duration(milliseconds) {
  const digits = milliseconds < 10 ? 1 : 0;
  return milliseconds < 1000
    ? `${milliseconds.toFixed(digits)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

export function fileSize(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
