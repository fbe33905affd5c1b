"""`striate doctor`: versions, device, cache, and what is missing with how to get it."""

import os
import platform
import sys
from importlib import metadata, util
from pathlib import Path

from striate.base import config, files, run_folder
from striate.base.arguments import named_arguments
from striate.base.events import Json
from striate.training import device

_EXTRAS = {
    "tables": ("pyarrow", "Parquet tables"),
    "heic": ("pillow_heif", "HEIC images"),
    "zoo": ("timm", "networks by timm:NAME"),
    "hf": ("datasets", "data sets of Hugging Face"),
    "export": ("onnxscript", "striate export, and ONNX files"),
    "litert": ("litert_torch", "striate export --litert"),
    "serve": ("fastapi", "striate serve"),
    "log": ("tensorboard", "logs for TensorBoard"),
}


@named_arguments()
def doctor() -> Json:
    """Versions, device and the reason for it, cache, built-in data, optional packages and how to install them."""
    chosen = device.pick(config.Engine())
    cache = files.cache_folder()
    data = os.environ.get("STRIATE_DATA")
    return {
        "striate": metadata.version("striate"),
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": {name: version for name, version in run_folder.environment().items() if name not in ("python", "system")},
        "engine": list(chosen.reasons),
        "cache": {"folder": str(cache), "bytes": _bytes(cache), "writable": files.writable(cache)},
        "data_folder": {"STRIATE_DATA": data, "exists": bool(data and Path(data).is_dir())},
        "extras": {
            extra: {
                "for": what,
                "installed": util.find_spec(package) is not None,
                "get": f"pip install 'striate[{extra}]'",
            }
            for extra, (package, what) in _EXTRAS.items()
        },
    }


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
