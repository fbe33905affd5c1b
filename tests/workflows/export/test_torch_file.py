"""The file of torch.export; tests/workflows/export/test_export.py holds that of a run against the run."""

import numpy as np
import pytest
import torch

from striate.base.errors import NumbersError, UnsupportedError
from striate.workflows.export import proof, torch_file
from support.models import tiny_model


def test_a_network_that_is_not_traced_is_refused(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long trace")

    monkeypatch.setattr(torch.export, "export", fail)
    with pytest.raises(UnsupportedError, match=r"has no form in torch\.export: no such operator\. Export without it\."):
        torch_file.written(tiny_model(), {})


@pytest.mark.parametrize(
    ("added", "message"), [(0.1, r"a logit differs by 0\.1, more than"), (float("nan"), "NaN or infinity")]
)
def test_a_file_that_answers_otherwise_is_refused(added: float, message: str):
    model, pixels_NHWC = tiny_model(), np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    images = proof.reference(model, pixels_NHWC, np.zeros(5, np.int64))

    def module(images_NHWC: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = model.logits_and_embeddings(images_NHWC.numpy())
        logits_NK = torch.from_numpy(outputs.logits_NK)
        return logits_NK + added, logits_NK.softmax(dim=1), torch.from_numpy(outputs.embeddings_ND)

    program = torch_file.Program(module, ["logits", "probabilities", "features"])
    with pytest.raises(NumbersError, match=message):
        proof.prove(model, program, images)
