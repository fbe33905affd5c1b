// The page of `striate serve`: one image to /v1/predict, and its answer.
import { at, NoAnswer, start } from "./image_page.js";
let token = "";
let last = null;

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

function askForToken() {
  at("token-form").hidden = false;
  at("token").focus();
}

async function predict(image) {
  last = image;
  const form = new FormData();
  form.append("file", image, image.name || "image");
  let response, content;
  try {
    response = await fetch("v1/predict", { method: "POST", body: form, headers: headers() });
    content = await response.json();
  } catch {
    throw new NoAnswer("No answer", "The server cannot be reached. Is it still running?");
  }
  if (response.status === 401 && last === image) askForToken();
  if (!response.ok) {
    throw new NoAnswer(response.status === 401 ? "Token needed" : "No answer", content.error || `Status ${response.status}`);
  }
  return content.predictions[0];
}

async function describe() {
  const response = await fetch("v1/model", { headers: headers() });
  if (response.status === 401) return askForToken();
  const model = await response.json();
  at("model").textContent = [model.name, model.net, `${model.classes.length} classes`, `model ${model.sha256.slice(0, 12)}`].filter(Boolean).join(", ");
}

function curl() {
  const bearer = token ? ' -H "Authorization: Bearer $STRIATE_TOKEN"' : "";
  at("curl").textContent = `curl -F file=@photo.jpg${bearer} ${new URL("v1/predict", location.href)}`;
}

const send = start(predict, () => { last = null; });
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
curl();
describe().catch(() => {});
