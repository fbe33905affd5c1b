"""A network of one's own: a class in a Python file, `file.py:Class`, run only where its user has agreed to that very file.

Agreement is to bytes, not to a path: naming a file to a command (`--net file.py:Class`), or `--trust-code` for a model that
came with one, records the file's SHA-256 in the cache folder of this machine. A model, a run folder or a recipe that names a
file is data from outside: its file is read and hashed, and where that hash is not recorded nothing of it is run.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from striate.base import files
from striate.base.errors import ArtifactError, SettingError, UntrustedCodeError
from striate.nets import catalogue

if TYPE_CHECKING:
    from striate.nets.net import CHW, Net

COPY = "own_network.py"  # the file's name within a model's folder


class Source(NamedTuple):
    """The file behind a network of one's own, as it was read."""

    path: Path
    class_name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the file's bytes, which are those that would be run."""
        return hashlib.sha256(self.content).hexdigest()


def read(name: str) -> Source:
    """The source that `file.py:Class` names, of which nothing is run; SettingError where there is no such file."""
    path = catalogue.own_file(name)
    return Source(path, name.rpartition(":")[2], path.read_bytes())


def _record(sha256: str) -> Path:
    return files.cache_folder() / "trusted-code" / sha256


def trust(source: Source) -> None:
    """Record that the user of this machine agrees to run this file, as it is now."""
    record = _record(source.sha256)
    if not record.exists():
        record.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(record, f"{source.path.resolve()}\n")


def trust_named(name: str | None) -> None:
    """Trust the file of a network that a user has named, where it is one of their own; a name may be None."""
    if name is not None and catalogue.is_own(name):
        trust(read(name))


def is_trusted(source: Source) -> bool:
    """Whether its user has agreed to this file on this machine."""
    return _record(source.sha256).is_file()


def load_class(name: str) -> "type[Net]":
    """The class that `file.py:Class` names.

    Raises:
        UntrustedCodeError: nobody has agreed to this file on this machine; with its path and hash.
        SettingError: no such file, no such class, or a class that does not derive from Net.

    """
    from striate.nets.net import Net

    source = read(name)
    if not is_trusted(source):
        raise UntrustedCodeError(
            f"{source.path} is Python code that has not been run on this machine (SHA-256 {source.sha256}). "
            "Read it; if you trust it, give --trust-code (in Python trust_code=True)."
        )
    cls = getattr(_run(source), source.class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, Net) and cls is not Net):
        kind = "no such class" if cls is None else f"{cls!r}"
        raise SettingError(
            f"expected in {source.path} a class {source.class_name} that derives from striate.nets.net.Net; got {kind}. "
            "Its docstring shows the six lines that such a class needs."
        )
    return cls


def _run(source: Source) -> ModuleType:
    """The module of these bytes, which are not read again: what was hashed is what runs."""
    module = ModuleType(f"striate_own_{source.sha256[:12]}")
    module.__file__ = str(source.path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(source.content, str(source.path), "exec"), module.__dict__)
    except Exception as error:  # the user's own code: whatever it raises, say where
        raise SettingError(f"{source.path} cannot be run: {type(error).__name__}: {error}.") from error
    return module


def build(name: str, input_chw: "CHW", num_classes: int, settings: dict[str, Any]) -> "Net":
    """The network that `file.py:Class` names; SettingError where it does not keep the contract of `nets.net.Net`."""
    from torch.nn import Linear

    cls = load_class(name)
    constructor: Callable[..., Net] = cls
    try:
        net = constructor(input_chw, num_classes=num_classes, **settings)
    except TypeError as error:
        raise SettingError(
            f"{name} cannot be built as {cls.__name__}(input_chw, num_classes=K): {error}. "
            "Give its __init__ these two parameters and call super().__init__(input_chw)."
        ) from error
    layers = dict(net.named_modules())
    missing = [layer for layer in (*cls.taps, cls.head_name) if layer not in layers or not layer]
    if missing or not cls.taps:
        raise SettingError(
            f"{name}: expected `taps` and `head_name` to name its layers; got {missing or 'no taps'}. "
            f"Its layers are: {', '.join(layer for layer in layers if layer)}."
        )
    if not isinstance(layers[cls.head_name], Linear):
        raise SettingError(f"{name}: expected the head {cls.head_name!r} to be torch.nn.Linear; got {layers[cls.head_name]}.")
    if net.num_classes != num_classes:
        raise SettingError(
            f"{name}: the data have {num_classes} classes; its head {cls.head_name!r} has {net.num_classes} outputs. "
            "Use the num_classes that __init__ is given."
        )
    return net


def name_in(folder: Path, name: str, recorded: Mapping[str, str] | None, trust_code: bool) -> str:
    """The name of a network of one's own by the copy of its file in the model's folder, and by no other file."""
    file, _, class_name = name.rpartition(":")
    copy = folder / COPY
    if file != COPY or recorded is None or copy.is_symlink() or not copy.is_file():
        raise ArtifactError(
            f"expected {folder} to hold the file of its network as {COPY}; got the network {name!r}. "
            "A model runs no code from elsewhere; train it again with this striate."
        )
    source = read(f"{copy}:{class_name}")
    if source.sha256 != recorded["sha256"]:
        raise ArtifactError(
            f"expected {copy} with SHA-256 {recorded['sha256'][:16]}..., as model.json has it; got {source.sha256[:16]}..."
        )
    if trust_code:
        trust(source)
    return f"{copy}:{class_name}"
