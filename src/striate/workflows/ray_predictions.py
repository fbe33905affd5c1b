"""Predictions by the workers of a Ray cluster: Ray Data streams pieces of the images to them, and their rows back, in order.

One task on the machine of the command lists the images while it goes, and is held back while the workers have enough; each
worker loads the model once. A piece is made of whole batches, as `predict.rows` makes them, so its rows are the same ones.
Where a worker dies Ray starts another and gives it the piece again. What crosses between processes are paths, or images that
were given in memory, and rows; the model is read by each worker from its files.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from striate.base import addresses, errors
from striate.base.errors import ArtifactError, RunError, SettingError, StriateError
from striate.base.option_names import option
from striate.base.phrases import plural
from striate.data import shard_paths
from striate.data.decoder_pool import DecoderPool
from striate.data.image_inputs import ImageInput
from striate.onnx_model import OnnxModel
from striate.workflows.cluster import Cluster, absent_folder, machine
from striate.workflows.model_identity import model_sha256
from striate.workflows.prediction_options import PredictionOptions
from striate.workflows.prediction_rows import Row

if TYPE_CHECKING:
    from striate.model import Model

log = logging.getLogger("striate")

PIECE = 256  # images: four batches
_COLUMN = "piece"
_BLOCK_BYTES = 1024  # least size at which Ray Data closes a block: one piece is more


class Piece(NamedTuple):
    """Images that one worker predicts at once, and what whoever listed them wants to know again with their rows."""

    images: list[ImageInput]
    note: Any = None


class Answered(NamedTuple):
    """A piece that was predicted."""

    number: int  # from 0, of all pieces
    note: Any
    rows: list[Row]
    failure: tuple[str, str] | None  # name and text of the error that ended it
    absent: tuple[str, list[str]] | None = None  # a machine, and the files of the piece that are not there


class _Worker(NamedTuple):
    """What a worker needs to know; all of it is text and numbers."""

    run: str
    folder: str  # where the command was given
    device: str
    options: PredictionOptions
    sha256: str  # of the model that the command has loaded
    threads: int


def answered(
    cluster: Cluster, run: Any, model: "Model | OnnxModel", device: str, options: PredictionOptions,
    pieces: Callable[[], Iterable[Piece]],
) -> Iterator[Answered]:  # fmt: skip
    """Each piece with its rows, in the order of the pieces; `pieces` is called in another process of this machine.

    Raises:
        StriateError: what a worker raised, or that Ray could not run it.

    """
    threads = max(1, min(_threads(model), cluster.cpus_of_smallest))
    count = cluster.workers(threads)
    gpu = _gpu_share(cluster, count, device, model)
    log.info("%s of %s each.", plural(count, "worker"), plural(threads, "CPU"))
    own_options = options._replace(out=None, embed=None if options.embed is None else str(options.embed))
    worker = _Worker(str(run), str(Path.cwd()), "cuda" if gpu else "cpu", own_options, model_sha256(run, model), threads)
    data = _dataset(cluster.ray, partial(_listed, str(Path.cwd()), pieces))
    predicted = data.map_batches(
        Predictor, fn_constructor_args=(worker,), batch_size=1, batch_format="pyarrow", zero_copy_batch=True,
        concurrency=count, num_cpus=threads, **({"num_gpus": gpu} if gpu else {}),
    )  # fmt: skip
    try:
        for expected, row in enumerate(predicted.iter_rows()):
            answer = Answered(*pickle.loads(row[_COLUMN]))
            if answer.failure is not None:
                raise _as_raised(*answer.failure)
            if answer.absent is not None:
                _refuse_absent(*answer.absent)
            if answer.number != expected:
                raise RunError("the images were changed while they were listed. Give the command again.")
            yield answer
    except cluster.ray.exceptions.RayError as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise StriateError(f"a worker of the Ray cluster failed: {text[-1]}") from error


def check_can_cross(images: object) -> None:
    """Refuse images that no other process can be given, as those of a generator."""
    try:
        pickle.dumps(images)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise SettingError(
            f"{option('engine', 'ray')} takes images that can be sent to other processes; got {type(images).__name__}. Give "
            "paths, or leave it out."
        ) from error


def _dataset(ray: Any, listed: Callable[[], Iterable[Any]]) -> Any:
    """A data set of Ray Data with a row for each piece, which are listed by one task on this machine."""
    import ray.data as data
    from ray.data.block import BlockMetadata

    class Pieces(data.Datasource):  # type: ignore[misc]  # ray is untyped here
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, *_: Any, **__: Any) -> list[Any]:
            facts = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [data.ReadTask(listed, facts)]

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = _BLOCK_BYTES
    context.execution_options.preserve_order = True
    here = {"num_cpus": 0, "resources": {f"node:{ray.util.get_node_ip_address()}": 0.001}}
    named = "resources" in signature(data.read_datasource).parameters  # as older versions of Ray do not have it
    return data.read_datasource(Pieces(), override_num_blocks=1, **(here if named else {"ray_remote_args": here}))


def _listed(folder: str, pieces: Callable[[], Iterable[Piece]]) -> Iterator[Any]:
    """In a process of Ray on the machine of the command: a table of one row for each piece."""
    os.chdir(folder)
    try:
        for number, piece in enumerate(pieces()):
            yield _table((number, piece, None))
    except StriateError as error:
        yield _table((-1, None, (type(error).__name__, str(error))))


class Predictor:
    """A worker: loads the model once and predicts piece by piece."""

    def __init__(self, worker: _Worker) -> None:
        self._worker, self._failure = worker, None
        self._decoders = DecoderPool(worker.threads)
        try:
            os.chdir(worker.folder)
            self._model = _model(worker)
        except FileNotFoundError:
            self._failure = "RunError", absent_folder(worker.folder)
        except StriateError as error:
            self._failure = type(error).__name__, f"on the machine {machine()}: {error}"

    def __call__(self, table: Any) -> Any:
        """A table of one row with the rows of the piece in a table of one row."""
        from striate.workflows.predict import rows

        number, piece, failure = pickle.loads(table[_COLUMN][0].as_py())
        if failure := failure or self._failure:
            return _table((number, None, [], failure))
        try:
            predicted = list(rows(self._model, piece.images, self._worker.options, self._decoders))
            assert len(predicted) == len(piece.images)
        except StriateError as error:
            return _table((number, None, [], (type(error).__name__, str(error))))
        failed = [image.source for image, row in zip(piece.images, predicted, strict=True) if row.error is not None]
        missing = [str(path) for path in failed if isinstance(path, Path) and not _is_there(path)]
        return _table((number, piece.note, predicted, None, (machine(), missing) if missing else None))


def _is_there(path: Path) -> bool:
    with suppress(OSError, ValueError):  # a name that is too long, or holds a zero byte
        if shard_paths.entry_of(path) is not None:
            shard = shard_paths.file_of(path)  # None of an address, and of an image that no index has
            return shard is None or shard.exists()
        return path.exists()
    return False


def _refuse_absent(elsewhere: str, paths: list[str]) -> None:
    """Refuse what one machine lacks and this one has; what is nowhere is a row with its error."""
    if (path := next((path for path in paths if _is_there(Path(path))), None)) is not None:
        raise RunError(
            f"expected {addresses.shown(Path(path).absolute())} on each machine of the cluster; {elsewhere} has none. Bring "
            "the images to one path that all machines see."
        )


def _model(worker: _Worker) -> Any:
    from striate.workflows.predict import model_for

    model = model_for(worker.run, worker.device, worker.options, threads=worker.threads)
    if (sha256 := model_sha256(worker.run, model)) != worker.sha256:
        raise ArtifactError(
            f"{worker.run} is another model here: expected {worker.sha256}, got {sha256}. Bring the same one to each machine "
            "of the cluster."
        )
    if not isinstance(model, OnnxModel):
        import torch

        torch.set_num_threads(worker.threads)
    return model


def _threads(model: "Model | OnnxModel") -> int:
    """As many as compute here, since the last bits of sums depend on them."""
    if isinstance(model, OnnxModel):
        from striate.base import worker_pool

        return worker_pool.cores()
    import torch

    return torch.get_num_threads()


def _gpu_share(cluster: Cluster, workers: int, device: str, model: "Model | OnnxModel") -> float:
    """The part of a GPU that each worker takes; 0 where the processors compute."""
    kind = device.partition(":")[0]
    if kind == "cuda" and not cluster.gpus:
        raise SettingError(f"{option('device', device)} needs a GPU in the Ray cluster; it has none. Give cpu.")
    if kind not in ("auto", "cuda") or not cluster.gpus or isinstance(model, OnnxModel):
        return 0.0
    return int(1e4 * min(1.0, cluster.gpus / workers)) / 1e4


def _as_raised(name: str, text: str) -> StriateError:
    """The error that another process raised."""
    kind = getattr(errors, name, StriateError)
    error: StriateError = kind.__new__(kind)
    error.args = (text,)
    return error


def _table(content: tuple[Any, ...]) -> Any:
    import pyarrow

    return pyarrow.table({_COLUMN: pyarrow.array([pickle.dumps(content)], pyarrow.large_binary())})
