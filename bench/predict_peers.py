"""The other sides of `predict.py`: the loops that torchvision's and timm's documentation show. Nothing of striate is imported.

    python bench/predict_peers.py SIDE NET FOLDER WEIGHTS OUT THREADS PRECISION

FOLDER holds JPEG files in one folder, WEIGHTS a state dict by the library's own names; OUT becomes the logits, N x K, of the
files by name. In the precision bf16 the network runs under autocast, as timm's script has it with `--amp --amp-dtype bfloat16`.
"""

import sys
from pathlib import Path

import numpy as np
import torch

CLASSES, BATCH, WORKERS = 6, 64, 2


def with_torchvision(net: str, folder: str, weights: str, bf16: bool) -> np.ndarray:
    """`ImageFolder`, `DataLoader` and the transform of the weights' own documentation."""
    import torchvision
    from torchvision.transforms import v2

    transform = v2.Compose([
        v2.ToImage(), v2.Resize(256, antialias=True), v2.CenterCrop(224), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])  # fmt: skip
    model = getattr(torchvision.models, net)(num_classes=CLASSES)
    model.load_state_dict(torch.load(weights, weights_only=True))
    images = torchvision.datasets.ImageFolder(folder, transform)
    return logits(model, torch.utils.data.DataLoader(images, BATCH, num_workers=WORKERS), bf16)


def with_timm(net: str, folder: str, weights: str, bf16: bool) -> np.ndarray:
    """The data set, the loader and the model as timm's script of inference makes them."""
    import timm
    from timm.data import create_dataset, create_loader, resolve_data_config

    model = timm.create_model(net, num_classes=CLASSES)
    model.load_state_dict(torch.load(weights, weights_only=True))
    config = resolve_data_config({}, model=model)
    images = create_dataset("", root=folder)
    device = torch.device("cpu")
    return logits(
        model, create_loader(images, batch_size=BATCH, use_prefetcher=False, num_workers=WORKERS, device=device, **config), bf16
    )


def logits(
    model: torch.nn.Module, loader: "torch.utils.data.DataLoader[tuple[torch.Tensor, torch.Tensor]]", bf16: bool
) -> np.ndarray:
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return np.concatenate([model(images).float().numpy() for images, _ in loader])


if __name__ == "__main__":
    side, name, place, state, out, threads, precision = sys.argv[1:]
    torch.set_num_threads(int(threads))
    np.save(Path(out), {"torchvision": with_torchvision, "timm": with_timm}[side](name, place, state, precision == "bf16"))
