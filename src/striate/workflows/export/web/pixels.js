// An image file to the pixels that the model takes: striate's decoder and Pillow's resizing, in the same integers.
import { decodePng, even, isPng } from "./png.js";

const MOST_PIXELS = 64e6, MOST_SIDE = 30000, LONG = 8;
const BITS = 22; // behind the point of a weight
const BAND_PIXELS = 1 << 20; // that are copied from the browser at once

function check(width, height) {
  if (Math.max(width, height) > MOST_SIDE || width * height > MOST_PIXELS) {
    throw new Error("This image has more than 64 megapixels, or a side of more than 30,000 pixels.");
  }
}

/** The type of a file by its first bytes; an Error where this page does not read it. */
function typeOf(bytes) {
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (text.startsWith("GIF8")) return "image/gif";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "image/webp";
  if (text.startsWith("BM")) return "image/bmp";
  if (/^ftypavi[fs]/.test(text.slice(4))) return "image/avif";
  throw new Error("Expected an image as PNG, JPEG, WebP, GIF, BMP or AVIF; this page reads no other files.");
}

/** The pixels of a file: {width, height, bands}, where `bands` are RGBA of whole rows, from the top. */
async function decoded(bytes, spec) {
  if (!bytes.length) throw new Error("This file is empty.");
  if (isPng(bytes)) {
    const { width, height, rgba } = turned(await decodePng(bytes, spec.white_level, check));
    return { width, height, bands: [rgba] };
  }
  const type = typeOf(bytes);
  if (type === "image/jpeg" && !hasEnd(bytes)) throw new Error("This JPEG is cut off.");
  const how = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([bytes], { type }), how).catch(() => {
    throw new Error("The browser cannot decode this image.");
  });
  check(bitmap.width, bitmap.height);
  return { width: bitmap.width, height: bitmap.height, bands: bandsOf(bitmap) };
}

/** Whether a JPEG has a marker of its end after its last scan began. */
function hasEnd(bytes) {
  for (let at = bytes.length - 2; at > 1; at--) {
    if (bytes[at] !== 0xff) continue;
    if (bytes[at + 1] === 0xd9) return true;
    if (bytes[at + 1] === 0xda) return false;
  }
  return false;
}

function* bandsOf(bitmap) {
  const rows = Math.max(1, Math.floor(BAND_PIXELS / bitmap.width));
  const canvas = new OffscreenCanvas(bitmap.width, Math.min(rows, bitmap.height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < bitmap.height; top += rows) {
    const height = Math.min(rows, bitmap.height - top);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, -top);
    yield context.getImageData(0, 0, bitmap.width, height).data;
  }
  bitmap.close();
}

/** An image as it is to be seen, by the orientation of its EXIF. */
function turned({ width, height, rgba, orientation }) {
  if (orientation === 1) return { width, height, rgba };
  const swapped = orientation > 4, flipX = [2, 3, 7, 8].includes(orientation), flipY = [3, 4, 6, 7].includes(orientation);
  const [across, down] = swapped ? [height, width] : [width, height];
  const from = new Uint32Array(rgba.buffer), to = new Uint32Array(width * height);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      let [column, row] = swapped ? [y, x] : [x, y];
      if (flipX) column = width - 1 - column;
      if (flipY) row = height - 1 - row;
      to[y * across + x] = from[row * width + column];
    }
  }
  return { width: across, height: down, rgba: new Uint8ClampedArray(to.buffer) };
}

const triangle = (x) => (x < 1 ? 1 - x : 0);
const cubic = (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0);
const FILTERS = { bilinear: [triangle, 1], bicubic: [cubic, 2] };

