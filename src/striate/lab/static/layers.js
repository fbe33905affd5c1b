// From pixel to answer: the volumes of a network, the maps of a layer, one unit, and what ablating a filter changes.

import { announce, api, el, number, say, svg, texts } from "./lab.js";
import { imageChoice, modelChoice } from "./image_choice.js";
import { followTiles, mapCanvas, tileOf } from "./map_tiles.js";
import { percent, shareTable } from "./shares.js";
import { canvasOf, drawn } from "./views.js";

const get = (id) => document.getElementById(id);
const page = get("stroll");
const state = { model: "", layer: "", first: 0, unit: null, place: null, ablated: {} };
let network = null;
let layer = null;
let verdicts = new Map();
const asked = { layer: 0, unit: 0, verdicts: 0 };

const image = imageChoice(() => showLayer());

/** What the API answers, but null where something newer has been asked meanwhile or it is refused. */
async function latest(kind, path, content) {
  asked[kind] += 1;
  const turn = asked[kind];
  page.setAttribute("aria-busy", "true");
  try {
    const answer = await api(path, content);
    if (turn !== asked[kind]) return null;
    get("fault").hidden = true;
    return answer;
  } catch (error) {
    if (turn === asked[kind]) {
      get("loading").hidden = true;
      get("fault").textContent = error.message;
      get("fault").hidden = false;
      page.setAttribute("aria-busy", "false");
    }
    return null;
  }
}

async function showNetwork() {
  asked.unit += 1;
  asked.verdicts += 1;
  const answer = await latest("layer", "layers/network", { model: get("model").value });
  if (!answer) return;
  network = answer;
  Object.assign(state, { model: get("model").value, layer: network.layers[0].name, first: 0, unit: null, place: null, ablated: {} });
  if (network.input[0] === 1 && !image.name().startsWith("digit") && get("image").selectedIndex < 12) get("image").value = "digit-3";
  const about = say("about", { parameters: network.parameters.toLocaleString("en"), macs: network.macs.toLocaleString("en"), input: network.input.join(" × ") });
  get("about").textContent = network.kind === "drawn" ? `${about}. ${texts.drawn_note}` : about;
  get("strip").replaceChildren(...network.boxes.map(boxOf));
  await showLayer();
}

function boxOf(box) {
  const names = box.names.length > 1 ? `${box.names[0]} – ${box.names.at(-1)}` : box.names[0];
  const shape = box.shape.length > 1 ? box.shape.join(" × ") : say("units", { count: box.shape[0] });
  const scale = 46;
  const [thick, high, dx, dy] = [box.thick, box.high, ...box.back].map((inches) => inches * scale);
  const points = (...corners) => corners.map((corner) => corner.join(",")).join(" ");
  const picture = svg("svg", { width: thick + dx + 2, height: high - dy + 2, viewBox: `-1 ${dy - 1} ${thick + dx + 2} ${high - dy + 2}`, "aria-hidden": "true" });
  const faces = [
    [points([0, 0], [thick, 0], [thick, high], [0, high]), 1],
    [points([0, 0], [thick, 0], [thick + dx, dy], [dx, dy]), 0.55],
    [points([thick, 0], [thick + dx, dy], [thick + dx, high + dy], [thick, high]), 0.8],
  ];
  for (const [corners, opacity] of faces) {
    const face = svg("polygon", { points: corners });
    face.style.fill = box.color;
    face.style.fillOpacity = opacity;
    picture.append(face);
  }
  const lines = [picture, el("strong", {}, box.category === "input" ? texts.category_input : names), el("span", { class: "soft" }, shape)];
  if (!box.layers.length) return el("div", { class: "input" }, lines);
  return el("button", { type: "button", "data-layers": JSON.stringify(box.layers), "aria-pressed": "false", onclick: () => chooseLayer(box.layers[0]) }, lines);
}

function chooseLayer(name, change = {}) {
  asked.unit += 1; // what is still on its way belongs to the layer before
  asked.verdicts += 1;
  Object.assign(state, { layer: name, first: 0, unit: null, place: null }, change);
  return showLayer();
}

