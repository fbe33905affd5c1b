// The workbench: choose images, see what is there, plan a training and start it.

import { announce, api, el, language, marked, number, remember, say, texts } from "./lab.js";
import { copyButtons, followQueue } from "./queue.js";
import { asked, kept, restore } from "./training_form.js";

const $ = (id) => document.getElementById(id);
const examples = [...document.querySelectorAll("[data-example]")];
const named = examples.map((button) => button.dataset.example);
const chosen = { data: "", round: 0, name: "" };

const count = (value) => value.toLocaleString("en");

function fault(id, error) {
  $(id).textContent = error ? error.message : "";
  $(id).hidden = !error;
}

async function browse(path) {
  try {
    const listing = await api("workbench/folders", { path });
    $("place").textContent = listing.path || listing.root;
    const below = (name) => (listing.path ? `${listing.path}/${name}` : name);
    const button = (name, kind, onclick) => el("li", {}, el("button", { type: "button", class: kind, onclick }, name));
    $("entries").replaceChildren(
      ...(listing.above === null ? [] : [button(texts.above, "above", () => browse(listing.above).then(focusEntries))]),
      ...(listing.path || listing.tables.length + listing.folders.length ? [] : [el("li", { class: "soft" }, texts.nothing_here)]),
      ...listing.folders.map((name) => button(name, "folder", () => browse(below(name)).then(focusEntries))),
      ...listing.tables.map((name) => button(name, "table", () => choose(below(name)))),
    );
    $("left-out").hidden = !listing.left_out;
    $("left-out").textContent = listing.left_out ? say("left_out", { count: count(listing.left_out) }) : "";
    if (listing.path) $("data").value = named.includes(listing.path) ? `./${listing.path}` : listing.path;
    fault("fault", null);
  } catch (error) { fault("fault", error); }
}

function focusEntries() {
  $("entries").querySelector("button")?.focus();
}

async function choose(data, again = false) {
  chosen.data = data;
  const round = ++chosen.round;
  $("data").value = data;
  fault("fault", null);
  $("survey").hidden = $("surveying").hidden = false;
  $("plan").hidden = true;
  $("survey-result").replaceChildren();
  $("surveying-text").textContent = texts.surveying;
  try {
    for (;;) {
      const answer = await api("workbench/survey", { data, again });
      again = false;
      if (round !== chosen.round) return;
      if (answer.state === "failed") throw new Error(answer.error);
      if (answer.state === "done") {
        $("surveying").hidden = true;
        showSurvey(answer.survey);
        $("plan").hidden = false;
        planSoon(0);
        remember(kept(data));
        return;
      }
      const bar = $("surveying-bar");
      if (answer.total) Object.assign(bar, { max: answer.total, value: answer.done });
      else bar.removeAttribute("value");
      if (answer.total) $("surveying-text").textContent = say("surveying_of", { done: count(answer.done), total: count(answer.total) });
      await new Promise((resume) => window.setTimeout(resume, 300));
    }
  } catch (error) {
    if (round !== chosen.round) return;
    $("survey").hidden = true;
    fault("fault", error);
  }
}

function showSurvey(survey) {
  const { counts } = survey;
  const sides = (kind) => { const [low, median, high] = survey.sizes[kind]; return low === high ? number(low) : `${number(low)}–${number(high)} (${number(median)})`; };
  const figure = (value, label, kind = "") => el("li", { class: kind }, el("b", {}, value), el("span", {}, label));
  const figures = el("ul", { class: "figures" },
    figure(count(survey.used), texts.used), figure(count(Object.keys(survey.classes).length), texts.classes),
    figure(count(counts.quarantined), texts.bad, counts.quarantined ? "bad" : "good"),
    figure(count(counts.duplicates + counts.near_duplicates), texts.duplicates),
    figure(`${sides("width")} × ${sides("height")}`, texts.sizes),
    survey.split ? figure(`${count(survey.split.train)} / ${count(survey.split.val)} / ${count(survey.split.test)}`, texts.split) : null);
  const notes = [...survey.notes, ...survey.shortcuts.map((row) => row.sentence).filter(Boolean)];
  const pairs = (rows) => rows.map(([first, second]) => `${first} = ${second}`);
  $("survey-result").replaceChildren(figures,
    notes.length ? el("ul", { class: "findings", lang: "en" }, notes.map((note) => el("li", {}, marked(note)))) : "",
    classList(survey),
    files("list_bad", survey.quarantined.map((row) => `${row.path}: ${row.reason}`), counts.quarantined),
    files("list_duplicates", [...pairs(survey.duplicates), ...pairs(survey.near_duplicates)], counts.duplicates + counts.near_duplicates),
    files("list_leaks", survey.leaks.map((row) => `${row.path}: ${row.reason}`), counts.leaks),
    files("list_ignored", survey.ignored.map((row) => `${row.path}: ${row.pattern}`), counts.ignored),
    el("p", {}, el("button", { type: "button", class: "quiet-button", onclick: () => choose(chosen.data, true) }, texts.again)));
  announce(say("surveyed", { used: count(survey.used), classes: count(Object.keys(survey.classes).length) }));
}

