// One run: its curves while it trains, and what came of it.

import { announce, api, el, hasToken, language, marked, number, say, texts } from "./lab.js";
import { followQueue } from "./queue.js";
import { choice, curvesOf, learningCurves, table } from "./trainings.js";
import { draw } from "./views.js";

const $ = (id) => document.getElementById(id);
const name = new URLSearchParams(location.search).get("name") || "";
const path = `workbench/runs/${encodeURIComponent(name)}`;
const drawn = {};
const percent = (share) => `${number(100 * share)} %`;
const count = (value) => value.toLocaleString("en");

if (!name) location.replace(`/${language}/runs`);
$("name").textContent = name;
document.title = `${name} · striate`;

function stateOf(run) {
  if (run.job && ["queued", "running"].includes(run.job.state)) return run.job.state;
  if (run.result) return "done";
  return run.job ? run.job.state : "interrupted";
}

function show(run) {
  $("of").hidden = false;
  const state = stateOf(run);
  if ($("state").textContent !== texts[`state_${state}`]) $("state").textContent = texts[`state_${state}`];
  $("state").className = `state ${state}`;
  $("of").textContent = run.waits ? texts[["queued", "running"].includes(state) ? "waits" : "never_began"] : say("of", { net: run.net || "", data: run.data || "" });
  const sentence = run.fault || (state === "failed" ? run.job.sentence : null);
  $("fault").hidden = !sentence;
  $("fault").textContent = sentence || "";
  showButtons(run, state);
  $("log-details").hidden = !run.log;
  $("log").textContent = run.log;
  if (run.waits) return;
  showFigures(run, state);
  if (run.trainings.length > 1) showTrainings(run, state);
  else showCurves(run);
  showHealth(run);
  showVerdict(run);
  const ended = run.result && state !== "running"; // the report comes after the result
  $("files").hidden = !ended;
  if (ended) showFiles(run);
  $("settings-details").hidden = false;
  $("settings").textContent = JSON.stringify(run.settings, null, 1);
}

function showButtons(run, state) {
  const act = async (where) => {
    try { await api(where, {}); look(); } catch (error) { $("fault").hidden = false; $("fault").textContent = error.message; }
  };
  if ($("buttons").dataset.state === state) return;
  $("buttons").dataset.state = state;
  const buttons = [];
  if (["queued", "running"].includes(state)) buttons.push(el("button", { type: "button", onclick: () => act(`workbench/queue/${run.job.id}/stop`) }, texts.stop));
  if (["interrupted", "failed"].includes(state)) {
    buttons.push(el("button", { type: "button", class: "primary", onclick: () => act(run.waits ? `workbench/queue/${run.job.id}/resume` : `${path}/resume`) }, texts.resume));
  }
  $("buttons").replaceChildren(...buttons);
}

function showFigures(run, state) {
  const rows = [];
  const score = (part, label) => {
    const result = run.result?.[part];
    if (!result) return;
    const value = result.map ?? result.accuracy;
    rows.push([percent(value), `${texts[result.map === undefined ? label : `${label}_map`]}, ${say("interval", { low: percent(result.low), high: percent(result.high) })}`, "wide"]);
  };
  score("test", "test");
  if (!run.result?.test) score("val", "val");
  if (run.epoch) rows.push([number(run.epoch), texts.epoch]);
  if (run.steps) rows.push([`${count(run.step || 0)} / ${count(run.steps)}`, texts.steps]);
  if (run.images_per_second) rows.push([count(Math.round(run.images_per_second)), texts.images_per_second]);
  if (state === "running" && !run.ended) rows.push([run.left || run.estimate || "…", run.left ? texts.left : texts.estimate]);
  const dead = run.health.reduce((sum, layer) => sum + layer.dead, 0);
  if (run.health.length) rows.push([count(dead), texts.dead]);
  $("figures").replaceChildren(...rows.map(([value, label, kind]) => el("li", { class: kind }, el("b", {}, value), el("span", {}, label))));
}

/** A plot over epochs, whose axis grows with the curves up to what is planned, so that the first are not squeezed together. */
function overEpochs(key, series, planned, caption = "") {
  const last = Math.max(...series.map((entry) => entry.x.at(-1)));
  let high = 6;
  while (high < last) high *= 2;
  high = Math.max(6, Math.min(high, planned || last));
  const marks = series.filter((entry) => entry.x.length === 1).map((entry) => ({ x: entry.x[0], y: entry.y[0], label: entry.label, role: entry.role }));
  return { kind: "lines", name: key, title: texts[key], caption, x_label: texts.epoch, y_label: texts[key], x_range: [0, high], y_range: key === "loss" ? null : [0, 1], y_log: false, series, marks, move: [] };
}

