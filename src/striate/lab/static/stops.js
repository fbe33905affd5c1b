// What a slider chooses from as buttons in order, and where more is shown: a command and a lesson.

import { el, language } from "./lab.js";

/** Draw such a view; the buttons stay, or the focus would be lost. */
export function stops(view, surface, controls) {
  if (surface.querySelectorAll("button").length !== view.labels.length) {
    const button = (label, index) => el("button", { type: "button", onclick: () => controls.set(view.control, index) }, label);
    surface.replaceChildren(el("ol", {}, view.labels.map((label, index) => el("li", {}, button(label, index)))));
  }
  surface.querySelectorAll("button").forEach((button, index) => {
    if (index === view.chosen) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
}

/** Draw such a view. */
export function pointer(view, surface) {
  const link = el("a", { href: `/${language}/lessons/${view.lesson}` }, view.text);
  surface.replaceChildren(el("pre", { tabindex: 0 }, el("code", {}, view.command)), el("p", {}, link));
}
