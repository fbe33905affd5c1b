"""What is known of a prediction before torch is imported: its model, its images, where it is written, which options apply."""

from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

from striate.base import files
from striate.base.errors import MissingExtraError, SettingError
from striate.base.option_names import option
from striate.batches import multi_crop
from striate.onnx_model import is_onnx
from striate.workflows import cluster, one_label
from striate.workflows.checks import check_model, check_onnx, check_paths, check_precision
from striate.workflows.engines import of_engine
from striate.workflows.prediction_options import Parts, PredictionOptions

_ROWS, _EMBEDDINGS = (".csv", ".jsonl", ".ndjson", ".parquet"), (".npy", ".parquet")  # endings of tables


def check_prediction(run: str | Path, options: PredictionOptions, paths: Sequence[str] = ()) -> None:
    """Refuse a model or files that are not there, files that cannot be written, and options that do not apply."""
    crops, threshold = options.crops, options.threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise SettingError(f"expected {option('threshold')} from 0 to 1, as 0.8; got {threshold!r}.")
    _check_both(options, _check_table)
    _check_crops_of_embeddings(options)
    multi_crop.check(crops, None)
    check_precision(run, options.precision)
    if is_onnx(run):
        check_onnx(Path(run), crops)
    else:
        check_model(run)
        if one_label.is_of_several(run):
            one_label.refuse_options(run, {"crops": None if crops == 1 else crops, "threshold": threshold})
    if options.over_ray:
        cluster.check(options.ray_address)
    computed = of_engine(run, options.computed_by)
    if computed != run:
        check_precision(computed, options.precision)
        check_onnx(Path(computed), crops)
    check_paths(paths)


def parts_of(options: PredictionOptions, rows: int | None, shard: str | None) -> Parts | None:
    """How tables are split, from the options of a command; None where there is one table."""
    if rows is None and shard is None:
        return None
    if rows is None or options.out is None:
        given, missing = ("shard", "parts") if rows is None else ("parts", "out")
        raise SettingError(f"{option(given)} needs {option(missing)}: the tables of a folder are shared out. Give both.")
    return Parts(rows, shard)


def check_parts(run: str | Path, options: PredictionOptions, parts: Parts, paths: Sequence[str] = ()) -> None:
    """The same where tables are written in parts, into folders."""
    if parts.rows < 1:
        raise SettingError(f"expected {option('parts')} of at least 1 row; got {parts.rows}.")
    parts.turns()
    _check_both(options, _check_table_folder)
    check_prediction(run, options._replace(out=None, embed=None), paths)
    _check_crops_of_embeddings(options)


def _check_both(options: PredictionOptions, check: Callable[[Path, Collection[str]], None]) -> None:
    for path, endings in ((options.out, _ROWS), (options.embed, _EMBEDDINGS)):
        if path is not None:
            check(Path(path), endings)


def _check_crops_of_embeddings(options: PredictionOptions) -> None:
    if options.embed is not None and options.crops != 1:
        raise SettingError(
            f"{option('embed', options.embed)} does not apply to {option('crops', options.crops)}: an embedding is of one "
            "crop. Leave one of them out."
        )


def _check_table(path: Path, endings: Collection[str]) -> None:
    """Refuse a file to write whose ending says no format, or that cannot be written here, before any work is done.

    Raises:
        SettingError: the ending is none of those that are written, or the path is no file's.
        MissingExtraError: .parquet without pyarrow.

    """
    _check_ending(path, endings, "a file")
    files.check_new_file(path)


def _check_table_folder(path: Path, endings: Collection[str]) -> None:
    """The same for a folder of such files."""
    _check_ending(path, endings, "a folder of tables")
    files.check_new_folder(path)


def _check_ending(path: Path, endings: Collection[str], what: str) -> None:
    if path.suffix.lower() not in endings:
        raise SettingError(f"expected {what} that ends in {', '.join(endings)}; got {path}.")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError("Parquet", "pyarrow", "tables")
