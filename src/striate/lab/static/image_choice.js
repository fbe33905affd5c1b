// Which image a page is about: a sample, a file of one's own, a drawing, or what a page adds: its pixels stay on this machine.

import { api, remember, say, texts } from "./lab.js";

/** The choice of a page; `chosen` is called with the name of the image. */
export function imageChoice(chosen) {
  const select = document.getElementById("image");
  const own = document.getElementById("own");
  const fault = document.getElementById("fault");
  let drawings = 0;

  const choose = (name, label) => {
    if (label && ![...select.options].some((option) => option.value === name)) select.append(new Option(label, name));
    select.value = name;
    chosen(name);
  };
  const send = async (blob, label) => {
    try {
      const { id } = await api("images", blob);
      fault.hidden = true;
      choose(id, label);
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
  };
  const wanted = new URLSearchParams(location.search).get("image");
  if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
  select.addEventListener("change", () => {
    remember({ image: select.value });
    chosen(select.value);
  });
  own.addEventListener("change", async () => {
    const [file] = own.files;
    if (file) await send(file, file.name);
    own.value = "";
  });
  drawingPad((blob) => {
    drawings += 1;
    send(blob, say("drawing", { number: drawings }));
  });
  return { choose, send, name: () => select.value };
}

function drawingPad(done) {
  const pad = document.getElementById("pad");
  const context = pad.getContext("2d");
  const clear = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, pad.width, pad.height);
  };
  const at = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
  };
  const stroke = (event) => {
    context.lineTo(...at(event));
    context.stroke();
  };
  clear();
  Object.assign(context, { strokeStyle: "#fff", lineWidth: 18, lineCap: "round", lineJoin: "round" });
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    context.beginPath();
    context.moveTo(...at(event));
    stroke(event);
  });
  pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) stroke(event); });
  pad.addEventListener("pointerup", () => pad.toBlob(done, "image/png"));
  document.getElementById("clear-pad").addEventListener("click", clear);
}

/** Fill the choice of a model, by kinds; the name of the one that is chosen. */
export function modelChoice(select, models) {
  for (const kind of new Set(models.map((model) => model.kind))) {
    const group = document.createElement("optgroup");
    group.label = texts[`kind_${kind}`];
    for (const model of models.filter((entry) => entry.kind === kind)) group.append(new Option(model.label, model.name));
    select.append(group);
  }
  const wanted = new URLSearchParams(location.search).get("model");
  if (models.some((model) => model.name === wanted)) select.value = wanted;
  select.addEventListener("change", () => remember({ model: select.value }));
  return select.value;
}
