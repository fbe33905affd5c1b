"""Writing images as shards: tar files in the WebDataset format, with the index by which they are read.

The files of the images go in as they are, in the order of a hash of their names, so that a reader from the first to the last
meets the classes mixed; an array of pixels goes in as PNG, without loss. Each is decoded first, and what cannot be is left out
with its reason. A shard is written under another name and renamed when it is whole; what is known of its images lies in
`.unfinished/` until the index is there. So a writing that was killed goes on after its last whole shard, with the same bytes.

Legend: N images, K classes, M images of a shard.
"""

import hashlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from striate.base import addresses, files
from striate.base.errors import DataError, SettingError
from striate.base.hash_rng import words
from striate.base.settings import Data
from striate.data import decode, pixel_cache, shard_index, tar_entries
from striate.data.decode import Decoded, InputSpec
from striate.data.examples import Examples, Ignored, Quarantined
from striate.data.image_facts import hash_content
from striate.data.shards import WORK
from striate.data.webdataset_tars import CLASSES

_PLAN = "plan.json"
_ENDINGS = {"JPEG": "jpg", "TIFF": "tif", "HEIF": "heic"}  # of formats that are not called as they end
_COLUMNS = {"rows": np.int64, "offset": np.int64, "length": np.int64, "content": np.uint64, "crc32": np.uint32}
_END = b"\0" * 2 * tar_entries.BLOCK

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Written:
    """A folder of shards."""

    out: str
    shards: int
    bytes: int  # of all shards
    images: int
    classes: dict[str, int]  # images by class
    quarantined: tuple[Quarantined, ...]  # files that are left out, with the reason
    ignored: tuple[Ignored, ...]
    already_whole: int = 0  # shards that a writing before had left whole


class _Record(NamedTuple):
    """What is known of a whole shard."""

    end: int  # position, in the order of writing, after its last image
    columns: dict[str, NDArray[Any]]  # those of _COLUMNS, M each; rows are of the examples
    about: dict[str, Any]  # name, bytes, sha256, and reasons of rows that are left out


@dataclass
class _Open:
    """A shard that is being written."""

    file: BinaryIO
    hasher: Any = field(default_factory=hashlib.sha256)
    place: int = 0
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # row, offset, length, content, CRC-32
    reasons: dict[str, str] = field(default_factory=dict)

    def put(self, content: bytes) -> None:
        self.file.write(content)
        self.hasher.update(content)
        self.place += len(content)

    def add(self, name: str, content: bytes) -> int:
        """Put a file; where its first byte is."""
        self.put(tar_entries.header(name, len(content)))
        begin = self.place
        self.put(content + b"\0" * tar_entries.padding(len(content)))
        return begin


def write(examples: Examples, data: Data, out: Path, most_bytes: int, report: Report) -> Written:
    """Write shards of at most so many bytes, or one image, into a folder that is empty or was begun by the same.

    Raises:
        DataError: the images are others than those that the writing began with; none can be decoded.
        SettingError: the folder holds something else.
        DiskError: it cannot be written.

    """
    plan = _plan(examples, data, most_bytes)
    if (out / shard_index.NAME).is_file():
        return _written_before(out, plan)
    _check_folder(out)
    with files.lock(out / WORK, "folder"), files.explained(out, "write"):
        files.sweep(out)
        _begin(out, plan)
        records = list(_records(out))
        whole = len(records)
        order = np.argsort(words(examples.ids_N, "shards"), kind="stable")
        begin = records[-1].end if records else 0
        report(begin, len(order))
        with closing(_pieces(examples, data, order, begin)) as pieces:
            records += _shards(examples, out, pieces, whole, most_bytes, report)
        result = _finish(examples, data, out, plan, records)
    shutil.rmtree(out / WORK, ignore_errors=True)
    return _as_written(out, result, whole)


