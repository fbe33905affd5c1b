"""What tests share: where the large data are, and a cache of their own."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from support import decode_here, doctest_files, full_products
from support.forked_children import ForkedChild

# A shell that starts a job in the background has it ignore SIGINT, and children inherit that. The tests send SIGINT, to this
# process and to processes that they start, so both begin as at a terminal.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Numbers of tests are those of fp32, which a training chooses where the processor has no bf16 or, as here, may not use it
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE"

# No test is timed: the machine that runs it may be busy
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(doctest_files)  # a hook of this file would not be asked about those of src


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole test run, so that no test touches the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["STRIATE_CACHE"] = str(folder)
    if "PYTEST_XDIST_WORKER" in os.environ:  # published weights are converted once, not by each process
        converted = tmp_path_factory.getbasetemp().parent / "converted"
        converted.mkdir(exist_ok=True)
        (folder / "weights").symlink_to(converted)
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with MNIST, CIFAR-10 and the hostile images; tests that need it are skipped where it is absent."""
    given = os.environ.get("STRIATE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs $STRIATE_DATA, or ../shared/data beside the checkout")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_fsync() -> Iterator[None]:
    """What tests write need not survive a power cut, so no file is forced to the disk; those of its order record the calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "sync", lambda: None, raising=False)
        yield


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The one browser of a process, which cannot have two; skips where there is none."""
    from support.lab import CHROMIUM, browser

    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with browser() as running:
        yield running


def place_and_values(item: pytest.Item) -> tuple[str, str, str | None]:
    """The file of a test below tests/, its name, and the values of its parameters."""
    name, _, values = item.name.partition("[")
    return item.nodeid.partition("::")[0].removeprefix("tests/"), name, values.removesuffix("]") or None


LONG = ("rules/test_documents", "workflows/", "history/", "figures/", "rules/", "cli/", "faults/", "contract/")


@pytest.hookimpl(tryfirst=True)  # before the tests that are marked are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, so that no process is left alone with them at the end; full products are soak."""
    for item in items:
        if full_products.of(*place_and_values(item)) is not None:
            item.add_marker(pytest.mark.soak)
    items.sort(key=lambda item: next((place for place, name in enumerate(LONG) if f"tests/{name}" in item.nodeid), len(LONG)))


gc.disable()  # until all is collected


def pytest_collection_finish() -> None:
    """The collector of garbage need not look again and again at what was imported and collected, nor so often at the rest."""
    gc.enable()
    gc.set_threshold(20_000, 20, 20)
    gc.collect()
    gc.freeze()


def _no_report(result: object, *_: object) -> object:
    return result


def _brief_test(**options: Any) -> Any:
    from striate.interpret.faithfulness import FaithfulnessTest

    return FaithfulnessTest(**{"shifts": 9, "orders": 1, "copies": 1} | options)


# What costs seconds, by the mark of the tests that do not go without: what stands in for it elsewhere. By name, since pytest
# starts three processes with this file, one of which runs no test and needs no torch
SHORTCUTS: dict[str, list[tuple[str, str, object]]] = {
    "report": [
        ("striate.workflows.report.build", "at_end", _no_report),
        ("striate.workflows.report.build", "later", _no_report),
    ],
    "verdicts": [("striate.workflows.report.image_cards", "FaithfulnessTest", _brief_test)],
    "features": [("striate.workflows.feature_baseline", "of_run", lambda *_: None)],
    "children": [
        ("striate.base.worker_pool", "in_order", decode_here.in_order),
        ("striate.nets.published_weights", "Child", ForkedChild),
    ],
}


@lru_cache(maxsize=1)
def whole_functions() -> dict[str, list[tuple[str, str, object]]]:
    """What the shortcuts stand in for; asked for before the first of them is laid."""
    return {
        mark: [(module, name, getattr(import_module(module), name)) for module, name, _ in rows]
        for mark, rows in SHORTCUTS.items()
    }


@pytest.fixture(scope="module", autouse=True)
def shortcuts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Trainings within tests, also those of fixtures, end without their report and start no program to decode or convert."""
    whole_functions()
    with pytest.MonkeyPatch.context() as patch:
        for mark, rows in SHORTCUTS.items():
            if request.node.get_closest_marker(mark) is None:
                for module, name, instead in rows:
                    patch.setattr(import_module(module), name, instead)
        yield


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest, shortcuts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings and reports of a test that bears one of the marks do as they do for users."""
    for mark, rows in whole_functions().items():
        if request.node.get_closest_marker(mark) is not None:
            for module, name, function in rows:
                monkeypatch.setattr(import_module(module), name, function)