function markLayer() {
  const box = network.boxes.find((entry) => entry.layers.includes(state.layer));
  for (const button of get("strip").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(JSON.parse(button.dataset.layers).includes(state.layer)));
  }
  const shapes = new Map(network.layers.map((row) => [row.name, row]));
  get("layer").replaceChildren(...box.layers.map((name) => {
    const row = shapes.get(name);
    return new Option(say("layer_option", { name, kind: row.kind, shape: row.output.join(" × ") }), name, false, name === state.layer);
  }));
}

async function showLayer() {
  if (!network) return;
  markLayer();
  const request = { model: state.model, image: image.name(), layer: state.layer, first: state.first, ablated: state.ablated };
  const answer = await latest("layer", "layers/layer", request);
  if (!answer) return;
  layer = answer;
  get("loading").hidden = true;
  for (const part of [get("rooms"), get("answer-part")]) part.hidden = false;
  verdicts = new Map();
  get("verdicts").textContent = "";
  state.first = layer.first;
  if (state.unit === null) state.unit = layer.first === 0 && layer.largest_unit < layer.units.length ? layer.largest_unit : layer.first;
  state.unit = Math.min(Math.max(state.unit, layer.first), layer.first + layer.units.length - 1);
  const [, height, width] = layer.shape;
  if (!state.place || state.place[0] >= height || state.place[1] >= width) state.place = unitFacts().largest;
  showPicture();
  showAnswer();
  showTiles();
  await Promise.all([showUnit(), showVerdicts()]);
}

/** What a person does to the layer that is shown; nothing while another is on its way. */
const onShown = (act) => (...given) => (state.place ? act(...given) : undefined);
const unitFacts = () => layer.units[state.unit - layer.first];
const isAblated = (name, unit) => (state.ablated[name] || []).includes(unit);

function showPicture() {
  const [height, width] = layer.pixels.shape;
  const over = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "over", "aria-hidden": "true", preserveAspectRatio: "none" });
  get("picture").replaceChildren(canvasOf(layer.pixels, say("image_alt", { height, width })), over);
}

/** Frame what a place of the layer sees, [top, left, bottom, right]. */
function frame(row, column) {
  const { tops, lefts, bottoms, rights } = layer.windows;
  const at = (places, place) => places[places.length === 1 ? 0 : place];
  const [top, left, bottom, right] = [at(tops, row), at(lefts, column), at(bottoms, row), at(rights, column)];
  const sides = { x: left, y: top, width: right - left, height: bottom - top };
  get("picture").querySelector(".over").replaceChildren(svg("rect", { ...sides, class: "seen-edge" }), svg("rect", { ...sides, class: "seen-box" }));
  const [height, width] = layer.pixels.shape;
  const values = { height: sides.height, width: sides.width, all_height: height, all_width: width };
  get("sees").textContent = sides.height && sides.width ? say("sees", values) : texts.sees_none;
  return sides;
}

function showAnswer() {
  const rows = layer.answer;
  get("answer").replaceChildren(shareTable(get("answer-heading").textContent, rows));
  const compared = rows[0].after !== null;
  const best = rows.reduce((first, row) => ((compared ? row.after > first.after : row.before > first.before) ? row : first));
  announce(say("answer_said", { name: best.class, share: percent(compared ? best.after : best.before) }));
  const entries = Object.entries(state.ablated).flatMap(([name, units]) => units.map((unit) => [name, unit]));
  get("ablated").hidden = !entries.length;
  get("ablated").querySelector("ul").replaceChildren(...entries.map(([name, unit]) => el("li", {},
    el("button", { type: "button", "aria-label": say("go_to", { unit, layer: name }), onclick: () => chooseLayer(name, { first: unit, unit }) }, `${name} ${unit}`),
    el("button", { type: "button", "aria-label": say("restore_one", { unit, layer: name }), onclick: () => toggle(name, unit) }, "×"))));
}