def _plan(examples: Examples, data: Data, most_bytes: int) -> str:
    """A hash of what the bytes of the shards depend on."""
    about = [
        examples.stamp(), examples.classes, data.background, data.white_level, most_bytes, decode.DECODER_VERSION,
        PIL.__version__, shard_index.VERSION, data.group,
    ]  # fmt: skip
    hasher = hashlib.blake2b(repr(about).encode(), digest_size=16)
    for column in (examples.ids_N, examples.labels_N, examples.parts_N):
        hasher.update(np.ascontiguousarray(column).data)
    return hasher.hexdigest()


def _written_before(out: Path, plan: str) -> Written:
    from striate.data.shards import open_shards

    index = open_shards(out)
    if index.header.get("plan") != plan:
        raise SettingError(
            f"{out} holds shards of other images, or of another size. Give another folder, or remove it with what it holds."
        )
    shutil.rmtree(out / WORK, ignore_errors=True)
    return _as_written(out, index, len(index.shards))


def _check_folder(out: Path) -> None:
    files.check_new_folder(out)
    with files.explained(out, "read"):
        held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if held and WORK not in held:
        raise SettingError(f"expected an empty or a new folder for shards; {out} holds {held[0]}. Give another one.")


def _begin(out: Path, plan: str) -> None:
    """Note the plan, or compare it with that of the writing that goes on."""
    noted = out / WORK / _PLAN
    if noted.is_file():
        if noted.read_text("utf-8") != plan:
            raise DataError(
                f"the shards in {out} were begun of other images, or of another size. Remove the folder, then begin anew."
            )
        return
    files.write_text(noted, plan)


def _records(out: Path) -> Iterator[_Record]:
    """What was noted of the whole shards, up to the first that is not there or has another length."""
    number = 0
    while (path := out / WORK / f"{number:06d}.npz").is_file():
        with np.load(path, allow_pickle=False) as stored:
            if not set(_COLUMNS) <= set(stored.files):  # of a version before: its shards are written again
                return
            about = json.loads(stored["about"].tobytes())
            columns = {name: stored[name] for name in _COLUMNS}
        shard = out / about["name"]
        if not shard.is_file() or shard.stat().st_size != about["bytes"]:
            return
        yield _Record(about["end"], columns, about)
        number += 1


class _Piece(NamedTuple):
    """An image in the order of writing."""

    position: int
    row: int
    verdict: Decoded
    content: bytes


def _pieces(examples: Examples, data: Data, order: NDArray[np.int64], begin: int) -> Generator[_Piece]:
    spec = InputSpec(1, 1, "squash", data.background, white_level=data.white_level)
    rows = order[begin:]
    verdicts = pixel_cache.decode_examples(examples.keep(rows), spec if examples.pixels_NHWC is None else None)
    with closing(verdicts):
        for position, (row, verdict) in enumerate(zip(rows.tolist(), verdicts, strict=True), start=begin):
            yield _Piece(position, row, verdict, b"" if verdict.facts is None else _content(examples, row, verdict))


def _content(examples: Examples, row: int, verdict: Decoded) -> bytes:
    if examples.pixels_NHWC is not None:
        levels_HWC = decode.canonical(examples.pixels_NHWC[row])
        return decode.as_file(Image.fromarray(levels_HWC[..., 0] if levels_HWC.shape[2] == 1 else levels_HWC))
    content = decode.read_file(examples.root / examples.names[row])
    if hash_content(content) != verdict.content_hash:
        raise DataError(
            f"{addresses.shown(examples.root / examples.names[row])} is being changed. Give the command again once it is not."
        )
    return content