/** Of each of `count` outputs from `first` on: the first input and the weights, as Pillow's `precompute_coeffs` has them. */
function weightsOf(size, low, high, outputs, first, count, interpolation) {
  const [filter, reach] = FILTERS[interpolation];
  const start = Math.fround(low), scale = Math.fround(Math.fround(high) - start) / outputs, wide = Math.max(scale, 1);
  const support = reach * wide, inverse = 1 / wide, all = [];
  for (let n = first; n < first + count; n++) {
    const center = start + (n + 0.5) * scale;
    const least = Math.max(0, Math.trunc(center - support + 0.5)), end = Math.min(size, Math.trunc(center + support + 0.5));
    const shares = Array.from({ length: end - least }, (_, k) => filter(Math.abs((k + least - center + 0.5) * inverse)));
    const sum = shares.reduce((total, share) => total + share, 0);
    const weights = Int32Array.from(shares, (share) => {
      const fixed = (sum === 0 ? share : share / sum) * 2 ** BITS;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    all.push({ least, weights });
  }
  return all;
}

const luma = (r, g, b) => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

/** Where an image is cut out and how large it becomes: the box of each side, outputs, and where the square lies in them. */
function plan(width, height, spec) {
  const side = spec.size_px, short = Math.min(width, height), long = Math.max(width, height);
  const whole = { boxX: [0, width], boxY: [0, height], inner: [side, side], cut: [0, 0], paste: [0, 0], columns: side, rows: side };
  if ((width === side && height === side) || spec.resize_mode === "squash") return whole;
  if (spec.resize_mode === "crop") {
    if (spec.share === 1 || long > LONG * short) {
      const length = short * spec.share, left = (width - length) / 2, top = (height - length) / 2;
      return { ...whole, boxX: [left, left + length], boxY: [top, top + length] };
    }
    const larger = Math.floor(side / spec.share + 1e-6);
    const inner = [width, height].map((own) => (own === short ? larger : Math.trunc((larger * own) / short)));
    return { ...whole, inner, cut: inner.map((length) => even((length - side) / 2)) };
  }
  const scale = side / long, inner = [width, height].map((own) => Math.max(1, even(own * scale)));
  const paste = inner.map((length) => Math.floor((side - length) / 2));
  return { ...whole, inner, paste, columns: inner[0], rows: inner[1] };
}

/** The levels of an image before the background, C a pixel; and whether all are gray. */
function levelsOf({ width, height, bands }, spec) {
  const channels = spec.channels, levels = new Uint8Array(width * height * channels), color = [0, 0, 0];
  let gray = true, at = 0;
  for (const rgba of bands) {
    for (let n = 0; n < rgba.length; n += 4) {
      const alpha = rgba[n + 3];
      for (let c = 0; c < 3; c++) {
        const own = rgba[n + c];
        color[c] = alpha === 255 ? own : Math.trunc((own * alpha + spec.background[c] * (255 - alpha) + 127) / 255);
      }
      if (color[0] !== color[1] || color[0] !== color[2]) gray = false;
      if (channels === 1) levels[at++] = luma(color[0], color[1], color[2]);
      else for (let c = 0; c < 3; c++) levels[at++] = color[c];
    }
  }
  return { levels, gray };
}

/** One pass of resizing over the middle of three axes: [outer, length, inner] becomes [outer, weights.length, inner]. */
function resized(from, outer, length, inner, weights) {
  const to = new Uint8Array(outer * weights.length * inner);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const { least, weights: own } of weights) {
      const first = (o * length + least) * inner;
      for (let n = 0; n < inner; n++) {
        let sum = 1 << (BITS - 1);
        for (let k = 0, place = first + n; k < own.length; k++, place += inner) sum += from[place] * own[k];
        to[at++] = Math.min(255, Math.max(0, sum >> BITS));
      }
    }
  }
  return to;
}

/** The pixels of a file as the model takes them: size x size x channels, uint8. */
export async function pixelsOf(bytes, spec, verticalFirst) {
  const image = await decoded(bytes, spec), { width, height } = image, channels = spec.channels, side = spec.size_px;
  const { levels, gray } = levelsOf(image, spec);
  const { boxX, boxY, inner, cut, paste, columns, rows } = plan(width, height, spec);
  const across = weightsOf(width, ...boxX, inner[0], cut[0], columns, spec.interpolation);
  const down = weightsOf(height, ...boxY, inner[1], cut[1], rows, spec.interpolation);
  // Each pass rounds, so the order counts; Pillow since 13 begins with the rows where that is less work
  const rowsFirst = verticalFirst && inner[1] < height && height - inner[1] > 2 * (width - inner[0]);
  const small = rowsFirst
    ? resized(resized(levels, 1, height, width * channels, down), rows, width, channels, across)
    : resized(resized(levels, height, width, channels, across), 1, height, columns * channels, down);
  const behind = gray || channels === 1 ? Array(channels).fill(luma(...spec.background)) : spec.background;
  const pixels = Uint8Array.from({ length: side * side * channels }, (_, n) => behind[n % channels]);
  for (let y = 0; y < rows; y++) {
    const row = small.subarray(y * columns * channels, (y + 1) * columns * channels);
    pixels.set(row, ((paste[1] + y) * side + paste[0]) * channels);
  }
  return pixels;
}
