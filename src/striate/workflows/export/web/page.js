// The page of `striate export --web`: the image stays in the browser, which answers by itself.
import { classify, load } from "./classify.js";
import { at, start } from "./image_page.js";

const nextFrame = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
at("served").hidden = true;
at("model").textContent = "Loading the model";
const model = load();
model.then(({ facts }) => {
  const weights = facts.weights_sha256 && `weights ${facts.weights_sha256.slice(0, 12)}`;
  at("model").textContent = [facts.net, `${facts.classes.length} classes`, weights, facts.license].filter(Boolean).join(", ");
}, (error) => { at("model").textContent = `The model cannot be loaded. ${error.message}`; });

start(async (image) => {
  const bytes = new Uint8Array(await image.arrayBuffer());
  const loaded = await model;
  await nextFrame();
  return (await classify(loaded, bytes)).row;
});
