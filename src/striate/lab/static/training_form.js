// The form of a training: the command, its strategies and settings, and how they stay as they were typed.

import { say } from "./lab.js";

const $ = (id) => document.getElementById(id);
const form = $("settings");
const ways = [...form.querySelectorAll("[data-way]")];
const strategies = [...form.querySelectorAll("[data-strategy]")];
const strategyNames = form.querySelector("input[name='finetune.strategies']");
const controls = [...form.querySelectorAll("[data-default]")];

const command = () => ways.find((way) => way.checked).value;

/** Show what the command has, and no more. */
function showCommand() {
  for (const field of form.querySelectorAll("[data-command]")) field.hidden = field.dataset.command !== command();
  for (const group of form.querySelectorAll("details.group")) group.hidden = !group.querySelector(".field:not([hidden])");
}

function chooseStrategies() {
  const names = strategies.filter((box) => box.checked).map((box) => box.value);
  strategyNames.value = names.length === strategies.length ? "all" : names.join(",");
}

/** What is asked for, with the settings that were changed, as they were typed. */
export function asked() {
  const settings = {};
  chooseStrategies();
  for (const control of controls) {
    const set = control.value.trim() !== control.dataset.default && !control.closest("[data-command][hidden]");
    control.classList.toggle("set", set);
    if (set) settings[control.name] = control.value.trim();
  }
  for (const group of form.querySelectorAll("details.group")) {
    const changes = group.querySelectorAll(".set").length;
    group.querySelector(".changed").textContent = changes ? say("changed_settings", { count: changes }) : "";
  }
  return { command: command(), settings, name: $("run-name").value.trim(), report: !$("no-report").checked };
}

/** The same as entries of an address; null for what is not asked for. */
export function kept(data) {
  const { settings, name, report } = asked();
  const typed = Object.fromEntries(controls.map((control) => [control.name, settings[control.name] ?? null]));
  return { data, command: command() === "train" ? null : command(), name: name || null, report: report ? null : "no", ...typed };
}

/** Put into the form what an address has. */
export function restore(query) {
  for (const way of ways) way.checked = way.value === (query.get("command") || "train");
  if (!ways.some((way) => way.checked)) ways[0].checked = true;
  const names = (query.get("finetune.strategies") || "").split(",");
  for (const box of strategies) box.checked = names.includes("all") || names.includes(box.value);
  for (const control of controls) if (query.has(control.name)) control.value = query.get(control.name);
  $("run-name").value = query.get("name") || "";
  $("no-report").checked = query.get("report") === "no";
  showCommand();
}

form.addEventListener("change", (event) => { if (ways.includes(event.target)) showCommand(); });