function files(key, rows, all) {
  if (!all) return "";
  return el("details", {}, el("summary", {}, say(key, { count: count(all) })),
    el("ul", { class: "files", tabindex: 0, "aria-label": say(key, { count: count(all) }) }, rows.map((row) => el("li", {}, row))));
}

function classList(survey) {
  const round = chosen.round;
  const list = el("ul", { class: "classes", "aria-label": texts.classes });
  const rows = Object.entries(survey.classes);
  for (const [name, images] of rows.slice(0, 100)) {
    const image = el("img", { alt: say("images_of", { name }), width: 810, height: 96, hidden: true });
    list.append(el("li", {}, el("span", { class: "name" }, name, el("span", { class: "count" }, say("count", { count: count(images) }))), image));
  }
  if (rows.length > 100) list.append(el("li", {}, say("more_classes", { count: count(rows.length - 100) })));
  const load = async () => {
    for (const [place, [name]] of rows.slice(0, 100).entries()) {
      if (round !== chosen.round) return;
      try {
        const image = list.children[place].querySelector("img");
        image.src = URL.createObjectURL(await api("workbench/thumbnails", { data: chosen.data, class: name }));
        image.hidden = false;
      } catch { /* the survey has said what is wrong with these files */ }
    }
  };
  load();
  return list;
}

function wish() {
  return { data: chosen.data, language, ...asked() };
}

let planning = 0;
let timer = 0;
function planSoon(delay = 400) {
  window.clearTimeout(timer);
  const round = ++planning;
  timer = window.setTimeout(async () => {
    try {
      const plan = await api("workbench/plan", wish());
      if (round !== planning) return;
      showPlan(plan);
      fault("plan-fault", null);
      if (!plan.net) return;
      const timed = await api("workbench/plan", { ...wish(), timed: true });
      if (round === planning) showPlan(timed);
    } catch (error) { if (round === planning) refused(error); }
  }, delay);
}

function refused(error) {
  fault("plan-fault", error);
  $("command").textContent = "…";
  $("reasons").replaceChildren(el("p", { class: "soft" }, texts.refused));
}

function showPlan(plan) {
  chosen.name = plan.name;
  $("command").textContent = plan.command;
  const lines = plan.reasons.map((reason) => el("li", { lang: reason.language === language ? null : reason.language }, marked(reason.text)));
  if (plan.trainings > 1) lines.push(el("li", {}, say("trainings", { count: plan.trainings, folds: plan.trainings - 1 })));
  const head = plan.net ? say("will_train", { net: plan.net })
    : say(plan.strategies.length ? "will_finetune" : "will_start", { weights: plan.weights, strategies: plan.strategies.join(", ") });
  $("reasons").replaceChildren(el("p", {}, el("strong", {}, head)), el("ul", {}, lines),
    el("p", { class: "soft" }, plan.time ? say("time", { steps: count(plan.steps), time: plan.time }) : plan.steps ? say("steps", { steps: count(plan.steps) }) : texts.time_later));
  for (const [name, value] of Object.entries(plan.settings)) {
    const control = $(`f-${name}`);
    if (control?.placeholder && value !== null) control.placeholder = say("rule_value", { value });
  }
}

$("choose").addEventListener("submit", (event) => { event.preventDefault(); choose($("data").value.trim()); });
for (const button of examples) button.addEventListener("click", () => choose(button.dataset.example));
for (const kind of ["input", "change"]) {
  $("settings").addEventListener(kind, () => {
    remember(kept(chosen.data));
    planSoon();
  });
}
$("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("start").disabled = true;
  try {
    const job = await api("workbench/queue", { ...wish(), name: $("run-name").value.trim() || chosen.name });
    location.href = `/${language}/run?name=${encodeURIComponent(job.run)}`;
  } catch (error) { fault("plan-fault", error); }
  $("start").disabled = false;
});

/** Whether the run that the command named has been shown here, after which this page is only this page. */
function opened() {
  try {
    const before = sessionStorage.getItem("opened");
    sessionStorage.setItem("opened", start.run);
    return before === start.run;
  } catch { return false; }
}

followQueue($("jobs"), { changed: (jobs) => { $("queue-empty").hidden = jobs.length > 0; } });
copyButtons();
const query = new URLSearchParams(location.search);
restore(query);
const start = await api("workbench/start").catch((error) => { fault("fault", error); return {}; });
for (const list of ["networks", "weights"]) $(list).append(...(start[list] || []).map((value) => el("option", { value })));
await browse(start.folder || "");
const wanted = query.get("data");
if (wanted) choose(wanted);
else if (start.run && !opened()) location.replace(`/${language}/run?name=${encodeURIComponent(start.run)}`);
else if (start.data) choose(start.data);
