"""An inference process without torch: the model is a file with the label that it gives to every image."""

from hashlib import sha256
from pathlib import Path
from typing import Any

LABELS: dict[str, bytes] = {}


def infer(argument: Any, content: bytes = b"") -> tuple[object, bytes]:
    label = LABELS.setdefault(argument["run"], Path(argument["run"]).read_bytes())
    own = sha256(label).hexdigest()
    if label == b"bad":
        return {"error": "the model is bad."}, b""
    if not content:
        return {"sha256": own, "net": "label", "input_spec": [2, 1, "squash", [0, 0, 0], 1.0, None, "bilinear"]}, b""
    count = argument["shape"][0]
    return {"sha256": own, "rows": [{"label": label.decode()}] * count}, bytes(4 * count)
