"""A folder of photographs with nothing else said: accuracy and seconds, beside scikit-learn, fastai and Keras.

    python bench/photographs.py trashnet --seeds 5 --threads 2

For each seed the images are divided anew (`data.split_seed`), and every side learns from the same files, may choose by the same
ones, and is tested on the same ones. Every training has an interpreter of its own and an empty cache, so the seconds are those
of a whole command: from its start to the report, or to the score where a side writes none. Those of the clock want a quiet
machine, those of the processor, all children's together, do not. The sides:

- striate: `striate train FOLDER`
- striate-none: `striate train FOLDER --weights none`
- svc, logistic: scikit-learn's two classifiers with their defaults, on `model.embed` of the same weights, standardized
- fastai: `vision_learner` and `fine_tune(10)` with the same weights in timm; fastai-scratch: `fit_one_cycle(20)` without them
- keras-scratch: the network of TensorFlow's tutorial of image classification, 15 epochs. Keras with ImageNet's weights is left
  out: it has none of this network, and downloads those of its own

Of the peers each is left out whose library `--python` cannot import; `make bench-photographs` installs them. The accuracy has
Wilson's 95 % interval of the test images of all seeds together, which are not all different. `--log FILE` keeps each training
as a line and skips those that it has.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import rows

from striate.metrics.intervals import wilson

SIDES = ("striate", "striate-none", "svc", "logistic", "fastai", "fastai-scratch", "keras-scratch")
PEERS = {"fastai": ("fastai", "timm"), "fastai-scratch": ("fastai", "timm"), "keras-scratch": ("keras", "torch")}
WEIGHTS = "efficientnet_lite0@imagenet"
Json = dict[str, Any]


def divide(data: str, seed: int, folder: Path) -> None:
    """Links to the images of each part as striate divides them: `folder`/PART/CLASS/NAME."""
    from striate.base import config
    from striate.base.signals import Stop
    from striate.data import sources
    from striate.workflows.dataset import gather

    preprocess = {"size_px": 32, "channels": 3, "resize_mode": "squash"}
    run = config.build({"data": {"path": data, "split_seed": seed}, "preprocess": preprocess})
    dataset = gather(sources.read(run.data), run, Stop(), lambda _event: None)
    examples, parts = dataset.examples, dataset.parts
    for part, rows_M in (("train", parts.train_M), ("val", parts.val_M), ("test", parts.test_M)):
        for row in rows_M.tolist():
            source = (Path(str(examples.root)) / examples.names[row]).resolve()
            target = folder / part / examples.classes[examples.labels_N[row]] / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def save_for_timm(path: Path) -> None:
    """The same weights by timm's names."""
    import torch

    import striate

    net = striate.load(WEIGHTS).net
    table = {own: names.rpartition("|")[2] for own, names in net.external_names().items()}
    named = [(*name.rpartition(".")[::2], values) for name, values in net.state_dict().items()]
    torch.save({f"{table[layer]}.{kind}": values for layer, kind, values in named}, path)


def with_striate(data: str, weights: str | None, seed: int, threads: int, out: str) -> tuple[int, int]:
    """`striate train`, and nothing else said."""
    import striate

    settings = {"data": {"split_seed": seed}, "engine": {"threads": threads, "precision": "fp32"}}
    more = {} if weights is None else {"weights": weights}
    test = striate.train(data, name="run", out=out, settings=settings, **more)["test"]
    return round(test["accuracy"] * test["n"]), test["n"]


