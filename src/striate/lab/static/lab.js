// What all pages share: requests, elements, numbers, announcements, the theme.

export const texts = JSON.parse(document.getElementById("texts").textContent);
export const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; a child is an element or a text. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A text with `code` in it, as elements. */
export function marked(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

/** A text of the page with `{name}` filled in. */
export function say(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_whole, name) => values[name]);
}

/** A number as people read it, with at most so many significant digits. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size && (size < 1e-4 || size >= 1e6) ? value.toExponential(digits - 2) : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

/** Have a sentence read out. */
export function announce(sentence) {
  document.getElementById("announcer").textContent = sentence;
}

/** Keep what is chosen in the address, where the other language, a reload and the back button find it. */
export function remember(entries) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(entries)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

for (const link of document.querySelectorAll(".settings a")) {
  for (const kind of ["click", "auxclick"]) link.addEventListener(kind, () => { link.search = location.search; });
}

let declined = false; // the question for the token; a page that asks every two seconds would put it for ever
let token = null;
try {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  token = sessionStorage.getItem("token");
} catch { /* storage is switched off */ }

/** Whether the server wants a token, which a plain link cannot bring. */
export const hasToken = () => token !== null;

/** What the server answers to a request of the API; an Error with its sentence where it refuses. */
export async function api(path, content, options = {}) {
  const brought = token;
  const headers = brought ? { Authorization: `Bearer ${brought}` } : {};
  const request = { headers, ...options };
  if (content instanceof Blob) {
    Object.assign(request, { method: "POST", body: content });
    headers["Content-Type"] = content.type || "application/octet-stream";
  } else if (content !== undefined) {
    Object.assign(request, { method: "POST", body: JSON.stringify(content) });
    headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(`/api/${path}`, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(texts.no_server);
  }
  if (response.status === 401) {
    if (token !== brought) return api(path, content, options); // given while this request was under way
    const answer = declined ? null : window.prompt(brought ? texts.other_token : texts.token);
    declined = !answer?.trim();
    if (declined) throw new Error(texts.no_token);
    token = answer.trim();
    try { sessionStorage.setItem("token", token); } catch { /* asked again on the next page */ }
    return api(path, content, options);
  }
  const kind = response.headers.get("Content-Type") || "";
  const answer = kind.startsWith("application/json") ? await response.json() : await response.blob();
  if (!response.ok) throw Object.assign(new Error(answer.error || texts.fault), { status: response.status });
  return answer;
}

const button = document.getElementById("theme");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
function themeNow() {
  return document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
}
function nameTheme() {
  button.textContent = themeNow() === "dark" ? texts.to_light : texts.to_dark;
}
button.addEventListener("click", () => {
  const next = themeNow() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* it lasts for this page */ }
  nameTheme();
});
dark.addEventListener("change", nameTheme);
nameTheme();
