// A lesson: the values of its controls go to the server, the views that come back are drawn.

import { announce, api, texts } from "./lab.js";
import { readControls } from "./controls.js";
import { draw } from "./views.js";

const lesson = document.getElementById("lesson");
const place = document.getElementById("views");
const fault = document.getElementById("fault");
const path = `${lesson.dataset.language}/lessons/${lesson.dataset.name}`;
const figures = new Map();
let busy = false;
let waiting = false;
let sentence = "";
let timer = 0;

const form = document.querySelector("form.controls");
const controls = readControls(form, ask);

async function ask() {
  clearTimeout(timer);
  if (busy) {
    waiting = true;
    return;
  }
  busy = true;
  place.setAttribute("aria-busy", "true");
  do {
    waiting = false;
    try {
      show((await api(path, controls.values)).views);
      fault.hidden = true;
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
  } while (waiting);
  busy = false;
  place.setAttribute("aria-busy", "false");
}

function show(answered) {
  const again = answered.find((view) => view.kind === "again");
  const views = answered.filter((view) => view !== again);
  if (again) timer = setTimeout(ask, again.milliseconds);
  const names = new Set(views.map((view) => view.name));
  place.querySelector(".waiting")?.remove();
  for (const [name, figure] of figures) {
    if (!names.has(name)) {
      figure.remove();
      figures.delete(name);
    }
  }
  views.forEach((view, index) => {
    const figure = draw(view, figures.get(view.name), controls);
    if (!figures.has(view.name)) figures.set(view.name, figure);
    if (place.children[index] !== figure) place.insertBefore(figure, place.children[index] || null);
  });
  const said = views.filter((view) => view.kind === "sentence").map((view) => view.text).join(" ");
  if (said !== sentence) announce(said);
  sentence = said;
}

for (const form of document.querySelectorAll("form.exercise")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const judgment = form.querySelector(".judgment");
    try {
      const answer = await api(`${path}/exercises/${form.dataset.exercise}`, { answer: new FormData(form).get("answer") });
      judgment.textContent = `${answer.right ? texts.right : texts.wrong} ${answer.text}`;
      judgment.className = `judgment ${answer.right ? "good" : "bad"}`;
    } catch (error) {
      judgment.textContent = error.message;
      judgment.className = "judgment bad";
    }
  });
}

// The other language begins with the values that are set here
const KEPT = "lesson";
const images = () => [...form.querySelectorAll('select[data-kind="image"]')];
for (const link of document.querySelectorAll(".settings a")) {
  link.addEventListener("click", () => {
    const names = images().map((select) => [select.value, select.selectedOptions[0].textContent]);
    try { sessionStorage.setItem(KEPT, JSON.stringify({ path: lesson.dataset.name, values: controls.values, names })); } catch { /* it begins anew */ }
  });
}

function kept() {
  try {
    const entry = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
    return entry?.path === lesson.dataset.name ? entry : null;
  } catch { return null; }
}

const before = kept();
images().forEach((select, index) => {
  const [value, name] = before?.names[index] || [select.value];
  if (![...select.options].some((option) => option.value === value)) select.append(new Option(name, value));
});
if (before) controls.setAll(before.values);
ask();
