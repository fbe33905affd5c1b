"""Files in the layouts of MNIST (IDX) and CIFAR-10 (binary), with a few images of known pixels."""

import gzip
from pathlib import Path

import numpy as np


def write_idx(folder: Path, stem: str, images: int = 3, labels: int = 3, zipped: bool = False) -> None:
    pixels = np.arange(images * 6, dtype=np.uint8).tobytes()
    header = bytes((0, 0, 8, 3, 0, 0, 0, images, 0, 0, 0, 2, 0, 0, 0, 3))
    codes = bytes((0, 0, 8, 1, 0, 0, 0, labels)) + bytes(i % 2 for i in range(labels))
    for name, content in ((f"{stem}-images-idx3-ubyte", header + pixels), (f"{stem}-labels-idx1-ubyte", codes)):
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)


def record(label: int, red: int, green: int, blue: int) -> bytes:
    return bytes([label]) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


def write_cifar(folder: Path, test: bool = False) -> None:
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(record(number % 3, 10 * number, 2, 3) + record(9, 1, 2, 3))
    if test:
        (folder / "test_batch.bin").write_bytes(record(0, 7, 8, 9))