def _shards(
    examples: Examples, out: Path, pieces: Iterator[_Piece], number: int, most_bytes: int, report: Report
) -> Iterator[_Record]:
    """Write the shards that are left, and what is known of each."""
    piece, total = next(pieces, None), len(examples)
    while piece is not None:
        temporary, name = out / WORK / "shard.tar", f"shard-{number:06d}.tar"
        with temporary.open("wb") as file:
            shard, end = _Open(file), piece.position
            while piece is not None:
                if piece.verdict.facts is None:
                    shard.reasons[str(piece.row)] = piece.verdict.reason or ""
                elif not _add(examples, shard, piece, most_bytes):
                    break
                end = piece.position + 1
                report(end, total)
                piece = next(pieces, None)
            shard.put(_END)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(out / name)
        files.sync_folder(out)
        about = {"end": end, "name": name, "bytes": shard.place, "sha256": shard.hasher.hexdigest(), "reasons": shard.reasons}
        rows_M5 = np.array(shard.rows, object).reshape(-1, len(_COLUMNS))
        columns = {name: rows_M5[:, n].astype(dtype) for n, (name, dtype) in enumerate(_COLUMNS.items())}
        stored, text = io.BytesIO(), np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(stored, allow_pickle=False, about=text, **columns)
        files.write_bytes(out / WORK / f"{number:06d}.npz", stored.getvalue())
        yield _Record(end, columns, about)
        number += 1


def _add(examples: Examples, shard: _Open, piece: _Piece, most_bytes: int) -> bool:
    """Put an image with its label into the shard; False where it does not fit beside others."""
    if examples.several:
        ending, label = (
            "json",
            json.dumps({"labels": [examples.classes[k] for k in np.flatnonzero(examples.labels_N[piece.row])]}),
        )
    else:
        ending, label = "cls", str(int(examples.labels_N[piece.row]))
    needed = 2 * tar_entries.BLOCK + sum(n + tar_entries.padding(n) for n in (len(piece.content), len(label.encode())))
    if shard.rows and shard.place + needed + len(_END) > most_bytes:
        return False
    facts = piece.verdict.facts
    assert facts is not None
    format_name = facts.file.format or "PNG"
    key = f"{piece.position:012d}"
    begin = shard.add(f"{key}.{_ENDINGS.get(format_name, format_name.lower())}", piece.content)
    shard.add(f"{key}.{ending}", label.encode())
    content = piece.content
    shard.rows.append((piece.row, begin, len(content), hash_content(content), zlib.crc32(content)))
    return True


def _finish(examples: Examples, data: Data, out: Path, plan: str, records: list[_Record]) -> shard_index.ShardIndex:
    """Write the names of the classes, then the index, by which the shards are whole."""
    reasons = {int(row): why for record in records for row, why in record.about["reasons"].items()}
    used = pixel_cache.keep_usable(examples, reasons)
    known = {name: np.concatenate([record.columns[name] for record in records]) for name in _COLUMNS}
    order = np.argsort(known.pop("rows"), kind="stable")
    shard_M = np.repeat(np.arange(len(records)), [len(record.columns["rows"]) for record in records])
    columns: dict[str, NDArray[Any]] = {
        "labels": used.labels_N, "ids": used.ids_N, "parts": used.parts_N, "shard": shard_M[order],
        **{name: column[order] for name, column in known.items()},
    }  # fmt: skip
    if used.groups_N is not None:
        columns["groups"] = used.groups_N
    header = {
        "plan": plan, "classes": used.classes, "group": data.group,
        "shards": [{name: record.about[name] for name in ("name", "bytes", "sha256")} for record in records],
        "quarantined": used.quarantined, "ignored": used.ignored, "notes": used.notes, "without_test": used.without_test,
    }  # fmt: skip
    files.write_text(out / CLASSES, json.dumps(list(used.classes), ensure_ascii=False, indent=1) + "\n")
    shard_index.write_index(out / shard_index.NAME, header, columns, used.names)
    return shard_index.open_index(out / shard_index.NAME)


def _as_written(out: Path, index: shard_index.ShardIndex, whole: int) -> Written:
    labels, classes = index.columns["labels"], index.header["classes"]
    tally = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(classes))
    return Written(
        str(out), len(index.shards), sum(shard.bytes for shard in index.shards), len(index),
        {name: int(count) for name, count in zip(classes, tally, strict=True)},
        tuple(Quarantined(*row) for row in index.header["quarantined"]),
        tuple(Ignored(*row) for row in index.header["ignored"]), whole,
    )  # fmt: skip
