// One image and its answer: what the page of `striate serve` and that of `striate export --web` share.
// Names come from outside and are only ever text.
export const at = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
let turn = 0;

/** What an answer cannot be had for: a title and a sentence. */
export class NoAnswer extends Error {
  constructor(title, sentence) {
    super(sentence);
    this.title = title;
  }
}

function show(title, note, warn = false) {
  at("answer").hidden = false;
  at("label").textContent = title;
  at("note").textContent = note;
  at("note").hidden = !note;
  at("note").className = warn ? "warn" : "";
}

function table(rows) {
  const body = at("top").tBodies[0];
  body.replaceChildren();
  for (const [name, share] of rows) {
    const row = body.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = percent(share);
  }
  at("top").hidden = rows.length === 0;
}

function answered(row) {
  if (row.labels) {
    show(row.labels.join(", ") || "None of the labels", "");
    table(Object.entries(row.probabilities).sort((a, b) => b[1] - a[1]).slice(0, 5));
    return;
  }
  const sure = `probability ${percent(row.probability)}`;
  const set = row.set && row.set.length > 1 ? ` One of: ${row.set.join(", ")}.` : "";
  if (row.unknown) {
    show("I don't know", `This looks like none of the images that the model was trained on. Its most probable class is ${row.label}, ${sure}.`, true);
  } else if (row.abstained) {
    show("I don't know", `The most probable class is ${row.label}, ${sure}: too low for an answer.${set}`, true);
  } else {
    show(row.label, sure[0].toUpperCase() + sure.slice(1) + "." + set);
  }
  table(row.top);
}

async function send(image, predict) {
  const mine = ++turn;
  const old = at("preview").src;
  at("preview").src = URL.createObjectURL(image);
  at("preview").alt = image.name ? `Your image, ${image.name}` : "Your image";
  at("preview").hidden = false;
  if (old) URL.revokeObjectURL(old);
  at("hint").hidden = true;
  table([]);
  show("…", "Computing");
  try {
    const row = await predict(image);
    if (mine === turn) answered(row);
  } catch (error) {
    if (mine === turn) show(error.title || "No answer", error.message, true);
  }
}

/** The image before and its answer go: they would stand below words about another file. */
function refuse() {
  turn++;
  at("preview").hidden = true;
  at("hint").hidden = false;
  table([]);
  show("No image", "Expected an image, as JPEG or PNG; got another kind of file.", true);
}

/** Lets `predict` answer each image that is chosen, dropped, pasted or photographed; what it gives sends one more. */
export function start(predict, refused = () => {}) {
  const take = (files) => {
    const image = [...files].find((file) => file.type.startsWith("image/") || !file.type);
    if (image) send(image, predict);
    else if (files.length) { refuse(); refused(); }
  };
  at("choose").addEventListener("click", () => at("file").click());
  at("photograph").addEventListener("click", () => at("camera").click());
  for (const id of ["file", "camera"]) {
    at(id).addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
  }
  document.addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) { event.preventDefault(); take(event.clipboardData.files); }
  });
  at("preview").addEventListener("load", () => {
    at("preview").classList.toggle("small", at("preview").naturalHeight < 128 && at("preview").naturalWidth < 300);
  });
  return (image) => send(image, predict);
}
