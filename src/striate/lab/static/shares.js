// Probabilities as a table with bars.

import { el, texts } from "./lab.js";

export function percent(share) {
  return `${(100 * share).toFixed(share > 0.0995 || share === 0 ? 1 : 2)} %`;
}

/** Rows of {class, before, after}: a table whose bars are drawn to one scale. */
export function shareTable(caption, rows) {
  const compared = rows.some((row) => row.after !== null && row.after !== undefined);
  const head = el("tr", {}, el("th", { scope: "col" }, texts.class), el("th", { scope: "col" }, texts.probability));
  if (compared) head.append(el("th", { scope: "col" }, texts.after));
  const body = rows.map((row) => {
    const cells = [el("th", { scope: "row" }, row.class), el("td", {}, bar(row.before, 2), percent(row.before))];
    if (compared) cells.push(el("td", {}, bar(row.after, 1), percent(row.after)));
    return el("tr", {}, cells);
  });
  return el("table", { class: "shares" }, el("caption", { class: "unseen" }, caption), el("thead", {}, head), el("tbody", {}, body));
}

function bar(share, role) {
  const filled = el("span", { class: `filled role-${role}` });
  filled.style.width = `${100 * share}%`;
  return el("span", { class: "share", "aria-hidden": "true" }, filled);
}