function nameOf(facts) {
  if (isAblated(state.layer, facts.unit)) return say("tile_ablated", { unit: facts.unit });
  const verdict = verdicts.get(facts.unit);
  return say(verdict ? "tile_verdict" : "tile", { unit: facts.unit, max: number(facts.max, 3), verdict: verdict ? verdictText(verdict) : "" });
}

function showTiles() {
  const [count, height, width] = layer.shape;
  const values = { count, height, width, low: number(layer.low, 3), high: number(layer.high, 3) };
  const parts = [say(height * width > 1 ? "maps_caption" : "units_caption", values)];
  if (layer.step > 1) parts.push(say("reduced", { step: layer.step }));
  if (layer.low < 0) parts.push(texts.signed);
  get("maps-caption").textContent = parts.join(" ");
  const within = get("tiles").contains(document.activeElement);
  get("tiles").replaceChildren(...layer.units.map((facts, index) => tileOf(layer, index, {
    name: nameOf(facts), pressed: facts.unit === state.unit, ablated: isAblated(state.layer, facts.unit),
  })));
  if (within) get("tiles").querySelector('[aria-pressed="true"]').focus();
  const many = count > layer.units.length;
  get("pager").hidden = !many;
  get("range").textContent = say("range", { first: layer.first, last: layer.first + layer.units.length - 1, count });
  get("before").disabled = layer.first === 0;
  get("after").disabled = layer.first + layer.units.length >= count;
}

followTiles(get("tiles"), {
  choose: onShown((unit, place) => chooseUnit(unit, place)),
  hover: onShown((place) => { frame(...(place || state.place)); }),
  step: () => layer.step,
  sides: () => layer.shape.slice(1),
});

function chooseUnit(unit, place = null) {
  state.unit = unit;
  state.place = place || unitFacts().largest;
  for (const tile of get("tiles").children) {
    const own = Number(tile.dataset.unit) === unit;
    tile.setAttribute("aria-pressed", String(own));
    tile.tabIndex = own ? 0 : -1;
  }
  return showUnit();
}

async function showUnit() {
  const { unit, place: [row, column] } = state;
  frame(row, column);
  get("unit-title").textContent = say("unit_title", { unit, layer: state.layer, row, column });
  const head = state.layer === network.head;
  get("ablate").disabled = head;
  get("ablate").textContent = head ? texts.no_ablation : texts[isAblated(state.layer, unit) ? "restore" : "ablate"];
  showPlace();
  showVerdict();
  const request = { model: state.model, image: image.name(), layer: state.layer, unit, row, column, ablated: state.ablated };
  const answer = await latest("unit", `${page.dataset.language}/layers/unit`, request);
  if (!answer) return;
  const title = say("unit_value", { title: get("unit-title").textContent, value: number(answer.value) });
  get("unit-title").textContent = title;
  get("calculation").replaceChildren(...[...answer.views, answer.formula].map((view) => drawn(view)));
  get("table").replaceChildren(drawn(answer.table));
  showPatch();
  if (get("unit").contains(document.activeElement) || get("tiles").contains(document.activeElement)) announce(title);
  page.setAttribute("aria-busy", "false");
}

function showPlace() {
  const index = state.unit - layer.first;
  const [, height, width] = layer.shape;
  const [row, column] = state.place;
  const over = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "over", "aria-hidden": "true", preserveAspectRatio: "none" });
  const sides = { x: column, y: row, width: 1, height: 1 };
  over.append(svg("rect", { ...sides, class: "seen-edge" }), svg("rect", { ...sides, class: "seen-box" }));
  get("place").setAttribute("aria-label", `${texts.place_help} ${say("unit_title", { unit: state.unit, layer: state.layer, row, column })}`);
  get("place").replaceChildren(mapCanvas(layer, index), over);
  get("place").closest("figure").hidden = height * width === 1;
}

