"""The page in a browser, with a server that is made up: what is seen belongs to the file that was given last."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from striate.workflows import image_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = Path("src/striate/workflows/serve/page")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=10000", "--allow-file-access-from-files",
)  # fmt: skip
STORY = """
window.fetch = async (path) => ({ok: true, status: 200, json: async () => path === "v1/model"
  ? {name: "m", net: "n", classes: ["a", "b"], sha256: "0123456789abcdef"}
  : {predictions: [{label: "cat", probability: 0.9, top: [["cat", 0.9], ["dog", 0.1]]}]}});
const seen = [];
const give = async (name, type) => {
  const files = new DataTransfer();
  files.items.add(new File(["x"], name, {type}));
  document.dispatchEvent(new DragEvent("drop", {dataTransfer: files, cancelable: true}));
  await new Promise((done) => setTimeout(done, 50));
  const [label, top, preview] = ["label", "top", "preview"].map((id) => document.getElementById(id));
  seen.push([label.textContent, top.rows.length, !top.hidden, !preview.hidden]);
};
window.onload = async () => {
  await give("a.png", "image/png");
  await give("a.txt", "text/plain");
  await give("b.png", "image/png");
  document.body.insertAdjacentHTML("beforeend", `<pre id="out">${JSON.stringify(seen)}</pre>`);
};
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_after_a_file_that_is_no_image_nothing_of_the_image_before_is_shown(tmp_path: Path):
    for name, content in image_page.files(PAGE).items():
        (tmp_path / name).write_bytes(content)
    page = tmp_path / "index.html"
    page.write_text(page.read_text().replace("<head>", f"<head><script>{STORY}</script>"))
    command = [str(CHROMIUM), *FLAGS, "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seen = re.findall(r'<pre id="out">(.*?)</pre>', shown)[-1]
    assert json.loads(seen) == [["cat", 2, True, True], ["No image", 0, False, False], ["cat", 2, True, True]]
