"""axe-core, which finds what keeps people from using a page: from the cache, else from the registry that npm is set to."""

import base64
import hashlib
import io
import tarfile
from typing import Any

import pytest

from striate.base import files
from striate.base.download import fetch
from striate.workflows.export.onnxruntime_web import registry

_ARCHIVE = "axe-core-4.14.1.tgz"
_INTEGRITY = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

# The elements that pass are not described and not sent: on a page of tables and drawings these are thousands
_RUN = """async (rules) => {
  const { violations } = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
  const described = ({ html, failureSummary }) => ({ html, failureSummary });
  return violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(described) }));
}"""


def script() -> str:
    """The script; skips where it cannot be had."""
    cached = files.cache_folder() / "npm" / _ARCHIVE
    if cached.is_file():
        content = cached.read_bytes()
    else:
        try:
            content = fetch(f"{registry().rstrip('/')}/axe-core/-/{_ARCHIVE}")
        except OSError as error:
            pytest.skip(f"needs axe-core of npm: {error}")
    assert base64.b64encode(hashlib.sha512(content).digest()).decode() == _INTEGRITY
    if not cached.is_file():
        files.write_bytes(cached, content)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as packed:
        member = packed.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def violations(page: Any, axe: str) -> list[str]:
    """What axe-core finds wrong with a page: the rule, and the elements."""
    page.evaluate(axe)
    broken = page.evaluate(_RUN, list(_RULES))
    return [f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:200]}" for rule in broken for node in rule["nodes"]]
