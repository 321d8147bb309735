// Encodes images as PNG with exactly these pixels. Not through a canvas: that premultiplies by
// alpha, and some browsers add noise to what is read from it.

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
const COLOUR = { 1: 0, 3: 2, 4: 6 }; // grey, RGB, RGBA

function chunk(name, body) {
  const bytes = new Uint8Array(body.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(body, 8);
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, -4)) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  view.setUint32(bytes.length - 4, ~crc);
  return bytes;
}

// The argument is an image: width, height, channels (1, 3 or 4), data: bytes, row by row.
export async function png({ width, height, channels, data }) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, COLOUR[channels], 0, 0, 0], 8);
  const row = width * channels;
  const lines = new Uint8Array((row + 1) * height); // each begins with a filter's number: none
  for (let y = 0; y < height; y++) {
    lines.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  }
  const packed = new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate"));
  const body = new Uint8Array(await new Response(packed).arrayBuffer());
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const parts = [signature, chunk("IHDR", header), chunk("IDAT", body)];
  return new Blob([...parts, chunk("IEND", new Uint8Array())], { type: "image/png" });
}

export async function download(image, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await png(image));
  link.download = `${name}.png`;
  link.click();
  // The browser reads the address after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
