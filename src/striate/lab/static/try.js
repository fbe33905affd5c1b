// A model is asked about one image: its prediction, the evidence for it, and the training images most like it.

import { announce, api, el, number, say, texts } from "./lab.js";
import { imageChoice, modelChoice } from "./image_choice.js";
import { percent, shareTable } from "./shares.js";
import { canvasOf } from "./views.js";

const get = (id) => document.getElementById(id);
const page = get("try");
let turn = 0;
let first = true; // a gray model is shown a digit at first
let row = null;
let counted = 0;
const nearNote = get("near-note").textContent;
const waiting = get("about").textContent;
const image = imageChoice(() => predict());
const request = () => ({ model: get("model").value, image: image.name() });

function fail(error) {
  get("loading").hidden = true;
  get("fault").textContent = error.message;
  get("fault").hidden = false;
}

async function predict() {
  turn += 1;
  const own = turn;
  page.setAttribute("aria-busy", "true");
  try {
    const asked = request();
    const answer = await api("try/predict", asked);
    if (own !== turn) return;
    if (first && answer.pixels.shape[2] === 1) get("image").value = "digit-3";
    first = false;
    if (image.name() !== asked.image) return void predict();
    get("fault").hidden = true;
    get("about").textContent = "";
    get("loading").hidden = true;
    get("rooms").hidden = false;
    showAnswer(answer);
    get("overlay").replaceChildren();
    get("faithful").textContent = "";
    get("near").hidden = !answer.neighbors;
    if (answer.neighbors) await showNear(own);
    if (answer.quick && own === turn) await explain(own);
  } catch (error) {
    if (own === turn) fail(error);
  }
  if (own === turn) page.setAttribute("aria-busy", "false");
}

function showAnswer(answer) {
  ({ row } = answer);
  const [height, width] = answer.pixels.shape;
  get("picture").replaceChildren(canvasOf(answer.pixels, say("seen", { height, width })));
  const several = row.labels !== undefined;
  const top = several ? Object.entries(row.probabilities).sort((first, second) => second[1] - first[1]).slice(0, 8) : row.top;
  let sentence = several ? "" : say("answer", { name: row.label, share: percent(row.probability) });
  if (several) sentence = row.labels.length ? say("labels", { names: row.labels.join(texts.comma) }) : texts.no_labels;
  get("label").textContent = sentence;
  get("shares").replaceChildren(shareTable(get("prediction-heading").textContent, top.map(([name, share]) => ({ class: name, before: share }))));
  get("abstained").hidden = !row.abstained;
  const limit = answer.threshold === null ? null : percent(answer.threshold);
  get("abstained").textContent = limit === null ? texts.abstained_always : say("abstained", { share: percent(row.probability || 0), threshold: limit });
  get("unknown").hidden = !row.unknown;
  get("unknown").textContent = texts.unknown;
  get("set").hidden = !row.set;
  if (row.set) get("set").querySelector("p").textContent = say("set", { names: row.set.join(texts.comma), coverage: percent(answer.coverage) });
  get("command").textContent = `striate predict ${answer.source} image.png`;
  announce([sentence, row.abstained ? get("abstained").textContent : "", row.unknown ? texts.unknown : ""].filter(Boolean).join(" "));
}

async function explain(own = turn) {
  const name = row.label ?? row.labels[0] ?? Object.entries(row.probabilities).sort((first, second) => second[1] - first[1])[0][0];
  get("faithful").textContent = texts.testing;
  get("explain").disabled = true;
  try {
    const method = get("method");
    const answer = await api("try/evidence", { ...request(), method: method.value, target: name });
    if (own !== turn) return;
    if (answer.refused) {
      get("overlay").replaceChildren();
      get("faithful").textContent = answer.refused;
      return;
    }
    const description = say("overlay_alt", { name, method: method.selectedOptions[0].textContent });
    get("overlay").replaceChildren(canvasOf(answer.overlay, description));
    const values = { gain: number(answer.gain, 2), p: number(answer.p_value, 2), correlation: number(answer.rank_correlation, 2) };
    get("faithful").textContent = say(answer.faithful ? "faithful" : "unfaithful", values);
  } catch (error) {
    get("faithful").textContent = "";
    throw error;
  } finally {
    get("explain").disabled = false;
  }
}

async function showNear(own) {
  get("near").querySelector("ul").replaceChildren();
  get("near-note").textContent = waiting;
  const answer = await api("try/neighbors", request());
  if (own !== turn) return;
  get("near-note").textContent = answer.reason ? say("data_gone", { reason: answer.reason }) : nearNote;
  get("near").querySelector("ul").replaceChildren(...answer.images.map((near) => {
    const name = say("neighbor", { name: near.class, similarity: near.similarity.toFixed(2) });
    return el("li", {}, el("figure", { title: near.path }, canvasOf(near.pixels, near.path), el("figcaption", {}, name)));
  }));
}

let stream = null;
function closeCamera() {
  for (const track of stream ? stream.getTracks() : []) track.stop();
  stream = null;
  get("viewfinder").hidden = true;
  get("camera").hidden = false;
}
get("camera").addEventListener("click", async () => {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    get("video").srcObject = stream;
    get("viewfinder").hidden = false;
    get("camera").hidden = true;
    get("shoot").focus();
  } catch (error) {
    fail(new Error(say("no_camera", { reason: error.message })));
  }
});
get("shoot").addEventListener("click", () => {
  const video = get("video");
  const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  counted += 1;
  canvas.toBlob((blob) => image.send(blob, say("photograph", { number: counted })), "image/png");
  closeCamera();
  get("camera").focus();
});
get("stop").addEventListener("click", () => {
  closeCamera();
  get("camera").focus();
});

document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((entry) => entry.type.startsWith("image/"));
  if (!file) return;
  counted += 1;
  image.send(file, say("pasted", { number: counted }));
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) image.send(file, file.name);
});
get("model").addEventListener("change", predict);
get("explain").addEventListener("click", () => explain().catch(fail));

try {
  const { models } = await api("models");
  const trained = models.filter((model) => model.kind !== "drawn");
  if (modelChoice(get("model"), trained)) await predict();
  else fail(new Error(texts.no_models));
} catch (error) {
  fail(error);
}
