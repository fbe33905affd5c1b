"""The only way striate writes: a temporary name, fsync, rename, fsync of the folder; and a manifest that notices a changed bit.

A file or a folder is either the old one or the whole new one, at every instant, also after a power cut. `torch.load` and
safetensors check no content: a flipped bit in a tensor loads silently, so every folder of weights carries `MANIFEST.sha256`
in the format of `sha256sum`, and `verify` is called before a tensor is used.
"""

import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from striate.base.errors import ArtifactError, DiskError, RunError, SettingError

MANIFEST = "MANIFEST.sha256"
_TRIES = 3
_PASSING = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.EAGAIN)


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an OSError into a DiskError that names the path and what to do."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot {doing} {path}: {_reason(error, doing)}.") from error


def _reason(error: OSError, doing: str) -> str:
    if doing == "read" and error.errno in (errno.EACCES, errno.EPERM):
        return "its permissions forbid it; change them"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "the folder is not writable; give another with --out (or STRIATE_CACHE), or change its permissions"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space, then resume with --resume"
    return f"{error.strerror or error} (errno {error.errno})"


def check_new_file(path: Path) -> None:
    """Refuse a path where no file can be written, before the work whose result it is for; missing folders are made later.

    Raises:
        SettingError: it is a folder, or lies below a file.
        DiskError: the folder may not be written to.

    """
    with explained(path, "write"):
        is_folder = path.is_dir()
    if is_folder:
        raise SettingError(f"expected a file to write; {path} is a folder. Name a file in it.")
    check_new_folder(path.parent)


