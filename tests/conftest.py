"""What tests share: where the large data are, and a cache of their own."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A shell that starts a job in the background has it ignore SIGINT, and children inherit that. The tests send SIGINT, to this
# process and to processes that they start, so both begin as at a terminal.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is timed: the machine that runs it may be busy
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole test run, so that no test touches the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["STRIATE_CACHE"] = str(folder)
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
def patient_decoders() -> Iterator[None]:
    """The process that decodes an image has ten minutes for it instead of ten seconds, however busy the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.data.decode._CHILD_SECONDS", 600.0)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, so that no process is left alone with them at the end."""
    items.sort(key=lambda item: "test_documents" not in item.nodeid)


@pytest.fixture(autouse=True)
def no_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings within tests end without their report, which costs seconds, unless the test is marked `report`."""
    if request.node.get_closest_marker("report") is None:
        monkeypatch.setattr("striate.workflows.report.build.at_end", lambda result, *_: result)
        monkeypatch.setattr("striate.workflows.report.build.later", lambda result, *_: result)
