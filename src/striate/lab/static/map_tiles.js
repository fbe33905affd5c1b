// The maps of a layer as buttons with a canvas; among them the arrow keys move, and each has a name.

import { el } from "./lab.js";

let palette = null;

function levelsOf(layer) {
  return layer.bytes || (layer.bytes = Uint8Array.from(atob(layer.levels.base64), (letter) => letter.charCodeAt(0)));
}

/** Map `index` of those that a layer shows: gray from 0 on, or blue and orange around 0. */
export function mapCanvas(layer, index) {
  const [, height, width] = layer.levels.shape;
  const bytes = levelsOf(layer).subarray(index * height * width, (index + 1) * height * width);
  const canvas = el("canvas", { width, height, "aria-hidden": "true" });
  const data = new ImageData(width, height);
  bytes.forEach((level, place) => data.data.set(layer.low < 0 ? signed(level) : [level, level, level, 255], 4 * place));
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

function signed(level) {
  palette ||= Array.from({ length: 256 }, (_empty, byte) => {
    const value = (byte - 128) / 127;
    const hue = value < 0 ? [0, 90, 170] : [196, 78, 0];
    return [...hue.map((part) => Math.round(255 + (part - 255) * Math.min(1, Math.abs(value)))), 255];
  });
  return palette[level];
}

/** The button of a map. */
export function tileOf(layer, index, { name, pressed, ablated }) {
  const { unit } = layer.units[index];
  return el(
    "button",
    { type: "button", class: `tile${ablated ? " ablated" : ""}`, "data-unit": unit, "aria-label": name, "aria-pressed": String(pressed), tabindex: pressed ? 0 : -1 },
    mapCanvas(layer, index), el("span", { class: "tile-name" }, String(unit)),
  );
}

/** Arrow keys, clicks and the pointer over tiles; `hover` is called with the place under the pointer, and with none as it leaves. */
export function followTiles(box, { choose, hover, step, sides }) {
  const placeAt = (event) => {
    const canvas = event.target.closest(".tile")?.querySelector("canvas");
    if (!canvas || !event.detail && event.type === "click") return null;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const share = [(event.clientY - top) / height, (event.clientX - left) / width];
    return share.map((part, axis) => {
      const cells = Math.ceil(sides()[axis] / step());
      return Math.min(sides()[axis] - 1, Math.min(cells - 1, Math.max(0, Math.floor(part * cells))) * step());
    });
  };
  box.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (tile) choose(Number(tile.dataset.unit), placeAt(event));
  });
  box.addEventListener("pointermove", (event) => hover(placeAt(event)));
  box.addEventListener("pointerleave", () => hover(null));
  box.addEventListener("keydown", (event) => {
    const tiles = [...box.children];
    const at = tiles.indexOf(document.activeElement);
    if (at < 0) return;
    const across = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - across, ArrowDown: at + across, Home: 0, End: tiles.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tile = tiles[Math.min(tiles.length - 1, Math.max(0, next))];
    for (const other of tiles) other.tabIndex = other === tile ? 0 : -1;
    tile.focus();
  });
}
