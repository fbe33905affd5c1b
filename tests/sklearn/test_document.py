"""The Python of docs/how-to/scikit-learn.md."""

import re

import pytest
from sklearn import datasets

from support.documents import ROOT


def test_the_python_of_the_how_to_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    images, labels = datasets.load_digits(n_class=2, return_X_y=True)
    monkeypatch.setattr(datasets, "load_digits", lambda return_X_y: (images[:60], labels[:60]))
    text = (ROOT / "docs" / "how-to" / "scikit-learn.md").read_text("utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    exec(compile(program, "how-to", "exec"), {})
    accuracy, best = capsys.readouterr().out.splitlines()
    assert float(accuracy.removeprefix("accuracy ").removesuffix(" %")) > 80
    assert best in ("{'settings': {'train': {'lr': 0.003}}}", "{'settings': {'train': {'lr': 0.03}}}")
