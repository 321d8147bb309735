// Draws the latents of a seed, bit for bit those of NumPy's default_rng(seed) in tfgan2, so that a
// seed gives the same image here, in `tfgan2 generate` and over HTTP.

const MASK_32 = (1n << 32n) - 1n;
const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;

// NumPy's SeedSequence: spreads a seed over `count` words of 32 bits.
function spread(seed, count) {
  const entropy = [];
  for (let rest = BigInt(seed); rest || !entropy.length; rest >>= 32n) {
    entropy.push(Number(rest & MASK_32));
  }
  let factor = 0x43b0d7e5;
  const hashed = (value) => {
    value ^= factor;
    factor = Math.imul(factor, 0x931e8875);
    value = Math.imul(value, factor);
    return value ^ (value >>> 16);
  };
  const mixed = (x, y) => {
    const value = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
    return value ^ (value >>> 16);
  };
  const pool = [0, 1, 2, 3].map((i) => hashed(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
    }
  }
  for (const word of entropy.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  }
  factor = 0x8b51f9dd;
  return Array.from({ length: count }, (_, i) => {
    let value = pool[i % 4] ^ factor;
    factor = Math.imul(factor, 0x58f38ded);
    value = Math.imul(value, factor);
    return (value ^ (value >>> 16)) >>> 0;
  });
}

// PCG64 (O'Neill 2014), XSL-RR 128/64, as NumPy seeds it. Gives 32 bits at a time, the lower half
// of each 64 first.
function pcg64(seed) {
  const words = spread(seed, 8).map(BigInt);
  const long = (i) => words[2 * i] | (words[2 * i + 1] << 32n);
  const increment = ((((long(2) << 64n) | long(3)) << 1n) | 1n) & MASK_128;
  const step = (state) => (state * 0x2360ed051fc65da44385df649fccf645n + increment) & MASK_128;
  let state = step((increment + ((long(0) << 64n) | long(1))) & MASK_128);
  let kept = null;
  return () => {
    if (kept !== null) {
      const half = kept;
      kept = null;
      return half;
    }
    state = step(state);
    const folded = (state >> 64n) ^ (state & MASK_64);
    const turn = state >> 122n;
    const value = ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
    kept = Number(value >> 32n);
    return Number(value & MASK_32);
  };
}

// The layers of the ziggurat (Marsaglia and Tsang 2000) under exp(-x²/2), 256 of equal area.
// They come out as NumPy's tables: none of their values lies near the edge of a rounding.
const TAIL = 3.6541528853610088;
const layers = (() => {
  const area = 0.00492867323399;
  const height = (x) => Math.exp(-0.5 * x * x);
  const edges = new Float64Array(257);
  edges[256] = area / height(TAIL);
  edges[255] = TAIL;
  for (let i = 254; i > 0; i--) {
    edges[i] = Math.sqrt(-2 * Math.log(area / edges[i + 1] + height(edges[i + 1])));
  }
  const unit = 2 ** 23;
  const widths = new Float32Array(256);
  const heights = new Float32Array(256);
  const inside = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const edge = edges[i || 256];
    widths[i] = edge / unit;
    heights[i] = height(edges[i]);
    inside[i] = Math.round(((i ? edges[i - 1] : TAIL) / edge) * unit);
  }
  return { widths, heights, inside };
})();

const float = Math.fround;
const fraction = (next) => (next() >>> 8) / 16777216;

function normal(next) {
  const { widths, heights, inside } = layers;
  for (;;) {
    const bits = next();
    const layer = bits & 0xff;
    const distance = bits >>> 9;
    const x = float(distance * widths[layer]) * (bits & 0x100 ? -1 : 1);
    if (distance < inside[layer]) return x;
    if (layer === 0) {
      for (;;) {
        const beyond = float(float(1 / TAIL) * -float(Math.log1p(-fraction(next))));
        const y = -float(Math.log1p(-fraction(next)));
        if (float(y + y) > float(beyond * beyond)) {
          const far = float(float(TAIL) + beyond);
          return (distance >>> 8) & 1 ? -far : far;
        }
      }
    }
    const step = float(heights[layer - 1] - heights[layer]);
    const y = float(float(step * fraction(next)) + heights[layer]);
    if (y < Math.exp(-0.5 * x * x)) return x;
  }
}

// Rows of latents: Float32Arrays of length dim. The first n rows of more are those of n.
export function drawLatents(seed, count, dim, distribution) {
  const next = pcg64(seed);
  const draw =
    distribution === "uniform" ? () => float(float(fraction(next) * 2) - 1) : () => normal(next);
  return Array.from({ length: count }, () => Float32Array.from({ length: dim }, draw));
}

// The integral of the normal density from 0 to x, by its Taylor series: all terms are positive.
function area(x) {
  let term = Math.abs(x);
  let sum = term;
  for (let n = 3; term > sum * 1e-17; n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return density(x) * sum * Math.sign(x);
}
const density = (x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

// The latent whose quantile in a normal distribution that ends at the threshold is that of `latent`
// in the whole one, as tfgan2.inputs.truncation.truncated.
export function truncated(latent, threshold) {
  if (threshold === 0) return latent.map(() => 0);
  const share = area(threshold) / 0.5;
  return latent.map((value) => {
    const wanted = share * area(Math.min(Math.abs(value), 8));
    let x = 0;
    // Newton's method; the area is concave above 0, so no step goes too far.
    for (let i = 0; i < 100; i++) {
      const step = (wanted - area(x)) / density(x);
      x += step;
      if (step < 1e-9) break;
    }
    return Math.min(x, threshold) * Math.sign(value);
  });
}

// Spherical interpolation, as tfgan2.inputs.latents.slerp: 0 gives start, 1 gives end.
export function slerp(start, end, weight) {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const lengths = Math.sqrt(dot(start, start)) * Math.sqrt(dot(end, end));
  const cosine = dot(start, end) / Math.max(lengths, 1e-12);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  const parallel = sine < 1e-6; // the arc is not defined, or is the line
  const a = parallel ? 1 - weight : Math.sin((1 - weight) * angle) / sine;
  const b = parallel ? weight : Math.sin(weight * angle) / sine;
  return start.map((value, i) => a * value + b * end[i]);
}

// How far a latent lies along a direction of length 1.
export function along(latent, direction) {
  return direction.reduce((sum, value, i) => sum + value * latent[i], 0);
}

// The latent moved along directions to where `places` says; a place of null stays.
export function moved(latent, directions, places, distribution) {
  const found = Float64Array.from(latent);
  directions.forEach(({ vector }, k) => {
    if (places[k] === null) return;
    const way = places[k] - along(latent, vector);
    vector.forEach((value, i) => (found[i] += way * value));
  });
  // Uniform latents have an end that training never passed.
  const edge = distribution === "uniform" ? 1 : Infinity;
  return Float32Array.from(found, (value) => Math.min(edge, Math.max(-edge, value)));
}
