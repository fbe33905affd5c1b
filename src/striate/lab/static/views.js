// Draws the views of a lesson. A view's figure stays while its content is drawn anew, so that a drag or the focus goes on.

import { announce, el, say, svg, texts } from "./lab.js";
import { maps } from "./map_rows.js";
import { bars, lines, plainTable, points, WIDE } from "./plots.js";
import { pointer, stops } from "./stops.js";

const NUMBERS = 20; // room for the numbers of rows and columns
const DRAWERS = { grid, lines, bars, points, image, diagram, maps, table, formula, sentence, stops, pointer };

/** The figure of a view: a new one, or `figure` with new content. */
export function draw(view, figure, controls) {
  if (!figure) {
    figure = el("figure", { class: `view ${view.kind}`, "data-view": view.name });
    figure.append(el("figcaption", {}, el("span", { class: "title" })), el("div", { class: "surface" }), el("p", { class: "caption" }));
  }
  figure.view = view;
  figure.querySelector(".title").textContent = view.title;
  figure.querySelector(".caption").textContent = view.caption || "";
  const surface = figure.querySelector(".surface");
  DRAWERS[view.kind](view, surface, controls, figure);
  return figure;
}

/** As `draw`, where nothing of a view can be moved. */
export function drawn(view) {
  return draw(view, null, { values: {} });
}

function grid(view, surface, controls, figure) {
  const rows = view.values.length;
  const columns = view.values[0].length;
  const all = view.values.flat();
  const high = view.high ?? Math.max(...all.map(Math.abs), 1e-12);
  const low = view.low ?? (view.diverging ? -high : Math.min(...all));
  const side = 32;
  const edge = view.numbered ? NUMBERS : 0;
  const picture = svg("svg", {
    viewBox: `${-1 - edge} ${-1 - edge} ${columns * side + 2 + edge} ${rows * side + 2 + edge}`, class: "numbers", role: "img",
    "aria-label": say(view.digits ? "grid_numbers" : "grid", { rows, columns, title: view.title }),
  });
  picture.style.width = `${columns * 2.15}rem`;
  view.values.forEach((row, y) => row.forEach((value, x) => {
    const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
    const cell = svg("rect", { x: x * side, y: y * side, width: side, height: side, class: "cell" });
    cell.style.fill = view.diverging ? twoHues(2 * share - 1) : `rgb(${gray(share)} ${gray(share)} ${gray(share)})`;
    picture.append(cell);
    if (view.digits) {
      const text = short(value);
      const dark = view.diverging ? Math.abs(2 * share - 1) > 0.62 : share < 0.5;
      const size = text.length > 6 ? 6.6 : text.length > 5 ? 8 : text.length > 3 ? 10 : 13;
      picture.append(svg("text", { x: (x + 0.5) * side, y: (y + 0.5) * side, class: dark ? "on-dark" : "on-light", "font-size": size }, text));
    }
  }));
  for (let place = 0; edge && place < Math.max(rows, columns); place += 1) {
    const [middle, text] = [(place + 0.5) * side, { class: "grid-number" }];
    if (place < columns) picture.append(svg("text", { ...text, x: middle, y: -edge / 2 }, place));
    if (place < rows) picture.append(svg("text", { ...text, x: -edge / 2, y: middle }, place));
  }
  for (const frame of view.windows) picture.append(framed(frame, side));
  surface.replaceChildren(picture);
  if ((view.position || view.cells) && !figure.movable) movable(figure, surface, controls);
  if (view.position || view.cells) {
    const help = [view.position ? texts.move_help : "", view.cells ? texts.cell_help : ""].filter(Boolean).join(" ");
    surface.setAttribute("aria-label", `${view.title}. ${help}`);
    surface.title = help;
    picture.setAttribute("aria-hidden", "true");
    mark(figure, picture, side);
  }
  if (view.digits) picture.append(svg("desc", {}, view.values.map((row) => row.map(short).join(" ")).join("; ")));
}

function framed(frame, side) {
  return svg("rect", {
    x: frame.column * side, y: frame.row * side, width: frame.width * side, height: frame.height * side, class: `frame role-${frame.role}`,
  });
}