function showCurves(run) {
  if (!run.epochs.length) return;
  const last = run.epochs.at(-1);
  const planned = run.steps ? Math.round((run.steps * last.epoch) / last.step) : last.epoch;
  const series = (label, key, role, dashed = false) => ({ label, x: run.epochs.map((event) => event.epoch), y: run.epochs.map((event) => event[key] ?? null), role, dashed });
  put(overEpochs("loss", [series(texts.on_training, "train_loss", 1, true), series(texts.on_validation, "loss", 2)], planned));
  const ranked = "map" in run.epochs[0];
  put(overEpochs(ranked ? "map" : "accuracy", [...(ranked ? [] : [series(texts.on_training, "train_accuracy", 1, true)]), series(texts.on_validation, ranked ? "map" : "accuracy", 2)], planned));
}

/** Strategies or folds: what has come of each, and one curve of each on the validation images. */
function showTrainings(run, state) {
  put(table(run, state), "trainings");
  const few = learningCurves(run);
  if (few) put(few, "trainings");
  const sentence = choice(run);
  if (sentence && isNew("choice", run.result.sentence)) $("choice").replaceChildren(sentence);
  const first = run.trainings.find((training) => training.epochs.length);
  if (!first) return;
  for (const key of ["loss", "map" in first.epochs[0] ? "map" : "accuracy"]) put(overEpochs(key, curvesOf(run.trainings, key), 0, texts.curves_help));
}

function showHealth(run) {
  if (!run.health.length) return;
  const rows = run.health.map((layer) => [layer.name, layer.filters, layer.dead, layer.duplicate]);
  put({ kind: "table", name: "health", title: say("health", { epoch: run.health_epoch }), caption: texts.health_help, columns: [texts.layer, texts.filters, texts.dead, texts.duplicate], rows });
}

// Whether a part has other content than when it was drawn last
function isNew(part, content) {
  const before = drawn[part];
  drawn[part] = JSON.stringify(content);
  return before !== drawn[part];
}

function put(view, place = "curves") {
  const content = JSON.stringify(view);
  if (drawn[view.name]?.content === content) return;
  const figure = draw(view, drawn[view.name]?.figure, { values: {} });
  if (!drawn[view.name]) $(place).append(figure);
  drawn[view.name] = { content, figure };
}

function showVerdict(run) {
  const trust = run.result?.trust;
  if (!trust || !isNew("verdict", trust)) return;
  $("verdict").replaceChildren(el("h2", {}, texts.verdict),
    el("p", { class: `notice ${trust.level === "good" ? "good" : trust.level === "bad" ? "bad" : ""}`, lang: "en" }, trust.sentence),
    el("ul", { class: "findings", lang: "en" }, trust.findings.map((row) => el("li", {}, marked(row.sentence)))));
}

function showFiles(run) {
  if (!isNew("links", run.files)) return;
  const card = (key, attributes) => el("li", {}, el("a", { class: "card", ...attributes }, el("strong", {}, texts[key]), el("span", {}, texts[`${key}_help`])));
  const link = (file) => card(file, { href: `/api/${path}/${file}`, target: "_blank", rel: "noopener", onclick: (event) => open(event, file) });
  const page = (key) => card(key, { href: `/${language}/${key}?model=${encodeURIComponent(`run:${name}`)}` });
  $("links").replaceChildren(...["report", "card"].filter((file) => run.files[file]).map(link), page("try"), page("layers"));
  if (!run.files.report) {
    $("links").append(el("li", { class: "card" }, el("strong", {}, texts.report), el("span", {}, texts.no_report),
      el("button", { type: "button", id: "write-report", onclick: () => add("write-report", {}) }, texts.write_report)));
  }
}

// Where the server wants a token a plain link cannot bring it: the page asks for an address that works once
async function open(event, file) {
  if (!hasToken()) return;
  event.preventDefault();
  const tab = window.open(); // at once, since a browser lets only a click open one
  try {
    const { url } = await api(`${path}/${file}`, {});
    if (tab) tab.opener = null;
    (tab || window).location.href = url;
  } catch (error) {
    tab?.close();
    $("fault").hidden = false;
    $("fault").textContent = error.message;
  }
}

/** Add a command about this run to the queue. */
async function add(what, given) {
  try {
    await api(`${path}/${what}`, given);
    announce(say("changed", { run: name }));
    queue.look();
  } catch (error) { $("fault").hidden = false; $("fault").textContent = error.message; }
}

$("export").addEventListener("submit", (event) => {
  event.preventDefault();
  add("export", { options: [...$("export").querySelectorAll("input:checked")].map((box) => box.value) });
});

let seen = false;
let nothing = false; // there is no such run, and asking again finds none
async function look() {
  try {
    show(await api(path));
    seen = true;
  } catch (error) {
    nothing = !seen && error.status === 422;
    $("of").hidden = !seen;
    $("fault").hidden = false;
    $("fault").textContent = error.message;
  }
}

async function follow() {
  if (!document.hidden) await look();
  if (nothing) queue.stop();
  else window.setTimeout(follow, 2000);
}

const queue = followQueue($("jobs"), { only: (job) => job.run === name, quiet: true, changed: (jobs) => { $("commands").hidden = !jobs.some((job) => job.run === name) && $("settings-details").hidden; } });
follow();
