"""A model that changes on disk is served anew under load: each answer is of the model that it names."""

import os
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from striate.workflows.serve import server as server_module
from striate.workflows.serve.loaded_model import LoadedModel
from striate.workflows.serve.model_files import ChangeDetector, fingerprint
from support.serving import Running, png, running

TESTS = Path(__file__).parents[2]


@pytest.fixture
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    monkeypatch.setattr(server_module, "_LOOK_SECONDS", 0.02)
    write(tmp_path / "model", "v0")
    return tmp_path / "model"


@pytest.fixture
def watched(model_file: Path) -> Iterator[Running]:
    seen = fingerprint(str(model_file))
    model = LoadedModel(str(model_file), "cpu", "support.serving_worker:infer")
    model.load()
    with running(model, seen, watch=True, deadline=60) as server:
        yield server


def write(path: Path, label: str) -> None:
    (path.parent / "new").write_text(label)
    (path.parent / "new").replace(path)


def wait_for_reloads(server: Running, outcome: str, count: int) -> None:
    while f'striate_reloads_total{{outcome="{outcome}"}} {count}.0' not in server.client.get("/metrics").text:
        time.sleep(0.02)


@pytest.mark.parametrize("swaps", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_a_changed_file_is_served_anew_under_load_and_no_answer_is_mixed(watched: Running, model_file: Path, swaps: int):
    answers, end = list[tuple[int, str, set[str]]](), threading.Event()

    def client() -> None:
        while not end.is_set():
            answer = watched.client.post("/v1/predict", files=[("file", ("a.png", png(level))) for level in (1, 2, 3)])
            content = answer.json()
            answers.append((
                answer.status_code, content["model"]["sha256"], {row["label"] for row in content["predictions"]},
            ))  # fmt: skip
            assert answer.headers["X-Model-Sha256"] == content["model"]["sha256"]

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for swap in range(1, swaps + 1):
        write(model_file, f"v{swap}")
        wait_for_reloads(watched, "done", swap)
    end.set()
    for thread in threads:
        thread.join()
    by_hash = {sha256(f"v{swap}".encode()).hexdigest(): {f"v{swap}"} for swap in range(swaps + 1)}
    assert {status for status, _, _ in answers} == {200}
    assert all(labels == by_hash[model] for _, model, labels in answers)
    last = watched.client.post("/v1/predict", files={"file": png(1)}).json()
    assert last["predictions"][0]["label"] == f"v{swaps}"


def test_a_bad_new_model_leaves_the_one_before_and_is_tried_once(
    watched: Running, model_file: Path, caplog: pytest.LogCaptureFixture
):
    write(model_file, "bad")
    wait_for_reloads(watched, "failed", 1)
    time.sleep(0.2)  # ten more looks
    wait_for_reloads(watched, "failed", 1)
    assert watched.client.post("/v1/predict", files={"file": png(1)}).json()["predictions"][0]["label"] == "v0"
    assert "The model was not reloaded; the one before is served on: the model is bad." in caplog.text
    write(model_file, "good")
    wait_for_reloads(watched, "done", 1)
    assert watched.client.post("/v1/predict", files={"file": png(1)}).json()["predictions"][0]["label"] == "good"


def test_a_change_is_said_once_and_only_when_it_stays():
    first, second, third = (1,), (2,), (3,)
    detector = ChangeDetector(first)
    looks = [first, second, third, None, third, third, third, second, first, first]
    assert [detector.changed(look) for look in looks] == [
        False, False, False, False, False, True, False, False, False, True,
    ]  # fmt: skip


def test_a_model_that_is_gone_or_not_on_this_machine_has_no_fingerprint(tmp_path: Path):
    assert fingerprint(str(tmp_path / "nothing")) is None
    assert fingerprint("resnet18@imagenet") is None


def test_a_model_has_the_fingerprint_of_its_manifest_by_either_folder(tmp_path: Path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    (model / "MANIFEST.sha256").write_text("{}")
    (tmp_path / "run.toml").write_text("")
    status = (model / "MANIFEST.sha256").stat()
    expected = (status.st_mtime_ns, status.st_size, status.st_ino)
    assert fingerprint(str(model)) == fingerprint(str(tmp_path)) == expected
