"""Reports of few images, for tests of what else a report has: each takes time to be looked into and written."""

import pytest

from striate.workflows.report import rerun_network


def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show few mistakes and points."""
    monkeypatch.setattr(rerun_network, "SHOWN", 3)
    monkeypatch.setattr(rerun_network, "_POINTS", 60)
