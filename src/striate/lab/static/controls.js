// The controls of a lesson: what they hold, and what changes it - a form, or a view that is dragged or clicked.

import { api, number } from "./lab.js";

/** The controls of a form; `changed` is called after each change. */
export function readControls(form, changed) {
  const values = {};
  const setters = {};
  const starts = {};
  const levels = {};
  const limits = {};
  const add = (name, start, show) => {
    starts[name] = structuredClone(start);
    values[name] = structuredClone(start);
    setters[name] = show;
    show(values[name]);
  };
  const change = (name, value) => {
    if (JSON.stringify(values[name]) === JSON.stringify(value)) return;
    values[name] = value;
    setters[name](value);
    changed();
  };

  for (const element of form.querySelectorAll("[data-control]")) {
    const { control: name, kind } = element.dataset;
    if (kind === "slider") {
      const output = element.parentElement.querySelector("output");
      const [low] = limits[name] = [Number(element.min), Number(element.max), Number(element.step)];
      const stops = JSON.parse(element.dataset.stops || "null"); // texts in place of the numbers
      add(name, Number(element.value), (value) => {
        element.value = value;
        output.textContent = stops ? stops[value - low] : number(value);
        if (stops) element.setAttribute("aria-valuetext", stops[value - low]);
      });
      element.addEventListener("input", () => change(name, Number(element.value)));
    } else if (kind === "choice" && element.tagName === "FIELDSET") {
      add(name, element.querySelector("input:checked").value, (value) => {
        element.querySelector(`input[value="${value}"]`).checked = true;
      });
      element.addEventListener("change", (event) => change(name, event.target.value));
    } else if (kind === "choice" || kind === "image") {
      add(name, element.value, (value) => { element.value = value; });
      element.addEventListener("change", () => change(name, element.value));
    } else if (kind === "toggle") {
      add(name, element.checked, (value) => { element.checked = value; });
      element.addEventListener("change", () => change(name, element.checked));
    } else if (kind === "button") {
      add(name, Number(element.dataset.value), () => {});
      element.addEventListener("click", () => change(name, values[name] + 1));
    } else if (kind === "cells") {
      const given = JSON.parse(element.textContent);
      levels[name] = given.levels;
      add(name, given.start, () => {});
    } else if (kind === "drawing") {
      addDrawing(element, name, add, change, values);
    }
  }
  for (const input of form.querySelectorAll("[data-own]")) ownImage(input, change);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const [name, start] of Object.entries(starts)) {
      values[name] = structuredClone(start);
      setters[name](values[name]);
    }
    changed();
  });

  return {
    values,
    set: change,
    /** Several at once, so that the page asks once. */
    setAll(entries) {
      let differs = false;
      for (const [name, value] of Object.entries(entries)) {
        if (values[name] === value) continue;
        values[name] = value;
        setters[name](value);
        differs = true;
      }
      if (differs) changed();
    },
    /** A slider's value from any number: within its limits, on its steps. */
    fit(name, value) {
      const [low, high, step] = limits[name];
      const fitted = Math.min(high, Math.max(low, low + Math.round((value - low) / step) * step));
      return Number(fitted.toPrecision(12));
    },
    /** The next level of a cell. */
    next(name, row, column) {
      const rows = structuredClone(values[name]);
      const place = levels[name].indexOf(rows[row][column]);
      rows[row][column] = levels[name][(place + 1) % levels[name].length];
      change(name, rows);
      return rows[row][column];
    },
    /** Whether a control takes this array. */
    hasCell(name, row, column) {
      return row in values[name] && column in values[name][row];
    },
  };
}

function fail(error) {
  const fault = document.getElementById("fault");
  fault.textContent = error.message;
  fault.hidden = false;
}

function ownImage(input, change) {
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    const select = document.getElementById(input.dataset.own);
    try {
      const { id } = await api("images", file);
      if (![...select.options].some((option) => option.value === id)) select.append(new Option(file.name, id));
      select.value = id;
      document.getElementById("fault").hidden = true;
      change(select.dataset.control, id);
    } catch (error) { fail(error); }
    input.value = "";
  });
}

function addDrawing(element, name, add, change, values) {
  const side = Number(element.dataset.side);
  const canvas = element.querySelector("canvas");
  const context = canvas.getContext("2d");
  const scale = canvas.width / side;
  const empty = () => Array.from({ length: side }, () => new Array(side).fill(0));
  const start = JSON.parse(element.dataset.start);
  add(name, start.length ? start : empty(), (rows) => {
    rows.forEach((row, y) => row.forEach((level, x) => {
      context.fillStyle = `rgb(${level} ${level} ${level})`;
      context.fillRect(x * scale, y * scale, scale, scale);
    }));
  });
  let last = null;
  const stroke = (event) => {
    const box = canvas.getBoundingClientRect();
    const point = [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side];
    const from = last || point;
    const rows = structuredClone(values[name]);
    const steps = Math.max(1, Math.ceil(Math.hypot(point[0] - from[0], point[1] - from[1]) * 2));
    for (let step = 0; step <= steps; step += 1) {
      const [x, y] = from.map((value, axis) => value + ((point[axis] - value) * step) / steps);
      if (!("thin" in element.dataset)) brush(rows, x, y, side / 14);
      else if (Math.floor(y) in rows && Math.floor(x) in rows[0]) rows[Math.floor(y)][Math.floor(x)] = 255;
    }
    last = point;
    change(name, rows);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) stroke(event); });
  element.querySelector("[data-clear]").addEventListener("click", () => change(name, empty()));
  for (const button of element.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", async () => {
      try {
        change(name, (await api(`drawings/${button.dataset.sample}/${side}`)).rows);
      } catch (error) { fail(error); }
    });
  }
}

function brush(rows, x, y, radius) {
  for (let row = Math.floor(y - radius - 1); row <= y + radius + 1; row += 1) {
    for (let column = Math.floor(x - radius - 1); column <= x + radius + 1; column += 1) {
      if (!(row in rows) || !(column in rows[row])) continue;
      const reach = radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y);
      rows[row][column] = Math.max(rows[row][column], Math.round(255 * Math.min(1, Math.max(0, reach))));
    }
  }
}
