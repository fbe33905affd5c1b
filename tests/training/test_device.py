import platform
import subprocess
import sys
from typing import Literal

import numpy as np
import pytest
import torch

from striate.base.config import Engine as Settings
from striate.base.errors import SettingError
from striate.nets.factory import build
from striate.training import device


def test_every_choice_is_explained():
    picked = device.pick(Settings())
    assert [reason.split()[0] for reason in picked.reasons] == ["device", "precision", "channels_last", "threads", "workers"]
    assert all(": " in reason for reason in picked.reasons)
    assert (picked.rank, picked.world, picked.writes) == (0, 1, True)


def test_what_is_asked_for_is_done():
    before = torch.get_num_threads()
    try:
        picked = device.pick(Settings(device="cpu", precision="bf16", channels_last="on", threads=1, workers=3))
        assert (picked.bf16, picked.channels_last, picked.threads, torch.get_num_threads()) == (True, True, 1, 1)
        assert picked.workers == 3
        assert all(reason.endswith(": asked for") for reason in picked.reasons)
    finally:
        torch.set_num_threads(before)


def test_bf16_is_of_products_alone():
    picked = device.pick(Settings(device="cpu", precision="bf16"))
    net = build("mlp", (1, 4, 4), 3)
    with picked.autocast():
        assert net(torch.zeros(1, 1, 4, 4)).dtype == torch.bfloat16
    assert {weight.dtype for weight in net.parameters()} == {torch.float32}
    with device.pick(Settings(device="cpu")).autocast():
        assert net(torch.zeros(1, 1, 4, 4)).dtype == torch.float32


HAS_BF16 = "bf16: the CPU has instructions for it; weights and predictions stay fp32"
HAS_NONE = "fp32: torch finds neither AVX-512 bf16 nor AMX on this CPU"


@pytest.mark.parametrize(
    ("instructions", "environment", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False}, {}, HAS_NONE),
        ({"sve_bf16": True}, {}, HAS_NONE),
        ({"avx512_bf16": True}, {}, HAS_BF16),
        ({"amx_bf16": True}, {"ONEDNN_MAX_CPU_ISA": "DEFAULT"}, HAS_BF16),
        ({"avx512_bf16": True}, {"ONEDNN_MAX_CPU_ISA": "avx512_core_bf16", "DNNL_MAX_CPU_ISA": "AVX2"}, HAS_BF16),
        ({"avx512_bf16": True}, {"ONEDNN_MAX_CPU_ISA": "avx512_core"}, "fp32: ONEDNN_MAX_CPU_ISA keeps torch from bf16"),
        ({"avx512_bf16": True}, {"DNNL_MAX_CPU_ISA": "AVX2"}, "fp32: DNNL_MAX_CPU_ISA keeps torch from bf16"),
    ],
)
def test_a_cpu_trains_in_bf16_where_it_has_the_instructions_and_may_use_them(
    instructions: dict[str, bool], environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    picked = device.pick(Settings(device="cpu"))
    assert picked.reasons[1] == f"precision {expected}"
    assert picked.bf16 == (picked.precision == "bf16") == expected.startswith("bf16")
    assert not device.pick(Settings(device="cpu", precision="fp32")).bf16


def test_a_torch_that_does_not_say_what_the_cpu_has_trains_in_fp32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert device.pick(Settings(device="cpu")).reasons[1] == f"precision {HAS_NONE}"


def test_filters_are_put_in_the_memory_order():
    net = build("conv 3x3x4, relu, fc", (3, 8, 8), 3)
    device.pick(Settings(device="cpu", channels_last="on")).place(net)
    assert net.get_submodule("conv1").weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("name", "setting", "last"),
    [
        ("resnet20", "auto", True), ("conv 3x3x4, relu, fc", "auto", True), ("vgg11", "auto", False),
        ("resnet20", "off", False), ("vgg11", "on", True),
    ],
)  # fmt: skip
def test_a_network_is_trained_in_the_order_that_suits_it(name: str, setting: Literal["auto", "on", "off"], last: bool):
    net, picked = build(name, (3, 64, 64), 3), device.pick(Settings(device="cpu", channels_last=setting))
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    picked.place(net)

    def in_order(memory_format: torch.memory_format) -> bool:
        return all(weight.is_contiguous(memory_format=memory_format) for weight in net.parameters() if weight.dim() == 4)

    with picked.training_order(net):
        assert (in_order(torch.channels_last), in_order(torch.contiguous_format)) == (last, not last)
    assert in_order(torch.channels_last if setting == "on" else torch.contiguous_format)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_after_a_fault_the_usual_order_is_back():
    net = build("conv 3x3x4, relu, fc", (3, 8, 8), 3)
    with pytest.raises(ZeroDivisionError), device.pick(Settings(device="cpu")).training_order(net):
        raise ZeroDivisionError
    assert net.get_submodule("conv1").weight.is_contiguous()


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match=r"expected auto, cpu, cuda, cuda:1 or mps; got 'gpu'"):
        device.pick(Settings(device="gpu"))
    with pytest.raises(SettingError, match=r"has no cuda:99; use auto or cpu. `striate doctor` shows what is there."):
        device.pick(Settings(device="cuda:99"))


def test_alone_nothing_is_shared():
    picked = device.pick(Settings(device="cpu"))
    assert picked.sums([1.5, 2.0]) == [1.5, 2.0]
    assert picked.agree(3.5) == 3.5
    (only,) = picked.gather(np.arange(4))
    assert only.tolist() == [0, 1, 2, 3]
    net = build("mlp", (1, 4, 4), 3)
    assert picked.parallel(net) is net


FAULTS = """
import resource, torch
from striate.training import device

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.empty(2**24).zero_()[0].item()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
assert device.keep_freed_memory()
faults()
print(min(faults() for _ in range(6)), before)  # a kernel that reclaims idle pages takes some away meanwhile
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_used_again_unless_the_user_tunes_the_allocator(monkeypatch: pytest.MonkeyPatch):
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    kept, before = map(int, ran.stdout.split())
    assert kept < before / 2, "64 MiB five times are 80,000 pages of 4 KiB"
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "131072")
    assert not device.keep_freed_memory()
