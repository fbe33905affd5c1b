"""The npm package that a page runs on: of one version, from a file, the cache or the registry."""

import subprocess
from pathlib import Path

import pytest

from striate.base.errors import WeightsError
from striate.workflows.export import onnxruntime_web


def test_another_file_is_refused(tmp_path: Path):
    (tmp_path / "other.tgz").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"expected onnxruntime-web-1\.30\.0\.tgz with the SHA-512 q0y\+JrrtukXS"):
        onnxruntime_web.read(tmp_path / "other.tgz")
    with pytest.raises(WeightsError, match=r"none\.tgz cannot be read: No such file.*`npm pack onnxruntime-web@1\.30\.0`"):
        onnxruntime_web.read(tmp_path / "none.tgz")


def test_where_it_cannot_be_had_the_way_without_a_network_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> bytes:
        raise OSError("no route")

    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    monkeypatch.setattr(onnxruntime_web, "fetch", fail)
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(no route\)\. Get it .* give the file by onnxruntime_web\."):
        onnxruntime_web.read()


def test_the_registry_is_that_of_npm_else_of_its_variable_else_the_public_one(monkeypatch: pytest.MonkeyPatch):
    printed = subprocess.CompletedProcess([], 0, stdout="https://mirror.example/npm/\n")
    monkeypatch.setattr(onnxruntime_web.shutil, "which", lambda _: "npm")
    monkeypatch.setattr(onnxruntime_web.subprocess, "run", lambda *_, **__: printed)
    assert onnxruntime_web._address() == "https://mirror.example/npm/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"
    monkeypatch.setattr(onnxruntime_web.shutil, "which", lambda _: None)
    monkeypatch.setenv("npm_config_registry", "https://other.example")
    assert onnxruntime_web._address().startswith("https://other.example/onnxruntime-web/")
    monkeypatch.delenv("npm_config_registry")
    assert onnxruntime_web._address().startswith("https://registry.npmjs.org/onnxruntime-web/")
