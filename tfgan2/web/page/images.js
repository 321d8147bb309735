// Images are {width, height, channels, data}; data holds bytes 0…255 in the order of NHWC.

// Converts the output of a file to bytes: values in [-1, 1], or bytes already.
export function toBytes(values) {
  if (values instanceof Uint8Array) return new Uint8ClampedArray(values);
  // A clamped array rounds half to even, as NumPy's rint does.
  return Uint8ClampedArray.from(values, (value) => Math.fround(Math.fround(value + 1) * 127.5));
}

export function show(canvas, image) {
  const { width, height, channels, data } = image;
  const shown = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) shown.data[4 * i + c] = data[i * channels + (channels < 3 ? 0 : c)];
    shown.data[4 * i + 3] = channels === 4 ? data[i * 4 + 3] : 255;
  }
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  // Small images show their pixels, large ones are smoothed.
  canvas.classList.toggle("crisp", Math.max(width, height) <= 64);
  canvas.getContext("2d").putImageData(shown, 0, 0);
}

// Side by side, row by row, white between and around, as tfgan2.images.grid.
export function grid(images, columns, padding = 2) {
  const { width, height, channels } = images[0];
  const rows = Math.ceil(images.length / columns);
  const whole = {
    width: columns * (width + padding) + padding,
    height: rows * (height + padding) + padding,
    channels,
  };
  whole.data = new Uint8ClampedArray(whole.width * whole.height * channels).fill(255);
  images.forEach(({ data }, k) => {
    const top = padding + Math.floor(k / columns) * (height + padding);
    const left = padding + (k % columns) * (width + padding);
    for (let y = 0; y < height; y++) {
      const row = data.subarray(y * width * channels, (y + 1) * width * channels);
      whole.data.set(row, ((top + y) * whole.width + left) * channels);
    }
  });
  return whole;
}

// Decodes an image file, upright, without applying a colour profile.
export async function decode(file) {
  try {
    return await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${file.name || "This file"} is not an image that this browser can read.`);
  }
}

// Returns a context's canvas with the colours low…high scaled to 0…255, the others clipped.
function stretched(context, [low, high]) {
  const { canvas } = context;
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  image.data.forEach((value, i, data) => {
    if (i % 4 < 3) data[i] = ((value - low) * 255) / (high - low); // a clamped array rounds
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

// Fits a decoded image to the network: with `size`, the largest part of that shape in its middle is
// cut out and scaled; without, an image larger than `most` pixels is reduced. `range`, if any, are
// the values that become black and white.
export async function fitted(bitmap, { size, most, channels, range }) {
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const cut = [0, 0, bitmap.width, bitmap.height];
  if (size) {
    const factor = Math.min(bitmap.height / size[0], bitmap.width / size[1]);
    cut[2] = Math.max(1, Math.round(size[1] * factor));
    cut[3] = Math.max(1, Math.round(size[0] * factor));
    cut[0] = (bitmap.width - cut[2]) >> 1;
    cut[1] = (bitmap.height - cut[3]) >> 1;
  }
  const [height, width] =
    size ?? [bitmap.height, bitmap.width].map((length) => Math.max(1, Math.round(length * scale)));
  const draw = (image, width, height) => {
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.imageSmoothingQuality = "high";
    if (channels < 4) {
      context.fillStyle = "white"; // transparency is laid on white
      context.fillRect(0, 0, width, height);
    }
    context.drawImage(image, 0, 0, width, height);
    return context;
  };
  // Cut before scaling, which would mix in neighbouring pixels.
  let part = await createImageBitmap(bitmap, ...cut);
  if (range) part = stretched(draw(part, cut[2], cut[3]), range);
  const rgba = draw(part, width, height).getImageData(0, 0, width, height).data;
  const data = new Uint8ClampedArray(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue, alpha] = rgba.subarray(4 * i, 4 * i + 4);
    if (channels === 1) data[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    else data.set(channels === 3 ? [red, green, blue] : [red, green, blue, alpha], i * channels);
  }
  return { width, height, channels, data };
}
