// All runs: their scores, two of them compared, and deletion.

import { announce, api, el, language, number, say, texts } from "./lab.js";

const $ = (id) => document.getElementById(id);
const percent = (share) => `${number(100 * share)} %`;
const count = (value) => value.toLocaleString("en");
const score = (result) => (result ? percent(result.map ?? result.accuracy) + (result.map === undefined ? "" : " mAP") : "–");

function fault(error) {
  $("fault").textContent = error ? error.message : "";
  $("fault").hidden = !error;
}

function show(runs) {
  $("empty").hidden = runs.length > 0;
  $("choose").hidden = runs.length === 0;
  $("test-sets").hidden = new Set(runs.map((run) => run.test_set).filter(Boolean)).size < 2;
  const heads = ["choose", "run", "state", "net", "data", "val", "test", "interval", "time", "size", "delete"];
  const head = el("tr", {}, heads.map((key) => el("th", { scope: "col", class: ["run", "state", "net", "data"].includes(key) ? "text" : "" }, ["choose", "delete"].includes(key) ? el("span", { class: "unseen" }, texts[key]) : texts[key])));
  const rows = runs.map((run) => el("tr", {},
    el("td", {}, el("input", { type: "checkbox", value: run.name, "aria-label": say("choose_run", { name: run.name }), disabled: !run.test })),
    el("th", { scope: "row" }, el("a", { href: `/${language}/run?name=${encodeURIComponent(run.name)}` }, run.name)),
    el("td", {}, el("span", { class: `state ${run.state}` }, texts[`state_${run.state}`] || run.state)),
    el("td", { class: "text" }, run.net || "–"), el("td", { class: "text" }, run.data || "–"),
    el("td", {}, score(run.val)), el("td", {}, el("b", {}, score(run.test))),
    el("td", {}, run.test ? say("from_to", { low: percent(run.test.low), high: percent(run.test.high) }) : "–"),
    el("td", {}, run.seconds === null ? "–" : say("seconds", { seconds: count(Math.round(run.seconds)) })),
    el("td", {}, `${(run.bytes / 1e6).toFixed(1)} MB`),
    el("td", {}, el("button", { type: "button", class: "quiet-button", onclick: () => ask(run), "aria-label": say("delete_run", { name: run.name }) }, texts.delete))));
  $("table-place").replaceChildren(el("table", {}, el("caption", { class: "unseen" }, texts.title), el("thead", {}, head), el("tbody", {}, rows)));
  chosen();
}

function chosen() {
  const names = [...$("choose").querySelectorAll("input:checked")].map((box) => box.value);
  $("compare").disabled = names.length !== 2;
  return names;
}

function ask(run) {
  const dialog = $("deletion");
  $("deletion-question").textContent = say("delete_question", { name: run.name, size: (run.bytes / 1e6).toFixed(1) });
  dialog.returnValue = "no";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      show((await api(`workbench/runs/${encodeURIComponent(run.name)}/delete`, { confirm: run.name })).runs);
      announce(say("deleted", { name: run.name }));
      fault(null);
    } catch (error) { fault(error); }
  };
  dialog.showModal();
}

function picture(row, result) {
  const bytes = result.images[row.id];
  const image = bytes
    ? el("img", { src: URL.createObjectURL(new Blob([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))])), alt: row.path || row.id })
    : el("span", { class: "soft" }, texts.gone);
  const answer = (run) => `${result[run].run}: ${row[run]} ${number(row[`${run}_probability`], 2)}`;
  return el("li", {}, image, el("span", {}, say("true", { name: row.true })), el("span", {}, answer("a")), el("span", {}, answer("b")));
}

function showComparison(result) {
  const figure = (value, label) => el("li", {}, el("b", {}, value), el("span", {}, label));
  const labels = [["both_right", "both_right"], ["only_a", "only"], ["only_b", "only"], ["both_wrong", "both_wrong"]];
  const changed = (kind, key, better) => result.changed[kind].length
    ? [el("h3", {}, say(key, { name: better, count: count(result.counts[kind]) })), el("ul", { class: "changes" }, result.changed[kind].map((row) => picture(row, result)))]
    : [];
  const several = result.both_right === undefined;
  $("outcome").replaceChildren(
    el("p", { class: "notice", lang: "en" }, result.sentence),
    el("ul", { class: "figures" }, ["a", "b"].map((run) => figure(percent(result[run].map ?? result[run].accuracy), result[run].run)),
      several ? [] : labels.map(([key, text]) => figure(count(result[key]), say(text, { name: key === "only_a" ? result.a.run : result.b.run })))),
    ...changed("right_to_wrong", "only_right", result.a.run), ...changed("wrong_to_right", "only_right", result.b.run),
    ...result.notes.map((note) => el("p", { class: "soft", lang: "en" }, note)),
    el("pre", { tabindex: 0, "aria-label": texts.command }, el("code", {}, result.command)));
  $("comparison").hidden = false;
  $("comparison-heading").focus();
}

$("choose").addEventListener("change", chosen);
$("choose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [b, a] = chosen(); // the latest is listed first
  $("compare").disabled = true;
  $("hint").textContent = texts.comparing;
  try {
    showComparison(await api("workbench/compare", { a, b }));
    fault(null);
  } catch (error) { fault(error); }
  $("hint").textContent = "";
  chosen();
});

try { show((await api("workbench/runs")).runs); } catch (error) {
  $("choose").hidden = true;
  fault(error);
}
