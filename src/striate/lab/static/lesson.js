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

const controls = readControls(document.querySelector("form.controls"), ask);

async function ask() {
  if (busy) {
    waiting = true;
    return;
  }
  busy = true;
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

function show(views) {
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

ask();
