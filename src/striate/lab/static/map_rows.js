// The layers of a network one below the other, with their maps as squares of one scale, and lines between those that are lit.

import { svg } from "./lab.js";
import { WIDE } from "./plots.js";

const LABEL = 22;
const BELOW = 22; // where lines lead to the next layer

/** Draw such a view; a click on a map of a layer with a control sets it, as its slider does. */
export function maps(view, surface, controls) {
  const scale = Math.min(2, ...view.rows.map((row) => (WIDE - 4) / (row.count * row.side * 1.12)));
  const laid = [];
  let top = 0;
  for (const row of view.rows) {
    const side = row.side * scale;
    const gap = row.count > 1 ? Math.min(8, (WIDE - 4 - row.count * side) / (row.count - 1)) : 0;
    const left = (WIDE - row.count * (side + gap) + gap) / 2;
    laid.push({ side, top: top + LABEL, x: (index) => left + index * (side + gap) });
    top += LABEL + Math.max(side, 4) + BELOW;
  }
  const viewBox = `0 0 ${WIDE} ${top - BELOW + 4}`;
  const picture = svg("svg", { viewBox, class: "plot", role: "img", "aria-label": view.description });
  for (const [row, from, to] of view.links) {
    const [above, below] = [laid[row], laid[row + 1]];
    const ends = { x1: above.x(from) + above.side / 2, y1: above.top + above.side, x2: below.x(to) + below.side / 2, y2: below.top };
    picture.append(svg("line", { ...ends, class: "map-link" }));
  }
  view.rows.forEach((row, number) => {
    const { side, top: y, x } = laid[number];
    const lit = new Set(row.lit);
    for (let index = 0; index < row.count; index += 1) {
      const on = lit.has(index) ? " lit" : "";
      const map = svg("rect", { x: x(index), y, width: side, height: Math.max(side, 4), class: `map${on}` });
      if (row.control) {
        map.classList.add("press");
        map.addEventListener("click", () => controls.set(row.control, index));
      }
      picture.append(map);
      const middle = { x: x(index) + side / 2, y: y + side / 2, class: `map-number${on}` };
      if (row.control) picture.append(svg("text", middle, index));
    }
    // On the side that the lines leave free
    const ends = view.links.filter(([from]) => from === number - 1).map(([, , to]) => x(to) + side / 2);
    const right = ends.length > 0 && Math.min(...ends) < WIDE - Math.max(...ends);
    picture.append(svg("text", { x: right ? WIDE - 2 : 2, y: y - LABEL / 2 + 1, class: `map-label${right ? " end" : ""}` }, row.label));
  });
  surface.replaceChildren(picture);
}
