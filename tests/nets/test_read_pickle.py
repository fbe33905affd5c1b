import io
import os
import re
import warnings
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from striate.base.errors import DecodeError
from striate.nets import read_pickle
from striate.nets.read_pickle import convert

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "bn.num_batches_tracked": torch.tensor(7)}


class Touches:
    """What a pickle may hold: a call that is made when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def converted(path: Path, content: object, **how: bool) -> tuple[dict[str, object], dict[str, Tensor]]:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path, **how)
    out = path.with_suffix(".safetensors")
    result, payload = convert({"path": str(path), "out": str(out)})
    assert payload == b""
    assert isinstance(result, dict)
    return result, load_file(out)


def refused(path: Path, content: object, **how: bool) -> str:
    with pytest.raises(DecodeError) as told:
        converted(path, content, **how)
    assert not path.with_suffix(".safetensors").exists()
    return str(told.value)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
def test_a_plain_state_dict_comes_out_as_it_is(tmp_path: Path, new: bool):
    result, tensors = converted(tmp_path / "a.pth", STATE, _use_new_zipfile_serialization=new)
    assert result == {"tensors": 2, "within": "", "left": "", "prefix": "", "others": []}
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[name], STATE[name]) for name in STATE)
    assert tensors["bn.num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model_state", "model", "net", "weights"])
def test_a_dictionary_within_is_taken_out(tmp_path: Path, name: str):
    result, tensors = converted(tmp_path / "a.pth", {name: STATE, "epoch": 90, "optimizer": {"lr": 0.1}})
    assert (result["within"], tensors.keys()) == (name, STATE.keys())


def test_one_in_another_is_taken_out_too(tmp_path: Path):
    result, tensors = converted(tmp_path / "a.pth", {"model": {"state_dict": STATE}})
    assert (result["within"], tensors.keys()) == ("model.state_dict", STATE.keys())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module.", "module.model."])
def test_a_prefix_that_all_names_share_is_taken_off(tmp_path: Path, prefix: str):
    result, tensors = converted(tmp_path / "a.pth", {prefix + name: tensor for name, tensor in STATE.items()})
    assert (result["prefix"], tensors.keys()) == (prefix, STATE.keys())


def test_a_prefix_that_one_name_lacks_stays(tmp_path: Path):
    result, tensors = converted(tmp_path / "a.pth", {"module.a": torch.ones(1), "b": torch.ones(1)})
    assert (result["prefix"], list(tensors)) == ("", ["b", "module.a"])


def ring() -> dict[str, object]:
    content: dict[str, object] = {}
    content["model"] = {"state_dict": content}
    return content


def test_dictionaries_that_hold_each_other_are_refused(tmp_path: Path):
    assert (
        refused(tmp_path / "a.pth", ring()) == "expected a dictionary of tensors; got more than 8 dictionaries in one another"
    )
    itself: list[object] = []
    itself.append(itself)
    result, tensors = converted(tmp_path / "b.pth", {"state_dict": STATE, "log": itself})
    assert (result["within"], tensors.keys()) == ("state_dict", STATE.keys())


def test_more_tensors_or_more_numbers_than_the_file_can_mean_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert refused(tmp_path / "a.pth", {"a": torch.ones(1).expand(2**40)}) == (
        "it needs more memory than the process that reads it may take"
    )
    shared = torch.ones(2**22)
    assert "needs more memory" in refused(tmp_path / "b.pth", {f"a{number}": shared for number in range(21)})
    monkeypatch.setattr(read_pickle, "_MOST_TENSORS", 2)
    assert refused(tmp_path / "c.pth", {name: torch.ones(1) for name in "abc"}) == (
        "expected at most 2 tensors, as no network here has more; got 3"
    )


AVERAGE = {"conv.weight": torch.full((2, 3), 0.5), "bn.num_batches_tracked": torch.tensor(9)}
UNDER_MODULE = {f"module.{name}": tensor for name, tensor in AVERAGE.items()}
BESIDE = {f"ema.{name}": tensor for name, tensor in AVERAGE.items()} | {f"net.{name}": t for name, t in STATE.items()}


@pytest.mark.parametrize(
    ("content", "averaged", "plain"),
    [
        ({"state_dict": STATE, "state_dict_ema": AVERAGE}, "state_dict_ema", "state_dict"),  # timm
        ({"model": STATE, "model_ema": {"n_averaged": torch.tensor(3), **UNDER_MODULE}}, "model_ema", "model"),  # torchvision
        ({"model": STATE, "ema": {"module": AVERAGE, "updates": 3}}, "ema.module", "model"),
        ({"state_dict": AVERAGE, "current_model_state": STATE, "averaging_state": {}}, "state_dict", "current_model_state"),
        ({"net": {"params": STATE, "params_ema": AVERAGE}}, "net.params_ema", "net.params"),
    ],
    ids=["timm", "torchvision", "ema with module", "Lightning", "nested"],
)
def test_of_averaged_and_plain_weights_the_average_is_taken_or_what_is_asked_for(
    tmp_path: Path, content: object, averaged: str, plain: str
):
    torch.save(content, tmp_path / "a.pth")
    argument = {"path": str(tmp_path / "a.pth"), "out": str(tmp_path / "a.safetensors")}
    other = averaged.removesuffix(".module")
    for wanted, expected, within, left in ((False, AVERAGE, averaged, plain), (True, STATE, plain, other)):
        result, _ = convert({**argument, "plain": wanted})
        assert isinstance(result, dict)
        assert (result["within"], result["left"]) == (within, left)
        tensors = load_file(argument["out"])
        assert tensors.keys() == expected.keys()
        assert torch.equal(tensors["conv.weight"], expected["conv.weight"])


def test_averaged_and_plain_weights_may_lie_beside_each_other_in_one_dictionary():
    weights = read_pickle.find_weights({"state_dict": BESIDE})
    assert (weights.state.keys(), weights.within, weights.left) == (AVERAGE.keys(), "state_dict.ema", "state_dict.net")
    plain = read_pickle.find_weights({"state_dict": BESIDE}, plain=True)
    assert plain.state.keys() == {f"net.{name}" for name in STATE}
    assert (plain.within, plain.left) == ("state_dict", "state_dict.ema")


def test_an_average_is_not_taken_for_plain_weights():
    with pytest.raises(DecodeError, match=r"expected plain weights; it has averaged ones \(EMA\) alone"):
        read_pickle.find_weights({"model_ema": STATE}, plain=True)


def test_half_precision_comes_out_as_float32(tmp_path: Path):
    state = {
        "half": torch.tensor([0.1]).half(),
        "brain": torch.tensor([0.1]).bfloat16(),
        "double": torch.tensor([0.1]).double(),
    }
    _, tensors = converted(tmp_path / "a.pth", state)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert tensors["half"].item() == torch.tensor(0.1).half().float().item()


def test_parameters_views_and_shared_tensors_come_out_whole(tmp_path: Path):
    whole = torch.arange(12.0).view(3, 4)
    _, tensors = converted(tmp_path / "a.pth", {"p": nn.Parameter(whole), "turned": whole.T, "row": whole[1], "same": whole})
    assert torch.equal(tensors["p"], whole)
    assert torch.equal(tensors["turned"], whole.T)
    assert torch.equal(tensors["row"], whole[1])
    assert torch.equal(tensors["same"], whole)


def test_what_stands_beside_the_tensors_in_a_state_dict_is_told(tmp_path: Path):
    result, tensors = converted(tmp_path / "a.pth", {"state_dict": {**STATE, "_extra_state": 3}})
    assert (result["others"], tensors.keys()) == (["_extra_state"], STATE.keys())


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: bool):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    touched = tmp_path / "touched"
    content = {"state_dict": STATE, "more": Touches(touched)}
    assert refused(tmp_path / "a.pth", content, _use_new_zipfile_serialization=new) == (
        f"it holds more than tensors ({os.system.__module__}.system), which would be code to run; get one with the state_dict "
        "alone"
    )
    assert not touched.exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert touched.exists(), "the file does what it is meant to where anyone lets it"


def test_other_objects_are_refused_by_their_class(tmp_path: Path):
    text = refused(tmp_path / "a.pth", {"state_dict": STATE, "args": Namespace(lr=0.1)})
    assert text.startswith("it holds more than tensors (argparse.Namespace), which would be code to run; ")
    text = refused(tmp_path / "a.pth", nn.Linear(2, 2))
    assert text.startswith("it holds more than tensors (torch.nn.modules.linear.Linear), which would be code to run; ")


def test_a_program_of_torchscript_is_refused(tmp_path: Path):
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, which has given it up
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), out)
    text = refused(tmp_path / "a.pth", out.getvalue())
    assert text == "it is a program of TorchScript, not weights; get one with the state_dict alone"


def whole(new: bool) -> bytes:
    out = io.BytesIO()
    torch.save(STATE, out, _use_new_zipfile_serialization=new)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EOFError"),
        (b"some text that is no pickle\n", r"\w+: .+"),
        (b"<!DOCTYPE html><html>404</html>", r"\w+: .+"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"\w+: .+"),
        (whole(True)[:500], "RuntimeError: PytorchStreamReader failed reading zip archive: .*"),
        (whole(False)[:200], ".*"),
        (whole(False)[:-5], ".*"),
    ],
    ids=["empty", "text", "html", "git lfs", "half a zip", "half", "five bytes short"],
)
def test_what_is_no_file_of_torch_s_is_refused_without_its_advice(tmp_path: Path, content: bytes, reason: str):
    text = refused(tmp_path / "a.pth", content)
    assert re.fullmatch(rf"it is no file of torch's, or a damaged one \({reason}\)", text)
    assert "weights_only" not in text


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ([1, 2], "list"),
        (torch.ones(2), "Tensor"),
        ({}, "an empty one"),
        ({"state_dict": {}}, "an empty one"),
        ({"epoch": 3, "conv.weight": torch.ones(2)}, "epoch"),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path: Path, content: object, got: str):
    assert refused(tmp_path / "a.pth", content) == f"expected a dictionary of tensors; got {got}"


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_tensors_that_are_not_plain_numbers_are_refused(tmp_path: Path):
    for tensor, kind in (
        (torch.eye(2).to_sparse(), "sparse_coo"),
        (torch.ones(2, dtype=torch.complex64), "complex64"),
        (torch.ones(2, device="meta"), "without values"),
    ):
        text = refused(tmp_path / "a.pth", {"fine": torch.ones(1), "odd": tensor})
        assert text == f"expected tensors of plain real numbers; got odd ({kind})"
