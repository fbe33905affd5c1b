"""Files of every mode that decoders like to get wrong, a few of them damaged, of sizes that are all different."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

KINDS = 25


def odd_images(folder: Path, count: int = KINDS) -> list[Path]:
    """`count` files, by name; the last two of every 25 are no images."""
    folder.mkdir(parents=True, exist_ok=True)
    for round_ in range(-(-count // KINDS)):
        for n, _ in enumerate(_one_of_each(folder, round_), start=round_ * KINDS + 1):
            if n == count:
                break
    return sorted(folder.iterdir())


def _one_of_each(folder: Path, round_: int) -> Iterator[None]:
    generator = np.random.default_rng(round_)
    height, width = 14 + 3 * round_, 17 + 5 * (round_ % 4)
    noise_HW4 = generator.integers(0, 256, (height, width, 4), np.uint8)
    ramp_HW = np.linspace(0, 65535, height * width).reshape(height, width)
    rgb, transparent = Image.fromarray(noise_HW4[..., :3]), Image.fromarray(noise_HW4)
    gray, deep = rgb.convert("L"), Image.fromarray(ramp_HW.astype(np.uint16))
    same = Image.fromarray(np.repeat(noise_HW4[..., :1], 3, axis=2))
    images = {
        "rgb.png": rgb, "gray.png": gray, "bits.png": rgb.convert("1"), "rgba.png": transparent, "same.png": same,
        "la.png": transparent.convert("LA"), "palette.gif": rgb.convert("P"), "palette.png": rgb.quantize(16), "16.png": deep,
        "cmyk.jpg": rgb.convert("CMYK"), "ycc.jpg": rgb, "gray.jpg": gray, "web.webp": rgb, "alpha.webp": transparent,
        "bmp.bmp": rgb, "16.tif": deep, "float.tif": Image.fromarray((ramp_HW / 65535).astype(np.float32)),
        "cmyk.tif": rgb.convert("CMYK"), "lab.tif": rgb.convert("LAB"),
    }  # fmt: skip
    for name, image in images.items():
        image.save(folder / f"{round_}-{name}")
        yield
    turned = Image.Exif()
    turned[0x0112] = 1 + (round_ + 5) % 8
    rgb.save(folder / f"{round_}-turned.jpg", exif=turned)
    yield
    gray.save(folder / f"{round_}-hidden.png", transparency=int(noise_HW4[0, 0, 0]))
    yield
    rgb.save(folder / f"{round_}-frames.gif", save_all=True, append_images=[gray.convert("RGB")])
    yield
    rgb.save(folder / f"{round_}-progressive.jpg", progressive=True, quality=40)
    yield
    whole = (folder / f"{round_}-ycc.jpg").read_bytes()
    (folder / f"{round_}-cut.jpg").write_bytes(whole[: len(whole) // 3])
    yield
    (folder / f"{round_}-text.png").write_bytes(b"no image")
    yield
