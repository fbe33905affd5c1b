"""The pictures of a run: decoded once, and divided.

Legend: M images of a split.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from striate.base import config, disk
from striate.base.stopping import Stop
from striate.images import hiding, split, store
from striate.images.decode import Look
from striate.images.examples import Examples
from striate.images.streamed import Streamed

Watch = Callable[[dict[str, object]], None]


@dataclass(frozen=True)
class Material:
    """Decoded pictures and how they are divided."""

    stored: store.Stored
    parts: split.Split
    look: Look

    @property
    def examples(self) -> Examples:
        """The pictures that could be decoded."""
        return self.stored.examples

    def hidden(self) -> tuple[str, ...]:
        """A sentence on what making the pictures square hides or bends, where that is worth saying."""
        return hiding.sentences(self.stored.sizes_N2, self.look)

    def close(self) -> None:
        """End the processes that still decode pictures, as an error or an interruption leaves them."""
        if isinstance(self.stored.pixels_NHWC, Streamed):
            self.stored.pixels_NHWC.close()

    def fingerprint(self) -> str:
        """SHA-256 of what the pictures are: ids, labels and hashes of pixels, in the order of ids."""
        order = np.argsort(self.examples.ids_N)
        hasher = hashlib.sha256("\x1f".join(self.examples.classes).encode())
        for column in (self.examples.ids_N, self.examples.labels_N, self.stored.pixel_hash_N):
            hasher.update(np.ascontiguousarray(column[order]).tobytes())
        return hasher.hexdigest()


def divided(material: Material, run: config.Run) -> Material:
    """The same pictures, divided for another fold."""
    parts = split.divide(material.examples, material.stored.pixel_hash_N, run.data)
    return replace(material, parts=parts)


def look_of(run: config.Run) -> Look:
    """How pictures are brought to the size of the settings, which must be complete."""
    prepare = run.prepare
    assert prepare.size_px is not None
    assert prepare.channels is not None
    assert prepare.fit is not None
    return Look(prepare.size_px, prepare.channels, prepare.fit, run.data.background)


def gather(examples: Examples, run: config.Run, stop: Stop, watch: Watch, workers: int = 1) -> Material:
    """Decode the pictures once, by so many processes, and divide them; pixels beyond the budget are not kept."""

    def progress(done: int, total: int) -> None:
        watch({"event": "decode", "done": done, "total": total})
        stop.check("decoding the pictures")

    look, cache = look_of(run), disk.cache_folder()
    most_bytes = store.budget(run.prepare.store_gb, cache)
    stored = store.build(examples, look, cache, progress, most_bytes=most_bytes, workers=workers)
    parts = split.divide(stored.examples, stored.pixel_hash_N, run.data)
    return Material(stored, parts, look)
