// The queue of commands, as on each page that shows it.

import { announce, api, el, language, say, texts } from "./lab.js";

const EVERY = 2000;

/** Draw the jobs into a list again and again; `only` chooses of them, `changed` is called with all after each time,
 * and `quiet` leaves it to the page to say that the server does not answer. */
export function followQueue(list, { only = () => true, changed = () => {}, quiet = false } = {}) {
  let drawn = "";
  const draw = ({ jobs }) => {
    const shown = jobs.filter(only);
    const content = JSON.stringify(shown);
    if (content !== drawn) {
      drawn = content;
      list.replaceChildren(...shown.reverse().map((job) => entry(job, act)));
    }
    changed(jobs);
  };
  const act = async (job, change) => {
    try {
      draw(await api(`workbench/queue/${job.id}/${change}`, {}));
      announce(say("changed", { run: job.run }));
    } catch (error) {
      announce(error.message);
      list.prepend(el("li", { class: "notice bad" }, error.message));
    }
  };
  const look = async () => {
    try {
      draw(await api("workbench/queue"));
    } catch (error) { // the next time may succeed
      if (!quiet && !list.querySelector(".unreachable")) list.prepend(el("li", { class: "notice bad unreachable", role: "alert" }, error.message));
      drawn = "";
    }
  };
  let stopped = false;
  const follow = async () => {
    if (stopped) return;
    if (!document.hidden) await look();
    window.setTimeout(follow, EVERY);
  };
  follow();
  return { look, stop: () => { stopped = true; } };
}

function entry(job, act) {
  const training = ["train", "finetune"].includes(job.kind);
  const name = training
    ? el("a", { href: `/${language}/run?name=${encodeURIComponent(job.run)}` }, job.run)
    : el("strong", {}, job.run);
  const button = (change, key) => el("button", { type: "button", onclick: () => act(job, change), "aria-label": `${texts[key]}: ${job.run}` }, texts[key]);
  const buttons = el("div", { class: "buttons" });
  if (["queued", "running"].includes(job.state)) buttons.append(button("stop", "stop"));
  if (["interrupted", "failed"].includes(job.state)) buttons.append(button("resume", training ? "resume" : "again_job"));
  if (job.state !== "running") buttons.append(button("remove", "remove"));
  return el("li", { class: "job", "data-run": job.run },
    el("div", { class: "head" }, name, el("span", { class: `state ${job.state}` }, texts[`state_${job.state}`]), buttons),
    job.file ? el("p", {}, say("wrote", { file: job.file })) : null,
    job.sentence ? el("p", { lang: "en" }, job.sentence) : null,
    el("pre", { tabindex: 0, "aria-label": texts.command }, el("code", {}, job.command)));
}

/** Buttons that copy the text of an element. */
export function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const element = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(element.textContent);
        announce(texts.copied);
      } catch { // without a clipboard, as over plain HTTP from another machine
        window.getSelection().selectAllChildren(element);
      }
    });
  }
}