def with_sklearn(folder: Path, side: str) -> tuple[int, int]:
    """A classifier with its defaults on features of the frozen network, the validation images learned from as well."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    import striate

    model = striate.load(WEIGHTS)
    learned, tested = [*folder.glob("train/*/*"), *folder.glob("val/*/*")], [*folder.glob("test/*/*")]
    classifier = make_pipeline(StandardScaler(), SVC() if side == "svc" else LogisticRegression())
    classifier.fit(model.embed(learned), [path.parent.name for path in learned])
    predicted = classifier.predict(model.embed(tested))
    return sum(name == path.parent.name for name, path in zip(predicted, tested, strict=True)), len(tested)


def child(side: str, data: str, folder: str, seed: int, threads: int, out: str) -> tuple[int, int]:
    """One training of striate or scikit-learn, in an interpreter of its own."""
    import torch

    torch.set_num_threads(threads)
    if side in ("svc", "logistic"):
        return with_sklearn(Path(folder), side)
    return with_striate(data, "none" if side == "striate-none" else None, seed, threads, out)


def spawn(side: str, command: Sequence[str], seed: int, threads: int, scratch: Path) -> Json | None:
    """Run a side in a fresh interpreter with an empty cache, and read its last line; None where it failed."""
    print(f"{side}, seed {seed}", file=sys.stderr, flush=True)
    cache = tempfile.mkdtemp(dir=scratch)
    environment = {**os.environ, "STRIATE_CACHE": cache, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    begun, before = time.monotonic(), os.times()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    seconds, after = time.monotonic() - begun, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    if done.returncode:
        print(f"{side}, seed {seed} ended with {done.returncode} and is left out", file=sys.stderr, flush=True)
        return None
    correct, count = json.loads(done.stdout.splitlines()[-1])
    score = {"side": side, "seed": seed, "correct": correct, "count": count}
    run = {**score, "seconds": round(seconds, 1), "cpu_seconds": round(processor, 1)}
    print(json.dumps(run), file=sys.stderr, flush=True)
    return run


def row(side: str, runs: Sequence[Json]) -> str:
    """One line of the table."""
    score = wilson(sum(run["correct"] for run in runs), sum(run["count"] for run in runs))
    each = ", ".join(f"{100 * run['correct'] / run['count']:.1f}" for run in runs)
    accuracy = f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})"
    times = ([run[key] for run in runs if key in run] for key in ("seconds", "cpu_seconds"))
    seconds = " | ".join(f"{median(each):.0f}" if each else "-" for each in times)
    return f"| {side} | {accuracy} | {each} | {seconds} |"


def table(runs: Sequence[Json]) -> str:
    """A line for each side."""
    head = ["| | test accuracy | by seed | seconds | CPU seconds |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(row(side, mine) for side in SIDES if (mine := [run for run in runs if run["side"] == side]))])


def job(runs: Sequence[Json], parsed: argparse.Namespace) -> rows.Row | None:
    """The row of the job: the seconds of ours as a share of those of the fastest peer that starts from the same weights."""
    seconds = {side: [run["seconds"] for run in runs if run["side"] == side and "seconds" in run] for side in SIDES}
    ours, peer = seconds["striate"], seconds["fastai"]
    if not (ours and peer):
        return None
    scratch = [f"Keras from scratch takes {median(seconds[side]):.0f} s" for side in ("keras-scratch",) if seconds[side]]
    packages = ["fastai", "timm", *(["keras"] if scratch else [])]
    return rows.Row(
        "photographs", "photographs to a tested, reported classifier, empty cache", "a third of the fastest peer's seconds",
        f"{median(ours) / median(peer):.2f}: {rows.spread(ours, 0)} s against {rows.spread(peer, 0)}",
        "; ".join([f"the same weights: {rows.versions(*packages, python=parsed.python)}", *scratch]),
        f"{len(ours)} splits, in turns", "-", f"python bench/photographs.py FOLDER --seeds {parsed.seeds}", rows.here(),
    )  # fmt: skip


def missing(python: str, side: str) -> list[str]:
    """The libraries of a side that the interpreter of the peers does not have."""
    ask = "import sys; from importlib.util import find_spec; print(*[name for name in sys.argv[1:] if find_spec(name) is None])"
    command = [python, "-c", ask, *PEERS.get(side, ())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def measure(parsed: argparse.Namespace, sides: Sequence[str], done: Sequence[Json]) -> list[Json]:
    """The trainings that are not done yet, sides taking turns seed by seed."""
    runs, log = [*done], Path(parsed.log) if parsed.log else None
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        save_for_timm(scratch / "timm.pth")
        for seed in range(parsed.seeds):
            todo = [side for side in sides if (side, seed) not in {(run["side"], run["seed"]) for run in done}]
            folder = scratch / f"split-{seed}"
            if todo:
                divide(parsed.data, seed, folder)
            for side in todo:
                if side in PEERS:
                    script = str(Path(__file__).with_name("photographs_peers.py"))
                    more = [side, str(folder), str(scratch / "timm.pth"), str(seed), str(parsed.threads)]
                    command = [parsed.python, script, *more]
                else:
                    work = [side, parsed.data, str(folder), seed, parsed.threads, tempfile.mkdtemp(dir=scratch)]
                    command = [sys.executable, __file__, "--child", json.dumps(work)]
                if (run := spawn(side, command, seed, parsed.threads, scratch)) is not None:
                    runs.append(run)
                    if log is not None:
                        with log.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(run) + "\n")
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description="A folder of photographs with nothing else said, beside other libraries.")
    parser.add_argument("data", nargs="?", help="a folder of photographs by class")
    parser.add_argument("--seeds", type=int, default=5, help="splits 0 to N - 1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", default=",".join(SIDES), help=f"some of {','.join(SIDES)}")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has fastai, keras and timm")
    parser.add_argument("--log", help="file that keeps each training, so that it is not done twice")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.child:
        print(json.dumps(child(*json.loads(parsed.child))))
        return
    sides = parsed.sides.split(",")
    if parsed.data is None or not {*sides} <= {*SIDES}:
        parser.error(f"expected a folder, and --sides of {','.join(SIDES)}; got {parsed.data} and {parsed.sides}")
    for side in [*sides]:
        if absent := missing(parsed.python, side):
            print(f"{side} is left out: pip install {' '.join(absent)}", flush=True)
            sides.remove(side)
    log = Path(parsed.log) if parsed.log else None
    done = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log is not None and log.exists() else []
    print(f"{parsed.threads} threads, splits 0 to {parsed.seeds - 1}.\n")
    runs = measure(parsed, sides, done)
    print(table(runs))
    if (mine := job(runs, parsed)) is not None:
        rows.show(mine)


if __name__ == "__main__":
    main()