function gray(share) {
  return Math.round(255 * share);
}

// From blue over the paper's white to orange; of equal lightness on both sides, so that the size shows in gray too
function twoHues(value) {
  const strength = Math.min(1, Math.abs(value));
  const [red, green, blue] = value < 0 ? [0, 90, 170] : [196, 78, 0];
  return `rgb(${[red, green, blue].map((part) => Math.round(255 + (part - 255) * strength)).join(" ")})`;
}

function short(value) {
  if (value === null) return "–";
  return (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)))).replace("-", "−");
}

function movable(figure, surface, controls) {
  figure.movable = true;
  figure.classList.add("movable");
  surface.tabIndex = 0;
  surface.setAttribute("role", "application");
  let began = null;
  let moved = false;
  const cellAt = (event) => {
    const picture = surface.querySelector("svg");
    const box = picture.getBoundingClientRect();
    const rows = figure.view.values.length;
    const columns = figure.view.values[0].length;
    const edge = figure.view.numbered ? NUMBERS / 32 : 0; // in cells
    const along = (at, from, length, count) => Math.min(count - 1, Math.max(0, Math.floor(((at - from) / length) * (count + edge) - edge)));
    return [along(event.clientY, box.top, box.height, rows), along(event.clientX, box.left, box.width, columns)];
  };
  const moveTo = ([row, column]) => {
    const { position } = figure.view;
    const fit = (name, cell) => controls.fit(name, (cell - position.center) / position.step);
    controls.setAll({ [position.row]: fit(position.row, row), [position.column]: fit(position.column, column) });
  };
  const changeCell = ([row, column]) => {
    if (!controls.hasCell(figure.view.cells, row, column)) return;
    const level = controls.next(figure.view.cells, row, column);
    announce(say("cell", { row: row + 1, column: column + 1, value: level }));
  };
  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    surface.setPointerCapture(event.pointerId);
    began = cellAt(event);
    moved = false;
    if (figure.view.position && !figure.view.cells) moveTo(began);
  });
  surface.addEventListener("pointermove", (event) => {
    if (!began || !surface.hasPointerCapture(event.pointerId)) return;
    const cell = cellAt(event);
    if (cell[0] === began[0] && cell[1] === began[1] && !moved) return;
    moved = true;
    if (figure.view.position) moveTo(cell);
  });
  surface.addEventListener("pointerup", (event) => {
    if (began && !moved && figure.view.cells) changeCell(cellAt(event));
    began = null;
  });
  surface.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const { position, cells } = figure.view;
    if (step) {
      event.preventDefault();
      if (cells) {
        const at = figure.cursor || [0, 0];
        const limit = [figure.view.values.length, figure.view.values[0].length];
        figure.cursor = at.map((value, axis) => Math.min(limit[axis] - 1, Math.max(0, value + step[axis])));
        mark(figure, surface.querySelector("svg"), 32);
        const [row, column] = figure.cursor;
        announce(say("cell", { row: row + 1, column: column + 1, value: short(figure.view.values[row][column]) }));
        if (position) moveTo(figure.cursor);
      } else {
        const { values } = controls;
        controls.setAll({
          [position.row]: controls.fit(position.row, values[position.row] + step[0]),
          [position.column]: controls.fit(position.column, values[position.column] + step[1]),
        });
      }
    } else if ((event.key === " " || event.key === "Enter") && cells) {
      event.preventDefault();
      changeCell(figure.cursor || [0, 0]);
    }
  });
}

function mark(figure, picture, side) {
  picture.querySelector(".cursor")?.remove();
  if (!figure.cursor || !figure.view.cells) return;
  const [row, column] = figure.cursor;
  picture.append(svg("rect", { x: column * side + 2, y: row * side + 2, width: side - 4, height: side - 4, class: "cursor" }));
}

