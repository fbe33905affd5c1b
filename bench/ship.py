"""Make weights that the package brings along of a run: `python bench/ship.py runs/resnet20-cifar10 resnet20-cifar10`.

The tensors become float16, and the model card says what is measured here with exactly these on the run's own test images.
"""

import argparse
import json
from importlib import resources
from pathlib import Path

import numpy as np
import rows
import torch
from safetensors.torch import save

from striate.base import config, files
from striate.base import run_folder as runs
from striate.base.phrases import format_duration
from striate.base.signals import catch_signals
from striate.data import sources
from striate.metrics import classification
from striate.model import Model
from striate.nets.factory import outline
from striate.nets.summary import layer_table
from striate.training import journal
from striate.workflows import external_weights
from striate.workflows.dataset import gather

CARD = """# {name}

{net} trained on {data}, in float16: {parameters:,} parameters, {bytes:,} bytes. `striate finetune`, `striate predict` and
`striate evaluate` take it as `{asked}`.

| | |
|---|---|
| data | {data}: {train:,} images to learn from, {val:,} to validate on, {test:,} to test on |
| recipe | `{recipe}`: {passes:.2f} epochs, {steps:,} steps |
| seconds | {seconds:,.0f} ({duration}) on {device}, {threads} thread{s}, shared with other work |
| test accuracy | {accuracy:.4f}, 95 % interval {low:.4f} to {high:.4f}, {n:,} images, with the float16 weights |
| work | {macs:,} multiply-adds an image; {pflop:.3f} PFLOP in training, six operations for each |
| before rounding | {before:.4f}; the largest difference of a logit is {difference:.4f} |
| validation accuracy | {val_accuracy:.4f}, 95 % interval {val_low:.4f} to {val_high:.4f}, {val_n:,} images |
| seed | {seed} |

Made by `striate train {data} --recipe {recipe}` and `bench/ship.py`. The test images were looked at twice: by the run,
and after rounding. Images are brought to {side} x {side} pixels in color; larger ones lose detail.
{note}
Classes: {classes}.
"""


def ship(run_folder: Path, name: str, note: str = "") -> Path:
    """Write `src/striate/weights/NAME`, with a note on the card; returns the folder."""
    run, result = runs.settings(run_folder), json.loads((run_folder / "result.json").read_text("utf-8"))
    model = Model.load(run_folder / "model")
    out = Path(str(resources.files("striate") / "weights")) / name
    rounded = {key: t.half() if t.is_floating_point() else t for key, t in model.net.state_dict().items()}
    described = {
        "architecture": model.net_name, "num_classes": len(model.classes), "label_names": list(model.classes),
        "net_settings": model.net_settings,
        "license": f"Apache-2.0; trained on {run.data.path}, whose images have terms of their own",
        "pretrained_cfg": {
            "input_size": list(model.net.input_chw), "mean": model.preprocess.mean.flatten().tolist(),
            "std": model.preprocess.std.flatten().tolist(), "crop_pct": model.input_spec.share,
        },
    }  # fmt: skip
    content = save({key: tensor.contiguous() for key, tensor in rounded.items()})
    with files.new_folder(out) as new:
        files.write_bytes(new / "model.safetensors", content)
        files.write_text(new / "config.json", json.dumps(described, indent=1) + "\n")
        epochs = [event for event in journal.read(run_folder / "journal.jsonl") if event["event"] == "epoch"]
        files.write_text(new / "training.jsonl", "".join(json.dumps(event) + "\n" for event in epochs))
        shipped = external_weights.load_external(f"{model.net_name}@{new / 'model.safetensors'}")
        numbers = _measure(shipped, run, run_folder)
        environment = json.loads((run_folder / "environment.json").read_text("utf-8"))
        one_view = {name: value for name, value in model.net_settings.items() if name != "views"}
        macs = sum(
            row.macs for row in layer_table(outline(model.net_name, model.net.input_chw, len(model.classes), **one_view))
        )
        images, test, val = result["images"], numbers["test"], result["val"]
        trained_on = rows.images_trained_on(result["steps"], images["train"], run.train.batch_size)
        card = CARD.format(
            name=name, net=model.net_name, data=run.data.path, asked="@".join(name.rsplit("-", 1)), bytes=len(content),
            parameters=result["parameters"], **images, recipe=run.recipe, passes=trained_on / images["train"],
            steps=result["steps"],
            seconds=result["seconds"], duration=format_duration(result["seconds"]), device=environment["device"],
            threads=environment["threads"], s="s" if environment["threads"] != 1 else "", **test,
            before=result["test"]["accuracy"], difference=numbers["difference"], val_accuracy=val["accuracy"],
            val_low=val["low"], val_high=val["high"], val_n=val["n"], seed=result["seed"], classes=", ".join(model.classes),
            side=model.input_spec.size_px, macs=macs, pflop=6 * macs * trained_on / 1e15, note=note and f"\n{note}\n",
        )  # fmt: skip
        files.write_text(new / "README.md", card)
    return out


def _measure(shipped: Model, run: config.Run, run_folder: Path) -> dict[str, object]:
    """Accuracy of the shipped weights on the run's own test images, and how far their logits are from the run's."""
    ids_N, labels_N, before_NK = runs.load_predictions(run_folder / "predictions-test.npz")
    with catch_signals() as stop:
        dataset = gather(sources.read(run.data), run, stop, lambda _event: None)
    rows_N = dataset.parts.test_M[np.argsort(dataset.examples.ids_N[dataset.parts.test_M])]
    assert (dataset.examples.ids_N[rows_N] == ids_N).all()
    logits_NK = shipped.logits(dataset.stored.pixels_NHWC[rows_N])
    found = classification.accuracy(logits_NK, labels_N)
    test = {"accuracy": found.value, "low": found.low, "high": found.high, "n": found.n}
    return {"test": test, "difference": float(np.abs(logits_NK - before_NK).max())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--note", default="", help="what the card says besides, as of other seeds")
    given = parser.parse_args()
    torch.set_num_threads(2)
    print(ship(given.run, given.name, given.note))
