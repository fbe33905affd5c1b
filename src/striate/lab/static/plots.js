// Lines, bars and clouds of points in axes, each with its numbers as a table below.

import { el, number, say, svg, texts } from "./lab.js";

export const WIDE = 480;
const HIGH = 290;
const EDGE = { left: 64, right: 18, top: 14, bottom: 44 };

function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  const values = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) values.push(Number(value.toPrecision(12)));
  return values;
}

function powers(low, high) {
  const values = [];
  const every = Math.max(1, Math.ceil((Math.log10(high) - Math.log10(low)) / 7));
  for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.log10(high) + 1e-9; power += every) values.push(10 ** power);
  return values;
}

function range(given, values, padding = 0.05) {
  if (given) return given;
  const finite = values.filter((value) => value !== null);
  let [low, high] = [Math.min(...finite), Math.max(...finite)];
  if (low === high) [low, high] = [low - 1, high + 1];
  return [low - padding * (high - low), high + padding * (high - low)];
}

function axes(picture, view, xs, ys, scale) {
  const { x, y } = scale;
  const bottom = HIGH - EDGE.bottom;
  for (const tick of view.y_log ? powers(...ys) : ticks(...ys)) {
    picture.append(svg("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: y(tick), y2: y(tick), class: "rule" }));
    picture.append(svg("text", { x: EDGE.left - 6, y: y(tick), class: "tick end" }, view.y_log ? power(tick) : number(tick)));
  }
  if (xs) {
    for (const tick of ticks(...xs, 6)) {
      picture.append(svg("line", { x1: x(tick), x2: x(tick), y1: EDGE.top, y2: bottom, class: "rule" }));
      picture.append(svg("text", { x: x(tick), y: bottom + 15, class: "tick middle" }, number(tick)));
    }
    if (xs[0] < 0 && xs[1] > 0) picture.append(svg("line", { x1: x(0), x2: x(0), y1: EDGE.top, y2: bottom, class: "axis" }));
  }
  const base = !view.y_log && ys[0] < 0 && ys[1] > 0 ? y(0) : bottom;
  picture.append(svg("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: base, y2: base, class: "axis" }));
  picture.append(svg("text", { x: (EDGE.left + WIDE - EDGE.right) / 2, y: HIGH - 9, class: "axis-label middle" }, view.x_label || ""));
  const middle = (EDGE.top + bottom) / 2;
  picture.append(svg("text", { x: 12, y: middle, class: "axis-label middle", transform: `rotate(-90 12 ${middle})` }, view.y_label));
}

function power(value) {
  return value >= 1e-3 && value < 1e4 ? number(value) : `10${[...String(Math.round(Math.log10(value)))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] || "⁻").join("")}`;
}

function scales(xs, ys, log) {
  const linear = ([low, high], from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);
  const y = log
    ? ((place) => (value) => place(Math.log10(value)))(linear(ys.map(Math.log10), HIGH - EDGE.bottom, EDGE.top))
    : linear(ys, HIGH - EDGE.bottom, EDGE.top);
  return { x: linear(xs, EDGE.left, WIDE - EDGE.right), y };
}

function legend(surface, series) {
  if (series.length < 2) return;
  const list = el("ul", { class: "legend", "aria-hidden": "true" });
  for (const entry of series) {
    list.append(el("li", {}, el("span", { class: `swatch role-${entry.role}${entry.dashed ? " dashed" : ""}` }), entry.label));
  }
  surface.append(list);
}

function numbersBelow(surface, caption, columns, rows) {
  const open = surface.querySelector("details")?.open;
  const details = el("details", { open }, el("summary", {}, texts.as_table));
  details.append(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, plainTable(caption, columns, rows)));
  return details;
}

function plot(surface, view, description) {
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "plot", role: "img", "aria-label": description });
  return picture;
}

// A series without a label belongs to another one, as what it should come to
function named(view) {
  return view.series.filter((entry) => entry.label);
}

function described(view) {
  const series = named(view).map((entry) => {
    const finite = entry.y.filter((value) => value !== null);
    return say("series", { name: entry.label, low: number(Math.min(...finite)), high: number(Math.max(...finite)) });
  });
  return `${view.title}. ${series.join(" ")}`;
}

export function lines(view, surface, controls, figure) {
  const xs = range(view.x_range, view.series.flatMap((entry) => entry.x).concat(view.marks.map((mark) => mark.x)), 0);
  const all = view.series.flatMap((entry) => entry.y).concat(view.marks.map((mark) => mark.y));
  const positive = all.filter((value) => value > 0);
  const ys = view.y_log ? view.y_range || [Math.min(...positive) / 1.3, Math.max(...positive) * 1.3] : range(view.y_range, all);
  const scale = scales(xs, ys, view.y_log);
  const picture = plot(surface, view, described(view));
  axes(picture, view, xs, ys, scale);
  const clip = [EDGE.top, HIGH - EDGE.bottom];
  for (const entry of view.series) {
    let path = "";
    let pen = "M";
    entry.x.forEach((x, index) => {
      const value = entry.y[index];
      if (value === null || (view.y_log && value <= 0)) { pen = "M"; return; }
      const y = Math.min(clip[1] + 60, Math.max(clip[0] - 60, scale.y(value)));
      if (view.dots) picture.append(svg("circle", { cx: scale.x(x), cy: y, r: 4, class: `cloud role-${entry.role}` }));
      path += `${pen}${scale.x(x).toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    });
    if (!view.dots) picture.append(svg("path", { d: path, class: `line role-${entry.role}${entry.dashed ? " dashed" : ""}` }));
  }
  marks(picture, view.marks, scale);
  const below = numbersBelow(surface, view.title, [view.x_label, ...named(view).map((entry) => entry.label)], sampled(view));
  surface.replaceChildren(picture);
  legend(surface, named(view));
  surface.append(below);
  if (view.move.length && !figure.movable) movePlot(figure, surface, controls);
  figure.unscale = (event) => {
    const box = surface.querySelector("svg").getBoundingClientRect();
    const at = [((event.clientX - box.left) / box.width) * WIDE, ((event.clientY - box.top) / box.height) * HIGH];
    const bottom = HIGH - EDGE.bottom;
    return [
      xs[0] + ((at[0] - EDGE.left) / (WIDE - EDGE.right - EDGE.left)) * (xs[1] - xs[0]),
      ys[0] + ((bottom - at[1]) / (bottom - EDGE.top)) * (ys[1] - ys[0]),
    ];
  };
}

// A pointer on a plot moves its sliders; for the keyboard there are the sliders themselves
function movePlot(figure, surface, controls) {
  figure.movable = true;
  figure.classList.add("movable");
  const move = (event) => {
    const at = figure.unscale(event);
    controls.setAll(Object.fromEntries(figure.view.move.map((name, axis) => [name, controls.fit(name, at[axis])])));
  };
  surface.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("svg")) return;
    surface.setPointerCapture(event.pointerId);
    move(event);
  });
  surface.addEventListener("pointermove", (event) => { if (surface.hasPointerCapture(event.pointerId)) move(event); });
}

function marks(picture, list, scale) {
  for (const entry of list) {
    picture.append(svg("circle", { cx: scale.x(entry.x), cy: scale.y(entry.y), r: 5, class: `mark role-${entry.role}` }));
    const right = scale.x(entry.x) > WIDE * 0.7;
    picture.append(svg("text", { x: scale.x(entry.x) + (right ? -9 : 9), y: scale.y(entry.y) - 9, class: `mark-label${right ? " end" : ""}` }, entry.label));
  }
}

function sampled(view) {
  const [first] = view.series;
  const same = view.series.every((entry) => entry.x.length === first.x.length && entry.x.every((x, index) => x === first.x[index]));
  const xs = same ? first.x : [...new Set(named(view).flatMap((entry) => entry.x))].sort((a, b) => a - b);
  const every = Math.max(1, Math.ceil(xs.length / 25));
  const at = (entry, x, index) => entry.y[same ? index : entry.x.indexOf(x)] ?? null;
  return xs.map((x, index) => [x, ...named(view).map((entry) => at(entry, x, index))]).filter((_row, index) => index % every === 0);
}

// Of a text below an axis, whose letters are larger on a phone
function wideAs(text) {
  const letter = window.matchMedia("(max-width: 52rem)").matches ? 8.2 : 7;
  return [...text].reduce((wide, character) => wide + (character > "\u2e80" ? 2 : 1) * letter, 4);
}

export function bars(view, surface) {
  const values = view.series.flatMap((entry) => entry.y);
  const ys = view.y_range || range(null, [0, ...values]);
  const scale = scales([0, view.labels.length], ys, false);
  const picture = plot(surface, view, described(view));
  axes(picture, { ...view, x_label: "" }, null, ys, scale);
  const wide = (scale.x(1) - scale.x(0)) * 0.8;
  const every = Math.max(1, Math.ceil(view.labels.length / 12));
  const room = (scale.x(1) - scale.x(0)) * every;
  const staggered = view.labels.some((label) => wideAs(label) > room); // in two rows, or they would touch
  view.labels.forEach((label, index) => {
    view.series.forEach((entry, number_) => {
      const [from, to] = [scale.y(Math.max(0, ys[0])), scale.y(entry.y[index] ?? 0)];
      picture.append(svg("rect", {
        x: scale.x(index + 0.1) + (wide / view.series.length) * number_, width: Math.max(0.5, wide / view.series.length - 1),
        y: Math.min(from, to), height: Math.abs(from - to), class: `bar role-${entry.role}`,
      }));
    });
    const y = HIGH - EDGE.bottom + 15 + (staggered && (index / every) % 2 ? 17 : 0);
    if (index % every === 0) picture.append(svg("text", { x: scale.x(index + 0.5), y, class: "tick middle" }, label));
  });
  const rows = view.labels.map((label, index) => [label, ...view.series.map((entry) => entry.y[index])]);
  const below = numbersBelow(surface, view.title, ["", ...view.series.map((entry) => entry.label)], rows);
  surface.replaceChildren(picture);
  legend(surface, view.series);
  surface.append(below);
}

export function points(view, surface) {
  const all = [...view.series, ...view.lines];
  let xs = range(view.x_range, all.flatMap((entry) => entry.x));
  let ys = range(view.y_range, all.flatMap((entry) => entry.y));
  // One scale on both axes, or an angle would not be one
  const unit = Math.max((xs[1] - xs[0]) / (WIDE - EDGE.left - EDGE.right), (ys[1] - ys[0]) / (HIGH - EDGE.top - EDGE.bottom));
  const widen = ([low, high], pixels) => [(low + high - unit * pixels) / 2, (low + high + unit * pixels) / 2];
  xs = widen(xs, WIDE - EDGE.left - EDGE.right);
  ys = widen(ys, HIGH - EDGE.top - EDGE.bottom);
  const scale = scales(xs, ys, false);
  const picture = plot(surface, view, described(view));
  axes(picture, view, xs, ys, scale);
  for (const entry of view.series) {
    const group = svg("g", { class: `cloud role-${entry.role}` });
    entry.x.forEach((x, index) => group.append(svg("circle", { cx: scale.x(x).toFixed(1), cy: scale.y(entry.y[index]).toFixed(1), r: entry.x.length > 300 ? 1.5 : 3 })));
    picture.append(group);
  }
  for (const entry of view.lines) {
    const path = entry.x.map((x, index) => `${index ? "L" : "M"}${scale.x(x).toFixed(1)} ${scale.y(entry.y[index]).toFixed(1)}`).join("");
    picture.append(svg("path", { d: path, class: `line role-${entry.role}${entry.dashed ? " dashed" : ""}` }));
  }
  surface.replaceChildren(picture);
  legend(surface, all.filter((entry) => entry.label));
}

/** A table whose first column heads its rows. */
export function plainTable(caption, columns, rows) {
  const heading = el("tr", {}, columns.map((column) => (column ? el("th", { scope: "col" }, column) : el("td"))));
  const body = rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, shown(first)), rest.map((value) => el("td", {}, shown(value)))));
  return el("table", {}, el("caption", { class: "unseen" }, caption), el("thead", {}, heading), el("tbody", {}, body));
}

function shown(value) {
  return typeof value === "number" || value === null ? number(value) : String(value);
}
