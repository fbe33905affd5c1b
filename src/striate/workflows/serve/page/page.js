"use strict";
// The page of `striate serve`: one image to /v1/predict, and its answer. Names come from outside and are only ever text.
const at = (id) => document.getElementById(id);
let token = "";
let last = null;
let turn = 0;

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

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

function askForToken() {
  at("token-form").hidden = false;
  at("token").focus();
}

async function send(image) {
  const mine = ++turn;
  last = image;
  const old = at("preview").src;
  at("preview").src = URL.createObjectURL(image);
  at("preview").alt = image.name ? `Your image, ${image.name}` : "Your image";
  at("preview").hidden = false;
  if (old) URL.revokeObjectURL(old);
  at("hint").hidden = true;
  table([]);
  show("…", "Computing");
  const form = new FormData();
  form.append("file", image, image.name || "image");
  let response, content;
  try {
    response = await fetch("v1/predict", { method: "POST", body: form, headers: headers() });
    content = await response.json();
  } catch {
    if (mine === turn) show("No answer", "The server cannot be reached. Is it still running?", true);
    return;
  }
  if (mine !== turn) return;
  if (response.status === 401) askForToken();
  if (!response.ok) {
    show(response.status === 401 ? "Token needed" : "No answer", content.error || `Status ${response.status}`, true);
    return;
  }
  answered(content.predictions[0]);
}

function take(files) {
  const image = [...files].find((file) => file.type.startsWith("image/") || !file.type);
  if (image) send(image);
  else if (files.length) refuse();
}

/* The image before and its answer go: they would stand below words about another file. */
function refuse() {
  turn++;
  last = null;
  at("preview").hidden = true;
  at("hint").hidden = false;
  table([]);
  show("No image", "Expected an image, as JPEG or PNG; got another kind of file.", true);
}

async function describe() {
  const response = await fetch("v1/model", { headers: headers() });
  if (response.status === 401) return askForToken();
  const model = await response.json();
  at("model").textContent = [model.name, model.net, `${model.classes.length} classes`, `model ${model.sha256.slice(0, 12)}`].filter(Boolean).join(", ");
}

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
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  at("token-form").hidden = true;
  describe();
  curl();
  if (last) send(last);
});
at("copy").addEventListener("click", async () => {
  const range = document.createRange();
  range.selectNodeContents(at("curl"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  try { await navigator.clipboard.writeText(at("curl").textContent); } catch { document.execCommand("copy"); }
  at("copy").textContent = "Copied";
  setTimeout(() => { at("copy").textContent = "Copy"; }, 1500);
});

function curl() {
  const bearer = token ? ' -H "Authorization: Bearer $STRIATE_TOKEN"' : "";
  at("curl").textContent = `curl -F file=@photo.jpg${bearer} ${new URL("v1/predict", location.href)}`;
}

at("preview").addEventListener("load", () => {
  at("preview").classList.toggle("small", at("preview").naturalHeight < 128 && at("preview").naturalWidth < 300);
});
curl();
describe().catch(() => {});
