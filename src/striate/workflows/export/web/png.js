// PNG to pixels of 8 bits as striate's own decoder has them. A browser would scale 16 bits and multiply by transparency its own way.
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by color type
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]; // x, y, steps
const FEW_LEVELS = 17;

export const isPng = (bytes) => SIGNATURE.every((byte, n) => bytes[n] === byte);

/** The chunks of a file up to its end: [{name, data}]. */
function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), chunks = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === "IEND" || at + 12 + length > bytes.length) break;
    chunks.push({ name, data: bytes.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function headerOf(chunks) {
  const data = chunks[0]?.name === "IHDR" && chunks[0].data;
  if (!data || data.length < 13) throw new Error("This PNG is damaged: it has no header.");
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const header = { width: view.getUint32(0), height: view.getUint32(4), bits: data[8], type: data[9], interlaced: data[12] === 1 };
  if (!(header.type in CHANNELS) || ![1, 2, 4, 8, 16].includes(header.bits)) throw new Error("This PNG has no known kind of pixels.");
  return header;
}

/** Exactly `length` bytes of the compressed data. */
async function inflated(parts, length) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader(), bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) throw new Error("This PNG is cut off or damaged.");
    bytes.set(value.subarray(0, length - at), at);
    at += value.length;
  }
  reader.cancel().catch(() => {});
  return bytes;
}

/** Undoes the filter of each row in place; rows of `stride` bytes follow a byte that says which filter. */
function unfilter(bytes, start, rows, stride, step) {
  for (let row = 0, at = start; row < rows; row++, at += stride + 1) {
    const filter = bytes[at], own = at + 1, above = own - stride - 1;
    if (filter > 4) throw new Error("This PNG is damaged: a row has no known filter.");
    for (let n = 0; filter && n < stride; n++) {
      const left = n < step ? 0 : bytes[own + n - step];
      const up = row ? bytes[above + n] : 0;
      if (filter === 1) bytes[own + n] += left;
      else if (filter === 2) bytes[own + n] += up;
      else if (filter === 3) bytes[own + n] += (left + up) >> 1;
      else {
        const corner = row && n >= step ? bytes[above + n - step] : 0;
        const sum = left + up - corner, [a, b, c] = [Math.abs(sum - left), Math.abs(sum - up), Math.abs(sum - corner)];
        bytes[own + n] += a <= b && a <= c ? left : b <= c ? up : corner;
      }
    }
  }
}

/** The samples of all pixels, of 16 bits each as they are, row by row. */
async function samplesOf(header, parts) {
  const { width, height, bits, type } = header, channels = CHANNELS[type];
  const passes = (header.interlaced ? ADAM7 : [[0, 0, 1, 1]]).map(([x, y, across, down]) => {
    const columns = Math.ceil((width - x) / across), rows = Math.ceil((height - y) / down);
    return { x, y, across, down, columns, rows, stride: Math.ceil((columns * channels * bits) / 8) };
  }).filter((pass) => pass.columns > 0 && pass.rows > 0);
  const bytes = await inflated(parts, passes.reduce((sum, pass) => sum + pass.rows * (pass.stride + 1), 0));
  const samples = bits === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
  let start = 0;
  for (const { x, y, across, down, columns, rows, stride } of passes) {
    unfilter(bytes, start, rows, stride, Math.max(1, (channels * bits) >> 3));
    for (let row = 0; row < rows; row++) {
      const from = start + row * (stride + 1) + 1;
      for (let n = 0; n < columns * channels; n++) {
        const place = ((y + row * down) * width + x + Math.floor(n / channels) * across) * channels + (n % channels);
        if (bits === 8) samples[place] = bytes[from + n];
        else if (bits === 16) samples[place] = (bytes[from + 2 * n] << 8) | bytes[from + 2 * n + 1];
        else samples[place] = (bytes[from + ((n * bits) >> 3)] >> (8 - bits - ((n * bits) & 7))) & ((1 << bits) - 1);
      }
    }
    start += rows * (stride + 1);
  }
  return samples;
}