/** Pixels on a canvas, enlarged without smoothing where they are few. */
export function canvasOf(pixels, description, scale = 0) {
  const [height, width, channels] = pixels.shape;
  const bytes = Uint8Array.from(atob(pixels.base64), (letter) => letter.charCodeAt(0));
  const canvas = el("canvas", { width, height, role: "img", "aria-label": description, class: scale > 1 || Math.max(height, width) <= 64 ? "pixels" : "" });
  const data = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    for (let color = 0; color < 3; color += 1) data.data[4 * place + color] = bytes[channels * place + (channels === 1 ? 0 : color)];
    data.data[4 * place + 3] = channels === 4 ? bytes[4 * place + 3] : 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  if (scale) canvas.style.width = `${width * scale}px`;
  return canvas;
}

function image(view, surface) {
  const canvas = canvasOf(view.pixels, view.description, view.scale);
  const [height, width] = view.pixels.shape;
  const box = el("div", { class: "framed" }, canvas);
  if (view.windows.length) {
    const over = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", class: "over", preserveAspectRatio: "none" });
    for (const frame of view.windows) over.append(framed(frame, 1));
    box.append(over);
  }
  surface.replaceChildren(box);
}

function diagram(view, surface, controls) {
  const high = WIDE / view.ratio;
  const radius = 21;
  const at = (node) => [34 + node.x * (WIDE - 68), 34 + node.y * (high - 80)];
  const places = new Map(view.nodes.map((node) => [node.id, node]));
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${high}`, class: "plot", role: view.nodes.some((node) => node.control) ? "group" : "img", "aria-label": view.description });
  for (const edge of view.edges) {
    const [[x1, y1], [x2, y2]] = [at(places.get(edge.start)), at(places.get(edge.end))];
    const length = Math.hypot(x2 - x1, y2 - y1) || 1;
    const [dx, dy] = [((x2 - x1) / length) * radius, ((y2 - y1) / length) * radius];
    picture.append(svg("line", { x1: x1 + dx, y1: y1 + dy, x2: x2 - dx, y2: y2 - dy, class: `edge role-${edge.role}${edge.on ? "" : " dashed"}` }));
    if (edge.dot) picture.append(svg("circle", { cx: x2 - dx * 1.25, cy: y2 - dy * 1.25, r: 5, class: `edge-dot role-${edge.role}` }));
    if (edge.label) picture.append(svg("text", { x: x1 + (x2 - x1) * 0.4, y: y1 + (y2 - y1) * 0.4 - 5, class: "edge-label middle" }, edge.label));
  }
  for (const node of view.nodes) {
    const [x, y] = at(node);
    const unit = svg("g", { class: `unit${node.on ? " on" : ""}${node.out ? " out" : ""}` });
    unit.append(svg("circle", { cx: x, cy: y, r: radius }));
    if (node.out) unit.append(svg("path", { d: `M${x - 15} ${y - 15}L${x + 15} ${y + 15}M${x + 15} ${y - 15}L${x - 15} ${y + 15}` }));
    unit.append(svg("text", { x, y, class: "unit-value middle" }, node.value));
    if (node.label) unit.append(svg("text", { x, y: y + radius + 12, class: "unit-label middle" }, node.label));
    if (node.control) {
      const toggle = () => controls.set(node.control, !controls.values[node.control]);
      unit.classList.add("press");
      for (const [name, value] of Object.entries({ role: "switch", tabindex: 0, "aria-checked": node.on, "aria-label": node.label || node.id, "data-node": node.id })) unit.setAttribute(name, value);
      unit.addEventListener("click", toggle);
      unit.addEventListener("keydown", (event) => {
        if (event.key !== " " && event.key !== "Enter") return;
        event.preventDefault();
        toggle();
      });
    }
    picture.append(unit);
  }
  const focused = surface.contains(document.activeElement) ? document.activeElement.dataset.node : null;
  surface.replaceChildren(picture);
  if (focused) surface.querySelector(`[data-node="${CSS.escape(focused)}"]`)?.focus();
}

function table(view, surface) {
  surface.replaceChildren(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": view.title }, plainTable(view.title, view.columns, view.rows)));
}

function formula(view, surface) {
  surface.replaceChildren(el("ul", { class: `calculation role-${view.role}` }, view.lines.map((line) => el("li", {}, line))));
}

function sentence(view, surface) {
  surface.replaceChildren(el("p", { class: "said" }, view.text));
}