def check_new_folder(folder: Path) -> None:
    """The same for a folder, which may be there already."""
    with explained(folder, "write in"):
        place = _existing(folder)
        if not place.is_dir():
            raise SettingError(f"expected a folder to write into at {place}; it is a file. Give another one.")
        if not writable(folder):
            raise PermissionError(errno.EACCES, "Permission denied")
        try:  # /proc and a full disk are writable as far as `access` says
            Path(tempfile.mkdtemp(prefix=".striate-", dir=place)).rmdir()
        except FileNotFoundError:
            raise PermissionError(errno.EACCES, "Permission denied") from None


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself where it is not there yet."""
    return os.access(_existing(folder), os.W_OK | os.X_OK)


def _existing(path: Path) -> Path:
    """The path, or the nearest above it that is there."""
    return next((place for place in (path, *path.parents) if place.exists()), path)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each of which a power cut leaves where it was made."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Keep through a power cut what was made or renamed in a folder."""
    if os.name == "nt":  # a folder cannot be opened there; NTFS orders the rename itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _retry(action: Callable[[], None]) -> None:
    """Try an action up to three times where the disk may recover; the last failure is raised."""
    for attempt in range(_TRIES):
        try:
            action()
            return
        except (OSError, DiskError) as error:
            cause = error.__cause__ if isinstance(error, DiskError) else error
            if not isinstance(cause, OSError) or cause.errno not in _PASSING or attempt == _TRIES - 1:
                raise
            time.sleep(0.1 * 2**attempt)


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that a reader sees the old file or the whole new one."""

    def write() -> None:
        temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    with explained(path, "write"):
        _retry(lambda: make_folder(path.parent))
        _retry(write)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for text, in UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """`new_folder` with these files. What fails is written anew as a whole: a second fsync hides what the first one lost."""

    def write() -> None:
        with new_folder(path) as new:
            for name, content in contents.items():
                with explained(new / name, "write"):
                    (new / name).write_bytes(content)

    _retry(write)


@contextmanager
def new_folder(path: Path, doing: str = "write") -> Iterator[Path]:
    """A temporary folder beside `path` that becomes `path` when the block ends well; on an error it is removed.

    Every file in it is fsynced first, those of folders in it are not, and an older folder at `path` is replaced. A manifest is
    written last.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    with explained(path, doing):
        make_folder(path.parent)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    try:
        yield temporary
        with explained(path, doing):
            _seal(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _seal(temporary: Path, path: Path) -> None:
    for file in sorted(file for file in temporary.iterdir() if file.is_file()):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    write_bytes(temporary / MANIFEST, manifest(temporary).encode())
    aside = path.with_name(f".{path.name[:200]}.old")
    if path.exists():
        # Two names cannot be exchanged in one step everywhere: the old folder steps aside and is removed last, so at
        # every instant one whole folder lies under `path` or under the name that `recover` looks for.
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    try:
        temporary.rename(path)
    except OSError:
        recover(path)
        raise
    sync_folder(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Put back or remove what writers that were killed left in a folder and below; only for who holds its lock."""
    for aside in [*folder.rglob(".*.old")]:
        recover(aside.with_name(aside.name[1 : -len(".old")]))
        shutil.rmtree(aside, ignore_errors=True)  # where the new folder is in its place
    for left in [*folder.rglob(".*.[0-9]*.tmp")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def recover(path: Path) -> None:
    """Put back the folder that `new_folder` had set aside, where the process died between its two renames."""
    aside = path.with_name(f".{path.name[:200]}.old")
    if aside.exists() and not path.exists():
        aside.rename(path)
        sync_folder(path.parent)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(folder: Path) -> str:
    """One line `<sha256>  <name>` for each file of a folder, sorted, without the manifest itself."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != MANIFEST)
    return "".join(f"{sha256(file)}  {file.name}\n" for file in files)


def manifest_of(contents: Mapping[str, bytes]) -> str:
    """The manifest that a folder with these files will have."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(contents.items()))


def verify(folder: Path, but: Collection[str] = ()) -> None:
    """Compare every file of a folder with its manifest; of those in `but` only that they are there."""
    with explained(folder, "read"):
        recover(folder)
        _compare(folder, folder / MANIFEST, but)


def damage(folder: Path, but: Collection[str] = ()) -> str | None:
    """What is wrong with a folder that can be made anew, as a clause; None where it is as it was written."""
    try:
        verify(folder, but)
    except (ArtifactError, DiskError) as error:
        return re.sub(r"\.+( Use another copy.*| Remove it.*)?$", "", str(error))
    return None


def _compare(folder: Path, sheet: Path, but: Collection[str]) -> None:
    if not sheet.is_file():
        raise ArtifactError(f"expected {MANIFEST} in {folder}; there is none, so nothing in it can be trusted.")
    text, listed = sheet.read_bytes().decode("utf-8", "replace"), {}
    if text and not text.endswith("\n"):
        raise ArtifactError(f"{sheet} is damaged: its last line has no end. Use another copy.")
    for line in text.split("\n")[:-1]:
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or Path(name).name != name:
            raise ArtifactError(f"{sheet} is damaged: expected lines `<sha256>  <name>`; got {line!r}. Use another copy.")
        listed[name] = digest
    present = {file.name for file in folder.iterdir()} - {MANIFEST}
    for name in sorted(listed.keys() | present):
        if name not in present:
            raise ArtifactError(f"{folder / name} is missing, though the manifest lists it. Use another copy.")
        if name not in listed:
            raise ArtifactError(f"{folder / name} is not in the manifest. Remove it, or use another copy.")
        if name in but:
            continue
        with explained(folder / name, "read"):
            digest = sha256(folder / name)
        if digest != listed[name]:
            raise ArtifactError(
                f"{folder / name} has changed since it was written: expected SHA-256 {listed[name][:16]}..., "
                f"got {digest[:16]}... Use another copy; nothing was loaded."
            )


@contextmanager
def lock(folder: Path, what: str = "run") -> Iterator[None]:
    """Hold `folder/.lock` for this process; the lock of a process that died is taken over by the kernel's own rule."""
    with explained(folder, "write in"):
        make_folder(folder)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(handle):
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise RunError(
                f"{folder} is in use by another process (pid {owner}); wait for it, or give this {what} another --name."
            )
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        with suppress(OSError):
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            return True
        return False
    import fcntl

    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def cache_folder() -> Path:
    """Where decoded pixels and downloads are kept: `$STRIATE_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("STRIATE_CACHE"):
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "striate"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "striate"
