"""How soon the pages of `striate lab` show, and how soon a kernel that is dragged has its numbers.

    PYTHONPATH=tests python bench/lab.py --runs 5 --moves 60

Each run starts a lab of its own and a new window of Debian's chromium. `first paint` is from the request of a page to its first
content, as the browser measures it: of the first page right after the start, of the first lesson, and, `again`, of the first
page in a window that has shown others. `numbers` is until the first views of that lesson are drawn. `drag` is from a move of a
pointer to the new numbers on the page, in the median and the 95th percentile; of that, `server` is the request alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from statistics import median, quantiles
from typing import Any

from support.lab import CHROMIUM, FLAGS  # of the tests

_PAINT = "() => performance.getEntriesByType('paint').find((entry) => entry.name === 'first-contentful-paint')?.startTime"
_READY = "() => document.querySelector('.view') && document.getElementById('views').getAttribute('aria-busy') === 'false'"
_DRAG = """async (moves) => {
  const map = document.querySelector('[data-view=map] .surface');
  const times = [];
  for (let move = 0; move < moves; move += 1) {
    const box = map.querySelector('svg').getBoundingClientRect();
    const side = box.width / 5;
    const place = { clientX: box.left + side * (move % 5 + 0.5), clientY: box.top + side * (Math.floor(move / 5) % 5 + 0.5) };
    const drawn = new Promise((done) => new MutationObserver((_all, observer) => { observer.disconnect(); done(); })
      .observe(map, { childList: true }));
    const began = performance.now();
    map.dispatchEvent(new PointerEvent('pointerdown', { ...place, pointerId: 1, bubbles: true }));
    map.dispatchEvent(new PointerEvent('pointerup', { ...place, pointerId: 1, bubbles: true }));
    if (await Promise.race([drawn.then(() => true), new Promise((done) => setTimeout(() => done(false), 2000))]))
      times.push(performance.now() - began);
    await new Promise((done) => setTimeout(done, 30));
  }
  return times;
}"""


def run(browser: Any, moves: int) -> dict[str, float]:
    """One start of the lab."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "striate", "lab", "--root", folder, "--port", "0", "--json"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        try:
            began = time.perf_counter()
            url = json.loads(process.stdout.readline())["url"]
            started = time.perf_counter() - began
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.goto(url)
            page.wait_for_function(_PAINT)
            first = page.evaluate(_PAINT)
            page.goto(f"{url}/en/lessons/convolution")
            page.wait_for_function(_PAINT)
            lesson = page.evaluate(_PAINT)
            page.wait_for_function(_READY, timeout=120_000)
            numbers = page.evaluate("performance.now()")
            page.evaluate("Element.prototype.setPointerCapture = () => {}")  # there is no pointer that could be held
            drags = page.evaluate(_DRAG, moves)
            server = []
            for place in range(20):
                content = json.dumps({"row": place % 5}).encode()
                request = urllib.request.Request(f"{url}/api/en/lessons/convolution", content)
                asked = time.perf_counter()
                urllib.request.urlopen(request).read()
                server.append(1000 * (time.perf_counter() - asked))
            page.goto(f"{url}/en/")
            page.wait_for_function(_PAINT)
            again = page.evaluate(_PAINT)
            page.context.close()
        finally:
            process.terminate()
            process.wait()
    return {
        "start": 1000 * started, "first paint": first, "first paint again": again,
        "first paint of the lesson": lesson, "numbers": numbers,
        "drag": median(drags), "drag, 95 %": quantiles(drags, n=20)[-1], "server": median(server),
    }  # fmt: skip


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--moves", type=int, default=60)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        rows = [run(browser, options.moves) for _ in range(options.runs)]
        browser.close()
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        print(f"{name:<28}{median(values):8.0f} ms   ({values[0]:.0f} to {values[-1]:.0f})")


if __name__ == "__main__":
    main()