const greatest = (samples, keep) => samples.reduce((most, value, n) => (keep(n) && value > most ? value : most), 0);
/** Rounded, a half to the even number, as Python does. */
export const even = (value) => {
  const low = Math.floor(value);
  return value - low > 0.5 || (value - low === 0.5 && low % 2) ? low + 1 : low;
};

/** How a gray sample becomes a level, as the white level says. */
function grayLevels(samples, bits, whiteLevel) {
  if (bits < 16) return Uint8Array.from({ length: 1 << bits }, (_, value) => (value * 255) / ((1 << bits) - 1));
  const most = greatest(samples, () => true), factor = whiteLevel === null ? 1 / 257 : 255 / whiteLevel;
  if (whiteLevel !== null && most > whiteLevel) throw new Error(`Expected pixels from 0 to ${whiteLevel}; this PNG has ${most}.`);
  if (whiteLevel === null && most > 0 && even(most * factor) < FEW_LEVELS) {
    throw new Error("This PNG has 16 bits and would be all but black in 8.");
  }
  return Uint8Array.from({ length: most + 1 }, (_, value) => even(value * factor));
}

/** The pixels of a PNG: {width, height, rgba, orientation}. `check` is given width and height before pixels are read. */
export async function decodePng(bytes, whiteLevel, check) {
  const chunks = chunksOf(bytes), header = headerOf(chunks), { width, height, bits, type } = header;
  check(width, height);
  const only = (name) => chunks.find((chunk) => chunk.name === name)?.data;
  const samples = await samplesOf(header, chunks.filter((chunk) => chunk.name === "IDAT").map((chunk) => chunk.data));
  const channels = CHANNELS[type], deep = bits === 16, hidden = only("tRNS"), palette = only("PLTE");
  const level = type === 0 ? grayLevels(samples, bits, whiteLevel) : null;
  if (deep && type !== 0) {
    const colors = type === 4 ? 1 : 3;
    const most = greatest(samples, (n) => n % channels < colors) >> 8;
    if (whiteLevel !== null && whiteLevel !== 65535) throw new Error("16-bit color has no white level; save the image with 8 bits.");
    if (whiteLevel === null && most < FEW_LEVELS) throw new Error("This PNG has 16 bits and would be all but black in 8.");
  }
  const secret = hidden && type !== 3 ? Array.from({ length: hidden.length >> 1 }, (_, n) => (hidden[2 * n] << 8) | hidden[2 * n + 1]) : null;
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let pixel = 0, at = 0; pixel < width * height; pixel++, at += 4) {
    const from = pixel * channels, value = samples[from];
    let alpha = 255;
    if (type === 0) {
      rgba[at] = rgba[at + 1] = rgba[at + 2] = level[value];
      if (secret && (bits === 1 ? value === Number(secret[0] > 0) : deep ? value === secret[0] : level[value] === secret[0])) alpha = 0;
    } else if (type === 3) {
      for (let n = 0; n < 3; n++) rgba[at + n] = palette?.[3 * value + n] ?? 0;
      alpha = hidden?.[value] ?? 255;
    } else {
      for (let n = 0; n < 3; n++) rgba[at + n] = deep ? samples[from + (type === 4 ? 0 : n)] >> 8 : samples[from + (type === 4 ? 0 : n)];
      if (type !== 2) alpha = deep ? samples[from + channels - 1] >> 8 : samples[from + channels - 1];
      else if (secret && secret.every((each, n) => each === rgba[at + n])) alpha = 0;
    }
    rgba[at + 3] = alpha;
  }
  return { width, height, rgba, orientation: orientationOf(only("eXIf")) };
}

/** What EXIF says of how an image lies, 1 to 8; 1 where it says nothing. */
export function orientationOf(exif) {
  if (!exif || exif.length < 14) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length), little = exif[0] === 0x49;
  const directory = view.getUint32(4, little);
  if (directory + 2 > exif.length) return 1;
  for (let n = 0, at = directory + 2; n < view.getUint16(directory, little) && at + 12 <= exif.length; n++, at += 12) {
    if (view.getUint16(at, little) === 0x0112) {
      const value = view.getUint16(at + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}