function showPatch() {
  const { x, y, width, height } = frame(...state.place);
  get("patch").closest("figure").hidden = !width || !height;
  if (!width || !height) return;
  const whole = canvasOf(layer.pixels, "");
  const part = el("canvas", { width, height, role: "img", "aria-label": texts.patch_alt, class: "pixels" });
  part.getContext("2d").drawImage(whole, x, y, width, height, 0, 0, width, height);
  get("patch").replaceChildren(part);
}

get("place").addEventListener("keydown", (event) => {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  if (!state.place) return;
  const limits = layer.shape.slice(1);
  moveTo(state.place.map((value, axis) => Math.min(limits[axis] - 1, Math.max(0, value + step[axis]))));
});
get("place").addEventListener("pointerdown", onShown((event) => {
  const box = get("place").getBoundingClientRect();
  const limits = layer.shape.slice(1);
  const at = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
  moveTo(at.map((share, axis) => Math.min(limits[axis] - 1, Math.max(0, Math.floor(share * limits[axis])))));
}));

function moveTo(place) {
  state.place = place;
  showUnit();
}

async function showVerdicts() {
  const answer = await latest("verdicts", "layers/verdicts", { model: state.model, layer: state.layer });
  if (!answer) return;
  verdicts = new Map(answer.each.map((entry, unit) => [unit, entry]));
  let basis = "";
  if (answer.reason) basis = say("data_gone", { reason: answer.reason });
  else if (answer.images_from) basis = say("from_images", { images: answer.images_from });
  else if (answer.each.length) basis = texts.from_weights;
  verdicts.basis = basis;
  const counts = new Map();
  for (const entry of answer.each) counts.set(entry.verdict, (counts.get(entry.verdict) || 0) + 1);
  const parts = [...counts].map(([verdict, count]) => say("count", { count, verdict: texts[`short_${verdict.replace(" ", "_")}`] }));
  const marked = counts.size > 1 || (counts.size && !counts.has("healthy")) ? ` ${texts.marked}` : "";
  get("verdicts").textContent = parts.length ? `${say("verdict_line", { text: parts.join(texts.comma) })}${marked} ${basis}` : "";
  for (const tile of get("tiles").children) {
    const facts = layer.units[Number(tile.dataset.unit) - layer.first];
    const verdict = verdicts.get(facts.unit);
    tile.setAttribute("aria-label", nameOf(facts));
    if (verdict && verdict.verdict !== "healthy") tile.querySelector(".tile-name").classList.add("flag");
  }
  showVerdict();
  page.setAttribute("aria-busy", "false");
}

function verdictText(entry) {
  return say(`verdict_${entry.verdict.replace(" ", "_")}`, { nearest: entry.nearest, similarity: number(entry.similarity, 3) });
}

function showVerdict() {
  const entry = verdicts.get(state.unit);
  get("verdict").textContent = entry ? say("verdict_line", { text: verdictText(entry) }) : "";
}

function toggle(name, unit) {
  const units = state.ablated[name] || [];
  const left = units.includes(unit) ? units.filter((other) => other !== unit) : [...units, unit];
  if (left.length) state.ablated[name] = left;
  else delete state.ablated[name];
  return showLayer();
}

get("model").addEventListener("change", showNetwork);
get("layer").addEventListener("change", () => chooseLayer(get("layer").value));
get("ablate").addEventListener("click", onShown(() => toggle(state.layer, state.unit)));
get("restore-all").addEventListener("click", () => {
  state.ablated = {};
  showLayer();
});
get("largest").addEventListener("click", onShown(() => moveTo(unitFacts().largest)));
get("average").addEventListener("click", onShown(() => moveTo(unitFacts().average)));
get("before").addEventListener("click", onShown(() => chooseLayer(state.layer, { first: Math.max(0, layer.first - 64) })));
get("after").addEventListener("click", onShown(() => chooseLayer(state.layer, { first: layer.first + 64 })));

try {
  const { models } = await api("models");
  modelChoice(get("model"), models);
  await showNetwork();
} catch (error) {
  get("loading").hidden = true;
  get("fault").textContent = error.message;
  get("fault").hidden = false;
}
