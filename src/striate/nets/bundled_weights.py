"""Bundled weights: those that come with the package, to start from without a network connection.

Each is a folder `striate/weights/NET-DATA/` that is named as `NET@DATA`:

model.safetensors  float16 tensors by our own layer names
config.json        mean, standard deviation, size, class names, license, as timm writes it
README.md          the model card: data, recipe, time, accuracy with its interval
training.jsonl     the journal's epochs
MANIFEST.sha256    of all of these
"""

from importlib import resources
from pathlib import Path

from striate.base import files


def names() -> dict[str, Path]:
    """Folder of each, by the name that it is asked for: `{"resnet20@cifar10": ...}`."""
    home = Path(str(resources.files("striate") / "weights"))
    folders = sorted(path.parent for path in home.glob("*/model.safetensors"))
    return {"@".join(folder.name.rsplit("-", 1)): folder for folder in folders}


def tensors_file(name: str) -> Path | None:
    """The safetensors file of `NET@DATA`, None where the package brings none; ArtifactError where a file of it has changed."""
    folder = names().get(name)
    if folder is None:
        return None
    files.verify(folder)
    return folder / "model.safetensors"
