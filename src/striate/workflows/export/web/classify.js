// The model of this folder: an image file to what `striate predict` prints of it.
import * as ort from "./onnxruntime-web.js";
import { pixelsOf } from "./pixels.js";

ort.env.wasm.numThreads = 1; // more would need headers that a static host does not send

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} cannot be loaded: status ${response.status}.`);
  return response;
}

/** The model: {facts, session}. */
export async function load() {
  const [facts, content] = await Promise.all([
    fetched("model.json").then((response) => response.json()),
    fetched("model.onnx").then((response) => response.arrayBuffer()),
  ]);
  return { facts, session: await ort.InferenceSession.create(new Uint8Array(content), { executionProviders: ["wasm"] }) };
}

/** The answer for the bytes of a file, and the pixels that it is of; an Error where it is no image. */
export async function classify({ facts, session }, bytes) {
  const { size_px: side, channels } = facts.input_spec;
  const pixels = await pixelsOf(bytes, facts.input_spec, facts.vertical_first);
  const outputs = await session.run({ images: new ort.Tensor("uint8", pixels, [1, side, side, channels]) });
  const shares = outputs.probabilities.data, limits = facts.label_thresholds;
  const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  const top = order.map((k) => [facts.classes[k], shares[k]]);
  if (limits) {
    const labels = order.filter((k) => shares[k] >= limits[k]).map((k) => facts.classes[k]);
    return { pixels, row: { labels, probabilities: Object.fromEntries(top) } };
  }
  const flag = (name) => (outputs[name] ? Boolean(outputs[name].data[0]) : null);
  const flags = { abstained: flag("abstained") ?? false, unknown: flag("unknown") };
  return { pixels, row: { label: top[0][0], probability: top[0][1], ...flags, top: top.slice(0, 5) } };
}
