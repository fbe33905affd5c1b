"""Photographs with two labels each: what pretrained weights bring to `striate train --multi-label`.

    python bench/several_labels.py PHOTOS [--seeds 5] [--scratch 1]

PHOTOS is a folder of photographs by class. They are joined in pairs, one above the other, each photograph in one pair alone,
and the pair has the labels of both. Each seed joins and divides them anew. A row is one
training: its start, and the mAP on its test images.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import striate


def join(photos: Path, folder: Path, seed: int) -> Path:
    """A table of the joined photographs in `folder`; its path."""
    paths = sorted(path for path in photos.glob("*/*") if path.is_file())
    order = np.random.default_rng(seed).permutation(len(paths))
    folder.mkdir(parents=True)
    table = folder / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for number, pair in enumerate(order[: len(paths) // 2 * 2].reshape(-1, 2).tolist()):
            upper, lower = (Image.open(paths[at]).convert("RGB") for at in pair)
            both = Image.new("RGB", (upper.width, upper.height + lower.height))
            both.paste(upper, (0, 0))
            both.paste(lower.resize((upper.width, lower.height)), (0, upper.height))
            both.save(folder / f"{number:04d}.jpg", quality=92)
            rows.writerow([f"{number:04d}.jpg", "|".join(sorted({paths[at].parent.name for at in pair}))])
    return table


def main() -> None:
    """Train from each start on each seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--scratch", type=int, default=1, help="seeds of the training from scratch, which takes longer")
    given = parser.parse_args()
    print("| start | seed | test mAP | macro F1 | log loss | images | seconds |\n|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as place:
        tables = [join(given.photos, Path(place) / str(seed), seed) for seed in range(given.seeds)]
        starts = [(None, seed) for seed in range(given.seeds)] + [("none", seed) for seed in range(given.scratch)]
        for weights, seed in starts:
            data = {"multi_label": True}
            result = striate.train(
                tables[seed], weights=weights, seed=seed, out=Path(place) / "runs", report=False, settings={"data": data}
            )  # fmt: skip
            scores, test = striate.evaluate(result["run"]), result["test"]
            name = "the rule" if weights is None else "from scratch"
            ends = f"{100 * test['low']:.1f} to {100 * test['high']:.1f}"
            print(
                f"| {name} | {seed} | {100 * test['map']:.1f} % ({ends}) | {100 * scores['macro_f1']:.1f} % | "
                f"{scores['log_loss']:.3f} | {test['n']} | {result['wall_seconds']:.0f} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
