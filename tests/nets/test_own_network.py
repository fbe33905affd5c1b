import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.base import files
from striate.base.errors import ArtifactError, SettingError, UntrustedCodeError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets import own_network
from striate.nets.factory import build
from support.command_line import run

OWN = """
import torch
from striate.nets.net import Net

class Tiny(Net):
    taps = ("fc1",)
    head_name = "fc1"
    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw)
        c, h, w = input_chw
        self.fc1 = torch.nn.Linear(c * h * w, num_classes)
    def forward(self, images_NCHW):
        return self.fc1(images_NCHW.flatten(1))

class NoTaps(Net):
    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw)

class Fixed(Tiny):
    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw, 3)

class OtherArguments(Net):
    def __init__(self):
        super().__init__((1, 2, 2))

class Stranger:
    pass
"""


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine on which no code has been agreed to."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def trusted(path: Path, name: str) -> str:
    own_network.trust_named(f"{path}:{name}")
    return f"{path}:{name}"


def test_a_class_of_one_s_own_is_built_where_its_user_has_named_it(own: Path):
    net = build(trusted(own, "Tiny"), (1, 2, 2), 3)
    assert net(torch.zeros(5, 1, 2, 2)).shape == (5, 3)
    source = own_network.read(f"{own}:Tiny")
    assert (source.path, source.class_name) == (own, "Tiny")
    assert source.sha256 == hashlib.sha256(OWN.encode()).hexdigest()


def test_nothing_is_run_before_it_is_trusted_and_a_changed_byte_is_another_file(own: Path, tmp_path: Path):
    canary = tmp_path / "canary"
    own.write_text(f"open({str(canary)!r}, 'w').close()\n{OWN}")
    name = f"{own}:Tiny"
    with pytest.raises(UntrustedCodeError) as refused:
        build(name, (1, 2, 2), 3)
    assert str(refused.value) == (
        f"{own} is Python code that has not been run on this machine (SHA-256 {own_network.read(name).sha256}). "
        "Read it; if you trust it, give --trust-code (in Python trust_code=True)."
    )
    assert not canary.exists()
    own_network.trust_named(name)
    build(name, (1, 2, 2), 3)
    assert canary.exists()
    canary.unlink()
    own.write_text(own.read_text() + "# changed\n")
    with pytest.raises(UntrustedCodeError):
        build(name, (1, 2, 2), 3)
    assert not canary.exists()


def test_names_of_the_package_s_networks_are_nothing_to_trust(tmp_path: Path):
    own_network.trust_named(None)
    own_network.trust_named("lenet5")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        ("Absent", "a class Absent that derives from striate.nets.net.Net; got no such class"),
        ("Stranger", "a class Stranger that derives from striate.nets.net.Net; got <class"),
        ("NoTaps", "expected `taps` and `head_name` to name its layers"),
        ("Fixed", "the data have 4 classes; its head 'fc1' has 3 outputs"),
        ("OtherArguments", "cannot be built as OtherArguments(input_chw, num_classes=K)"),
    ],
)
def test_a_class_that_does_not_keep_the_contract_is_refused(own: Path, cls: str, text: str):
    with pytest.raises(SettingError) as refused:
        build(trusted(own, cls), (1, 2, 2), 4)
    assert text in str(refused.value)


def test_a_file_that_is_absent_or_broken_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected a Python file at .*none.py for --net"):
        build(f"{tmp_path / 'none.py'}:Net", (1, 2, 2), 3)
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(SettingError, match=r"broken.py cannot be run: ZeroDivisionError"):
        build(trusted(tmp_path / "broken.py", "Net"), (1, 2, 2), 3)


@pytest.fixture
def saved(own: Path, tmp_path: Path) -> Path:
    """A model with a network of one's own, as from another machine: it is trusted no more."""
    name = trusted(own, "Tiny")
    preprocess = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    model = Model(build(name, (1, 2, 2), 2).eval(), name, {}, preprocess, InputSpec(2, 1, "squash"), ("a", "b"))
    model.save(tmp_path / "model")
    for record in (tmp_path / "cache" / "trusted-code").iterdir():
        record.unlink()
    own.unlink()
    return tmp_path / "model"


def rewrite(folder: Path, **changes: object) -> None:
    """Change model.json and make the manifest fit again, as a stranger may."""
    described = json.loads((folder / "model.json").read_text()) | changes
    with files.new_folder(folder) as new:
        for path in folder.iterdir():
            if path.name not in ("MANIFEST.sha256", "model.json"):
                (new / path.name).write_bytes(path.read_bytes())
        (new / "model.json").write_text(json.dumps(described))


def test_a_model_brings_its_network_s_file_and_runs_it_once_it_is_trusted(saved: Path):
    with pytest.raises(UntrustedCodeError, match=f"{saved / 'own_network.py'} is Python code"):
        Model.load(saved)
    pixels = np.full((1, 2, 2, 1), 7, np.uint8)
    logits = Model.load(saved, trust_code=True).logits(pixels)
    assert np.array_equal(Model.load(saved).logits(pixels), logits)  # agreed to from now on


@pytest.mark.parametrize("name", ["{}/evil.py:Evil", "evil.py:Evil", "../model/own_network.py:Tiny"])
@pytest.mark.parametrize("recorded", [None, "its own"])
def test_a_model_never_runs_a_file_from_elsewhere(saved: Path, tmp_path: Path, name: str, recorded: str | None):
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'canary')!r}, 'w').close()\n")
    source = None if recorded is None else {"file": "evil.py", "sha256": hashlib.sha256(evil.read_bytes()).hexdigest()}
    net = {"name": name.format(tmp_path), "input_chw": [1, 2, 2], "settings": {}}
    rewrite(saved, net=net, net_source=source)
    for trust_code in (False, True):
        with pytest.raises(ArtifactError, match="A model runs no code from elsewhere"):
            Model.load(saved, trust_code=trust_code)
    assert not (tmp_path / "canary").exists()
    assert not any(module.startswith("striate_own") and "evil" in str(sys.modules[module]) for module in sys.modules)


def test_a_file_that_is_not_the_recorded_one_is_refused(saved: Path):
    described = json.loads((saved / "model.json").read_text())
    rewrite(saved, net_source={**described["net_source"], "sha256": "0" * 64})
    with pytest.raises(ArtifactError, match=r"own_network.py with SHA-256 0000000000000000\.\.\."):
        Model.load(saved, trust_code=True)


def test_a_command_runs_the_file_where_it_is_told_to(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("L", (2, 2), 9).save(tmp_path / "x.png")
    refused = run(capsys, "predict", str(saved), str(tmp_path / "x.png"))
    assert refused.code == 2
    assert "is Python code that has not been run on this machine (SHA-256" in refused.err
    assert run(capsys, "predict", str(saved), str(tmp_path / "x.png"), "--trust-code", "--json").json["label"] in ("a", "b")
