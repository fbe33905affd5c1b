"""How long commands take to begin, each a fresh process; they take turns, and medians of all turns count.

    python bench/startup.py                      `python -c pass`, `import striate`, `striate --help` and `striate nets`
    python bench/startup.py --torch              beside `import torch`: `striate predict` for one image, by a run and
                                                 by its ONNX file, and the first step of `striate train digits`
    python bench/startup.py --torch --photos F   the first step of a training on the photographs in F, decoded before, also

Seconds are by the clock, and of the processor with those of child processes. A first step is when the journal has the weights
that a training starts from, which it writes last before that step; the training is then ended.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import rows

TURNS, TURNS_OF_TORCH = 15, 5
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "import striate": ("-c", "import striate"),
    "striate --help": ("-m", "striate", "--help"),
    "striate nets": ("-m", "striate", "nets"),
}
TRAIN = ("-m", "striate", "train")
NET = ("--net", "resnet18", "--set", "preprocess.size_px=64", "--epochs", "1", "--no-report")  # small, so that it ends soon


class Taken(NamedTuple):
    """What a command took, in seconds."""

    wall: float
    processor: float


def whole(arguments: Sequence[str]) -> Taken:
    """A command from its start to its end."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def to_first_step(arguments: Sequence[str], number: int) -> Taken:
    """A training from its start to its first step."""
    name = f"first{number}"
    begun = time.time()
    process = subprocess.Popen(
        [sys.executable, *arguments, "--name", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while (at := first_step(Path("runs", name, "journal.jsonl"))) is None:
            if process.poll() is not None:
                raise SystemExit(f"striate {' '.join(arguments[2:])} ended with {process.returncode} before its first step")
            time.sleep(0.005)
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:15]  # children with it
    finally:
        process.kill()
        process.wait()
    return Taken(at - begun, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))


def first_step(journal: Path) -> float | None:
    """When the last event before the first step was written, in seconds since 1970; None before that."""
    lines = journal.read_text("utf-8").splitlines(keepends=True) if journal.is_file() else []
    events = (json.loads(line) for line in lines if line.endswith("\n"))
    return next((event["time"] for event in events if event["event"] == "weights"), None)


def with_torch(photos: Path | None) -> Iterator[tuple[str, list[Taken]]]:
    """Each command that needs torch, or whose model was made with it, and its times."""
    whole((*TRAIN, "digits", "--epochs", "1", "--no-report", "--name", "digits"))
    whole(("-m", "striate", "export", "digits"))
    image = Path("one.png")
    image.write_bytes(one_image())
    commands = {
        "python -c 'import torch'": ("-c", "import torch"),
        "striate predict RUN one.png": ("-m", "striate", "predict", "digits", str(image)),
        "striate predict model.onnx one.png": ("-m", "striate", "predict", "striate-export-digits/model.onnx", str(image)),
    }
    trainings = {"striate train digits, to its first step": (*TRAIN, "digits")}
    if photos is not None:
        trainings["striate train PHOTOS, to its first step"] = (*TRAIN, str(photos.absolute()), *NET)
        whole((*trainings["striate train PHOTOS, to its first step"], "--name", "photos"))  # decodes them
    times: dict[str, list[Taken]] = {name: [] for name in (*commands, *trainings)}
    for turn in range(TURNS_OF_TORCH):
        for name, arguments in commands.items():
            times[name].append(whole(arguments))
        for number, (name, arguments) in enumerate(trainings.items()):
            times[name].append(to_first_step(arguments, 10 * turn + number))
    yield from times.items()


def one_image() -> bytes:
    """A PNG of 8 x 8 gray pixels."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.radial_gradient("L").resize((8, 8)).save(file, "PNG")
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--photos", type=Path)
    given = parser.parse_args()
    photos = None if given.photos is None else given.photos.absolute()
    if not given.torch:
        times = {name: [whole(arguments) for _ in range(1)] for name, arguments in COMMANDS.items()}  # caches are warm now
        for _ in range(TURNS):
            for name, arguments in COMMANDS.items():
                times[name].append(whole(arguments))
        show({name: taken[1:] for name, taken in times.items()})
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STRIATE_CACHE"] = str(Path(folder) / "cache")
        os.chdir(folder)
        times = dict(with_torch(photos))
        os.chdir("/")
    show(times)
    for row in jobs(times):
        rows.show(row)


def jobs(times: dict[str, list[Taken]]) -> Iterator[rows.Row]:
    """The rows of what stands beside `import torch`."""
    base, *others = times.items()
    torch_s = rows.spread([taken.wall for taken in base[1]], 1)
    of_command = {
        "predict RUN": ("predict-one", "`striate predict RUN one.png`, cold", "1.3 times `import torch`"),
        "predict model": ("predict-one-onnx", "`striate predict model.onnx one.png`, cold", "1 s"),
        "train digits": ("first-step", "from the command to the first step, digits, store warm", "`import torch` + 1 s"),
        "train PHOTOS": (
            "first-step-photographs", "from the command to the first step, photographs, store warm", "`import torch` + 1 s"
        ),
    }  # fmt: skip
    for name, taken in others:
        key, job, mark = next(each for part, each in of_command.items() if part in name)
        walls = [each.wall for each in taken]
        middle, least = median(walls), median(each.wall for each in base[1])
        beside = {"predict-one": f"{middle / least:.2f} times: ", "predict-one-onnx": ""}.get(
            key, f"`import torch` {middle - least:+.1f} s: "
        )
        yield rows.Row(
            key, job, mark, f"{beside}{rows.spread(walls, 1)} s", f"`python -c 'import torch'`: {torch_s} s",
            f"{len(walls)}, in turns", "-" if "onnx" in key else "`import torch` is the limit",
            "python bench/startup.py --torch" + (" --photos FOLDER" if "photographs" in key else ""), rows.here(),
        )  # fmt: skip


def show(times: dict[str, list[Taken]]) -> None:
    first = next(iter(times))
    base = median(taken.wall for taken in times[first])
    base_processor = median(taken.processor for taken in times[first])
    print(f"{'':40} {'ms':>7} {'range':>16}  ratio  {'ms of the processor':>20}  ratio")
    for name, taken in times.items():
        walls, processor = sorted(1e3 * each.wall for each in taken), 1e3 * median(each.processor for each in taken)
        spread = f"{walls[0]:.0f} to {walls[-1]:.0f}"
        print(
            f"{name:40} {median(walls):7.0f} {spread:>16}  {median(walls) / 1e3 / base:5.2f}  {processor:20.0f}  "
            f"{processor / 1e3 / base_processor:5.2f}"
        )
    print(f"ratios: to {first}; range: of the clock over {len(times[first])} turns")


if __name__ == "__main__":
    main()
