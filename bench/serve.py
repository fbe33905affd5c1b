"""Requests a second that `striate serve` answers in time, beside other servers of the same network.

    python bench/serve.py trashnet --seconds 4 --runs 3 --python /other/venv/bin/python

Each request is a form with one photograph of the folder (28 px in gray for mnist_cnn). The client is a process of its own on
the same machine; it sends at a rate, whether or not those before were answered. The rates rise by a fifth, from half of what 8
clients get that wait for their answers; a rate is held when every request is answered and the 99th percentile of the times is
below --within. The sides take turns, and the medians of the runs are shown. Beside other work the processor's time for an
answer says more than the clock's. Before, each side answers 16 images, and its probabilities are compared with those of the
first.

- striate, striate-onnx: `striate serve` of the model and of its export
- fastapi, litserve, ray: `serve_peers.py`, by the interpreter --python, where they are installed
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from predict import CLASSES, classes_of, model_of

PEERS = {"fastapi": "fastapi", "litserve": "litserve", "ray": "ray.serve"}  # and what they import
IMAGES, STEP = 16, 1.2
Json = dict[str, Any]


class Side(NamedTuple):
    """A server that runs."""

    name: str
    host: str
    path: str
    process: int  # the first of its processes


class Result(NamedTuple):
    """What one run of a side came to."""

    held: float  # the highest rate in time, requests a second; 0 where none was
    p99: float  # at that rate, or at the lowest that was tried, in ms
    most: float  # answers a second for 8 clients
    processor: float  # of all its processes, ms for each of those answers
    alone: float  # median time for one client, in ms


def images_of(net_name: str, data: Path, folder: Path) -> Path:
    """Photographs of every class, as the network is sent them."""
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for number, path in enumerate(files[:: max(1, len(files) // (8 * CLASSES))]):
        kept = folder / path.parent.name / f"{number:04d}{'.png' if net_name == 'mnist_cnn' else '.jpg'}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        if net_name == "mnist_cnn":
            Image.open(path).convert("L").resize((28, 28)).save(kept)
        else:
            kept.write_bytes(path.read_bytes())
    return folder


def small_model(classes: tuple[str, ...], folder: Path) -> None:
    """mnist_cnn of six classes, not trained, and its state dict beside it."""
    import torch

    from striate.batches.preprocess import Preprocess
    from striate.data.decode import InputSpec
    from striate.model import Model
    from striate.nets.factory import build

    net = build("mnist_cnn", (1, 28, 28), len(classes), seed=1).eval()
    with torch.no_grad():
        net.get_submodule("fc2").weight.mul_(20)  # else all images get about the same probabilities
    preprocess = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    model = Model(net, "mnist_cnn", {}, preprocess, InputSpec(28, 1, "squash"), classes, training={"seed": 1})
    model.save(folder)
    torch.save(net.state_dict(), folder.with_suffix(".pth"))


@contextmanager
def process(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A server for the block, with the processes that it starts."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with subprocess.Popen(
        command, env={**environment, "CUDA_VISIBLE_DEVICES": ""}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, start_new_session=True,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):  # it has ended, which is said
                os.killpg(running.pid, signal.SIGKILL)


@contextmanager
def side_of(name: str, net_name: str, place: Path, python: str) -> Iterator[Side]:
    """A side, once it answers."""
    if name in PEERS:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        script, weights = str(Path(__file__).with_name("serve_peers.py")), str(place / f"{net_name}.pth")
        with process([python, script, name, net_name, weights, str(port)]) as running:
            side = Side(name, f"127.0.0.1:{port}", "/predict", running.pid)
            while "200" not in client(side, place, "--clients", 1, 0.1)["statuses"]:
                if running.poll() is not None:
                    raise RuntimeError(f"{name} ended.")
                time.sleep(0.5)
            yield side
        return
    model = place / "onnx/model.onnx" if name == "striate-onnx" else place / net_name
    with process([sys.executable, "-m", "striate", "serve", str(model), "--port", "0", "--json"]) as running:
        assert running.stdout is not None
        host = json.loads(running.stdout.readline())["url"].removeprefix("http://")
        yield Side(name, host, "/v1/predict", running.pid)


def client(side: Side, place: Path, kind: str, number: float, seconds: float) -> Json:
    """What became of the requests of a client."""
    script, images = str(Path(__file__).with_name("serve_client.py")), str(place / "sent")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "tests")}
    command = [sys.executable, script, side.host, side.path, images, kind, str(number), str(seconds)]
    answer: Json = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    return answer


def shares(side: Side, place: Path, classes: tuple[str, ...]) -> np.ndarray:
    """The probabilities of each image sent, N x K."""
    answers = client(side, place, "--rate", 10, IMAGES / 10)["answers"]
    rows = []
    for number in range(IMAGES):
        answer = answers[str(number)]
        top = dict(answer["predictions"][0]["top"]) if "predictions" in answer else None
        rows.append([top.get(name, np.nan) for name in classes] if top is not None else answer["probabilities"])
    return np.array(rows)


def processor_ms(first: int) -> float:
    """What a server and its descendants have used of the processor since they began."""
    processes: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            processes[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    own, count = {first}, 0
    while len(own) > count:
        count = len(own)
        own |= {number for number, fields in processes.items() if int(fields[1]) in own}
    ticks = sum(int(field) for number in own for field in processes[number][11:15])  # those of ended children too
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def measured(side: Side, place: Path, parsed: argparse.Namespace) -> Result:
    """One run: a lone client, 8 clients, then rising rates."""
    alone = client(side, place, "--clients", 1, parsed.seconds / 2)
    before = processor_ms(side.process)
    most = client(side, place, "--clients", 8, parsed.seconds / 2)["rate"]
    processor = (processor_ms(side.process) - before) / (most * parsed.seconds / 2)
    rate, held, p99 = most / 2, 0.0, 0.0
    while True:
        reply = client(side, place, "--rate", rate, max(parsed.seconds, min(10.0, 40 / rate)))
        if set(reply["statuses"]) == {"200"} and reply["p99"] < parsed.within:
            held, p99, rate = rate, reply["p99"], rate * STEP
        elif held or rate < most / 4:
            return Result(held, p99 or reply["p99"], most, processor, alone["p50"])
        else:
            rate /= 2


def table(net_name: str, parsed: argparse.Namespace, place: Path, classes: tuple[str, ...]) -> list[str]:
    """A line for each side."""
    import striate

    images = images_of(net_name, Path(parsed.data), place / "images")
    if net_name == "mnist_cnn":
        small_model(classes, place / net_name)
    else:
        model_of(net_name, images, classes, place / net_name)
    striate.export(place / net_name, out=place / "onnx", data=images)
    (place / "sent").mkdir()
    files = sorted(images.rglob("*.*"))
    for path in files[:: len(files) // IMAGES][:IMAGES]:
        path.rename(place / "sent" / path.name)
    runs: dict[str, list[Result]] = {}
    with ExitStack() as stack:
        sides = [stack.enter_context(side_of(name, net_name, place, parsed.python)) for name in parsed.sides.split(",")]
        first = shares(sides[0], place, classes)
        differences = {side.name: float(np.nanmax(np.abs(shares(side, place, classes) - first))) for side in sides}
        for turn in range(parsed.runs):
            for side in sides:
                result = measured(side, place, parsed)
                runs.setdefault(side.name, []).append(result)
                line = {"net": net_name, "turn": turn, "side": side.name, **result._asdict()}
                print(json.dumps(line), file=sys.stderr, flush=True)
    rows = {name: Result(*(median(each) for each in zip(*results, strict=True))) for name, results in runs.items()}
    plain = rows["fastapi"].held if "fastapi" in rows else 0.0
    lines = []
    for name, row in rows.items():
        times = f"{row.held / plain:.2f}" if plain else "-"
        figures = f"{row.held:.1f} | {times} | {row.p99:.0f} | {row.most:.1f} | {row.processor:.1f} | {row.alone:.1f}"
        figures += f" | {differences[name]:.0e}"
        lines.append(f"| {net_name}, {name} | {figures} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests a second within a time, beside other servers.")
    parser.add_argument("data", help="a folder of photographs by class")
    parser.add_argument("--nets", default="mnist_cnn,efficientnet_lite0")
    parser.add_argument("--sides", default="striate,striate-onnx,fastapi,litserve")
    parser.add_argument("--within", type=float, default=100, help="ms of which the 99th percentile is to stay below")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the other servers")
    parsed = parser.parse_args()
    classes = classes_of(parsed.data, parser)
    print(f"Requests a second at a 99th percentile below {parsed.within:g} ms, medians of {parsed.runs} runs.\n")
    print(
        "| | in time, a second | times fastapi | p99, ms | 8 clients, a second | CPU ms for one | one client, ms | difference |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for net_name in parsed.nets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(table(net_name, parsed, Path(folder), classes)), flush=True)


if __name__ == "__main__":
    main()
