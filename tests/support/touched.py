"""Files that are nothing but names."""

from pathlib import Path


def touch(root: Path, *names: str) -> Path:
    """Files of one byte below a folder, and the folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root
