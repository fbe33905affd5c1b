"""Images without labels, in whatever form people hold them, as paths, bytes of files and pixels for the one decoder.

A path, a glob or a folder; a CSV or Parquet table, or `hf:NAME`; an image of Pillow's; an array or a tensor of one image or of
a batch; the bytes of a file, or a file opened for reading; a table or a column of one, a data set of PyTorch or Hugging Face;
and lists of what is one image.
Types are recognized by their attributes: no library of tables or tensors is imported.

Legend: N images, H x W pixels, C channels.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from striate.base import addresses
from striate.base.errors import DataError, DecodeError, SettingError, ShapeError
from striate.base.phrases import join_names
from striate.data import decode, image_objects, listed_images, shard_paths, shards, unlabeled_files
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.data.listed_images import ListedImage

COLUMNS = ("image", "img", "path", "image_path", "file", "filename", "file_name", "filepath")
_CHANNELS = (1, 3, 4)
_KINDS = "a path, the bytes of a file, a file opened in binary, a PIL image, an array or a tensor"

Source = Path | bytes | Pixels | None


class ImageInput(NamedTuple):
    """One image, not decoded yet."""

    name: str  # its path; of what has none its position, as [3]
    source: Source  # pixels are H x W x C of 1 or 3 channels; None where there is none, as for an empty cell of a table
    reason: str = "an empty cell"  # why there is none

    def decode(self, input_spec: InputSpec) -> Pixels:
        """The pixels, at the size and with the channels of `input_spec`; a DecodeError has the reason without the name."""
        if self.source is None:
            raise DecodeError(self.reason)
        if isinstance(self.source, np.ndarray):
            return decode.square(self.source, input_spec)
        return decode.square(decode.decode_image(self.source, input_spec.background, input_spec.white_level), input_spec)

    def decode_named(self, input_spec: InputSpec) -> Pixels:
        """The same; a DecodeError begins with the name."""
        try:
            return self.decode(input_spec)
        except DecodeError as error:
            raise DecodeError(f"{self.name}: {error}") from None


class ImageInputs(NamedTuple):
    """Images in their order, each read when its turn comes."""

    images: Iterator[ImageInput]
    single: bool  # one image was given, and no list
    total: int | None  # number of images; None where it is not known before


def read(images: object) -> ImageInputs:
    """What somebody gives as images, one by one.

    In a list, a path may be a folder, which is searched through, or a glob; of what these mean, files listed before are left
    out. It may be a table, each row of which is an image.

    Raises:
        DataError: there is nothing at a path, or a folder is empty.
        DecodeError: an array has values that are no pixels.
        ShapeError: an array has a shape that is no image's, or that of two.
        SettingError: it is none of these things.

    """
    if isinstance(images, np.ndarray) and images.ndim == 1 and images.dtype.kind in "OSU":
        images = images.tolist()
    if _is_array(images):
        parts, single = _unstacked(images)
        total = 1 if single else len(cast(Any, images))
        return ImageInputs((ImageInput(f"[{n}]", part) for n, part in enumerate(parts)), single, total)
    entries, single = _entries(images)
    number = len(entries) if isinstance(entries, Sized) else None
    return ImageInputs((_input(entry, n) for n, entry in enumerate(entries)), single, number)


def _input(entry: object, position: int) -> ImageInput:
    if isinstance(entry, ListedImage):
        return ImageInput(entry.name, _source(_cell(entry.cell)), entry.reason)
    return ImageInput(_name(entry, position), _source(entry))


def _entries(images: Any) -> tuple[Iterable[object], bool]:
    if isinstance(images, str | os.PathLike):
        return _files(addresses.as_path(os.fspath(images)))[:2]
    if isinstance(images, list | tuple):
        return _of_list(images), False
    names = getattr(images, "column_names", None)  # of Hugging Face's data sets, and of Arrow's tables
    names = getattr(images, "columns", None) if names is None else names  # of pandas and polars
    if isinstance(names, Mapping):
        raise SettingError(
            f"expected one part of a data set; got {join_names(list(map(str, names)))}. Give data['{[*names][-1]}']."
        )
    if names is not None:
        return map(_cell, _column_of(images, _column(names))), False
    if isinstance(images, bytes | bytearray | memoryview | Mapping) or decode.is_pil(images) or hasattr(images, "read"):
        return [images], True
    if hasattr(images, "__getitem__") and hasattr(images, "__len__") and not hasattr(images, "to_list"):
        items = (images[n] for n in range(len(images)))  # a data set of PyTorch, which need not end by itself
        return (_cell(item[0] if isinstance(item, list | tuple) else item) for item in items), False
    if isinstance(images, Iterable):
        return map(_cell, images), False
    raise SettingError(f"expected images: {_KINDS}, a table or a data set, or a list of images; got {type(images).__name__}.")


class _Files(NamedTuple):
    """What a path means."""

    entries: Iterable[object]  # of a folder, shards and a glob by name; of a table by row
    single: bool
    may_repeat: bool  # what was listed before


def _files(path: Path) -> _Files:
    if shards.holds_shards(path):
        return _Files(_Listed(lambda: shards.paths(path)), False, True)
    if shard_paths.entry_of(path) is not None:
        return _Files([path], True, False)
    if listed_images.are_in(path):
        return _Files(listed_images.read(path), False, False)
    if path.is_dir():
        if next(unlabeled_files.files_within(path), None) is None:
            raise DataError(f"expected images in the folder {path}; {unlabeled_files.why_none(path)}.")
        return _Files(_Listed(lambda: unlabeled_files.files_within(path)), False, True)
    if path.suffix.lower() == ".tar" and path.is_file():
        raise DataError(f"expected images; got the tar file {path}. Give the folder that it lies in, with no folder beside it.")
    if path.exists() or path.is_symlink():
        return _Files([path], True, False)
    matches = [match for match in sorted(glob(str(path), recursive=True)) if not Path(match).is_dir()]
    if not matches:
        raise DataError(f"expected a file, a folder or a glob that matches files; there is nothing at {path}.")
    return _Files(_Listed(lambda: map(Path, matches)), False, True)


class _Listed:
    """Entries that are listed each time they are gone through, so that a million of them take no memory."""

    def __init__(self, entries: Callable[[], Iterable[Any]]) -> None:
        self._entries = entries

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _of_list(images: Iterable[object]) -> Iterable[object]:
    entries = list[tuple[Iterable[object], bool]]()  # and whether they may repeat what was listed before
    for entry in images:
        if entry is None:
            raise _no_image(entry)
        if not isinstance(entry, str | os.PathLike):
            entries.append(([entry], False))
            continue
        files, _, may_repeat = _files(addresses.as_path(os.fspath(entry)))
        entries.append((files, may_repeat))
    if len(entries) == 1:
        return entries[0][0]
    return _Listed(lambda: _once(entries))


def _once(entries: Iterable[tuple[Iterable[object], bool]]) -> Iterator[object]:
    """All entries; of those of folders and globs none that was listed before."""
    listed = set[object]()
    for files, may_repeat in entries:
        for file in files:
            if not (may_repeat and file in listed):
                yield file
            if isinstance(file, Path):
                listed.add(file)


def _column(names: Iterable[object]) -> Any:
    """Of the columns of a table the one with the images."""
    by_name = {str(name).lower(): name for name in names}
    known = [by_name[name] for name in COLUMNS if name in by_name] or list(by_name.values())[: len(by_name) == 1]
    if not known:
        shown = join_names([repr(name) for name in by_name]) if by_name else "none"
        raise SettingError(
            f"expected a column called {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}; got {shown}. Give the column alone."
        )
    return known[0]


def _column_of(table: Any, name: Any) -> Iterable[object]:
    if not hasattr(table, "cast_column"):
        column = table[name]
        cells: Iterable[object] = column.to_pylist() if hasattr(column, "to_pylist") else column
        return cells
    feature: Any = table.features[name] if table.features else None
    if hasattr(feature, "decode"):  # the one decoder does it, not that of the data set
        table = table.cast_column(name, type(feature)(decode=False))
    return (row[name] for row in table.select_columns([name]))


def _cell(value: Any) -> Any:
    """A cell, None where it is empty."""
    return None if image_objects.is_missing(value) else value


def _content(entry: Mapping[str, Any]) -> Any:
    """The image in a row of a data set, or in an image as Hugging Face stores it: bytes, or else a path."""
    if {"bytes", "path"} <= set(entry):
        return entry["path"] if entry["bytes"] is None else entry["bytes"]
    return entry[_column(entry)]


def _name(entry: Any, position: int) -> str:
    if isinstance(entry, Mapping):
        path = next((entry[key] for key in ("path", "file", "filename") if isinstance(entry.get(key), str)), None)
    elif isinstance(entry, str | os.PathLike):
        path = addresses.shown(addresses.as_path(entry))
    else:
        path = getattr(entry, "filename", None) or getattr(entry, "name", None)
    return path if path and isinstance(path, str) else f"[{position}]"


def _source(entry: Any) -> Source:
    while isinstance(entry, Mapping):
        entry = _content(entry)
    if entry is None:
        return None
    if isinstance(entry, str | os.PathLike):
        return addresses.as_path(entry)
    if isinstance(entry, bytes | bytearray | memoryview):
        return bytes(entry)
    if decode.is_pil(entry):
        return decode.as_file(entry)
    if hasattr(entry, "read") and isinstance(content := entry.read(), bytes):
        return content
    if _is_array(entry):
        parts, single = _unstacked(entry)
        if not single:
            raise ShapeError(
                f"expected one image at each place of a list; got a batch {_shown(entry.shape)}. Give the batch alone."
            )
        return next(parts)
    raise _no_image(entry)


def _no_image(entry: object) -> SettingError:
    return SettingError(f"expected an image as {_KINDS}; got {type(entry).__name__}.")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (hasattr(value, "detach") and hasattr(value, "numpy"))


def _unstacked(values: Any) -> tuple[Iterator[Pixels | bytes], bool]:
    """The images of an array or a tensor, and whether it is one."""
    is_tensor = not isinstance(values, np.ndarray)
    if is_tensor:
        values = image_objects.as_array(values)
    layout = _layout(values.shape, is_tensor)
    if "C" not in layout:
        values = values[..., None]
    elif not layout.endswith("C"):
        values = np.moveaxis(values, -3, -1)
    single = values.ndim == 3
    return map(_levels, values[None] if single else values), single


def _layout(shape: tuple[int, ...], is_tensor: bool) -> str:
    """What the axes are: the last or the one before H x W holds the channels, where it has as many as an image has."""
    known, number = [layout for layout in ("HW", "HWC", "NHW", "CHW", "NHWC", "NCHW") if _fits(layout, shape)], _shown(shape)
    if "NHW" in known and "HWC" in known:
        known.remove("NHW")
    if known == ["NHW", "CHW"] and (shape[0] == 1 or (is_tensor and shape[0] == 3)):  # PyTorch's order, or a batch of one
        known = ["CHW"] if is_tensor else ["NHW"]
    if len(known) == 1:
        return known[0]
    if known == ["NHW", "CHW"]:
        raise ShapeError(
            f"an array of {number} may be {shape[0]} gray images, or one in color with its channels first. Give "
            "array[..., None] for the first, array.transpose(1, 2, 0) for the other."
        )
    if known:
        orders = " or ".join(" x ".join(layout) for layout in known)
        raise ShapeError(f"an array of {number} may be {orders}. Give PIL images, as PIL.Image.fromarray makes them.")
    raise ShapeError(
        f"expected an image as H x W, H x W x C or, of a tensor, C x H x W, of 1, 3 or 4 channels, or a batch "
        f"N x H x W x C; got {number}."
    )


def _fits(layout: str, shape: tuple[int, ...]) -> bool:
    sizes = dict(zip(layout, shape, strict=False))
    return len(layout) == len(shape) and sizes.get("C", 1) in _CHANNELS and min(sizes["H"], sizes["W"]) > 0


def _levels(values_HWC: NDArray[Any]) -> Pixels | bytes:
    """Pixels of 8 bits and 1 or 3 channels; of more bits, or with transparent pixels, a file for the decoder."""
    image = image_objects.from_values(values_HWC, exact=False)
    return image if isinstance(image, np.ndarray) else decode.as_file(image)


def _shown(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))
