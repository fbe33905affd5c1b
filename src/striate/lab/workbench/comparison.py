"""Two runs compared, with the images that changed."""

import shlex
from pathlib import Path
from typing import Any

from striate.base import run_folder
from striate.base.events import quiet
from striate.lab.workbench import live

Json = dict[str, Any]
_IMAGES = 12  # of each kind


def compared(out: Path, a: str, b: str) -> Json:
    """What `striate compare` says of two runs; `images` has PNGs by the ids of the first images that changed, in base64."""
    from striate.workflows import changed_images
    from striate.workflows.compare import compare
    from striate.workflows.report import page

    folders = [live.folder_of(out, name) for name in (a, b)]
    result = compare(*folders)
    counts = {kind: len(rows) for kind, rows in result["changed"].items()}
    result["changed"] = {kind: rows[:_IMAGES] for kind, rows in result["changed"].items()}
    ids = {int(row["id"], 16) for rows in result["changed"].values() for row in rows}
    pixels = changed_images.pixels_of(folders[0], run_folder.settings(folders[0]), ids, quiet)
    images = {id_: page.data_uri(image_HWC).partition(",")[2] for id_, image_HWC in pixels.items()}
    command = shlex.join(("striate", "compare", *map(str, folders)))
    return {**result, "counts": counts, "images": images, "command": command}
