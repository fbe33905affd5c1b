"""The figures of the house that stay: its top, its floors and how large functions are, as `bench/house.py` counts."""

import ast
import importlib.util
from pathlib import Path

import pytest

import striate

ROOT = Path(__file__).parents[2]
PACKAGE = Path(striate.__file__).parent
LONGEST_CHAIN = 9

_spec = importlib.util.spec_from_file_location("house", ROOT / "bench" / "house.py")
assert _spec is not None
assert _spec.loader is not None
house = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(house)


def test_no_rooms_import_each_other_in_a_circle_and_the_longest_chain_of_imports_is_short():
    graph = house.arrows(PACKAGE)
    assert house.circles(graph) == []
    chain = house.longest_chain(graph)
    assert len(chain) <= LONGEST_CHAIN, " > ".join(chain)


def test_a_function_has_at_most_60_lines():
    assert house.long_functions(PACKAGE) == []


# ---- the counting itself


def package(folder: Path, **files: str) -> Path:
    for name, code in files.items():
        path = folder / "striate" / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return folder / "striate"


def test_arrows_lie_between_rooms_whenever_the_import_happens(tmp_path: Path):
    made = package(
        tmp_path,
        __init__="from striate.cli import main",
        cli__in__main="from striate import __version__\ndef f():\n    from striate import model, nets as n\n    import numpy",
        nets__in__net="from striate.nets import blocks\nimport striate.base.files",
        nets__in__blocks="from . import net\nfrom ..base import files",
        base__in__files="import os",
        model="from striate.nets.net import Net",
    )
    graph = house.arrows(made)
    assert graph == {"cli": {"model", "nets"}, "nets": {"base"}, "base": set(), "model": {"nets"}}
    assert house.circles(graph) == []
    assert house.longest_chain(graph) == ["cli", "model", "nets", "base"]
    assert house.modules_at_the_top(made) == ["__init__", "model"]


def test_a_circle_is_found_and_counts_as_one_room_of_a_chain():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": set[str]()}
    assert house.circles(graph) == [["b", "c"]]
    assert house.longest_chain(graph) == ["a", "b+c", "d"]


def test_long_functions_are_counted_from_def_to_their_last_line(tmp_path: Path):
    body = "    x = 1\n"
    code = f"def fits():\n{body * 59}\nclass C:\n    def long(self):\n{('    ' + body) * 60}"
    assert house.long_functions(package(tmp_path, base__in__x=code)) == [("base/x.py:long", 61)]


EIGHT = "a, b, c, d, e, f, g, h"


@pytest.mark.parametrize(
    ("file", "code", "counted"),
    [
        ("nets__in__x", f"def f({EIGHT}): ...", True),
        ("nets__in__x", f"def f(a, *, {EIGHT[3:]}): ...", True),
        ("nets__in__x", f"class C:\n    def f(self, {EIGHT[3:]}): ...", False),
        ("workflows__in__x", f"def f(a, *, {EIGHT[3:]}): ...", False),
        ("workflows__in__x", f"def f({EIGHT}): ...", True),
        ("workflows__in__x", f"def _f(a, *, {EIGHT[3:]}): ...", True),
        ("cli__in__x", f"def f(a, *, {EIGHT[3:]}): ...", False),
        ("lab__in__run", f"def f(a, *, {EIGHT[3:]}): ...", False),
        ("lab__in__run", f"def f({EIGHT}): ...", True),
        ("lab__in__x", f"def f(a, *, {EIGHT[3:]}): ...", True),
        ("sklearn__in__x", f"class C:\n    def __init__(self, a, *, {EIGHT[3:]}): ...", False),
        ("sklearn__in__x", f"class C:\n    def fit(self, a, *, {EIGHT[3:]}): ...", True),
    ],
)
def test_which_functions_have_too_many_parameters(tmp_path: Path, file: str, code: str, counted: bool):
    ast.parse(code)
    assert bool(house.wide_functions(package(tmp_path, **{file: code}), but_for_users=True)) == counted


def test_at_the_top_of_the_package_are_rooms_and_five_files():
    assert set(house.modules_at_the_top(PACKAGE)) == house.AT_THE_TOP


def test_functions_have_at_most_seven_parameters():
    assert {function.name for function in house.wide_functions(PACKAGE, but_for_users=True)} == set()


def test_a_stay_is_a_row_of_functions_in_one_module_that_take_the_settings(tmp_path: Path):
    code = house.read(
        package(
            tmp_path,
            __init__="",
            cli__in__main=(
                "from striate.base import config\nfrom striate.nets.net import Net, build as built\n"
                "def main(name: str):\n    run = config.load(name)\n    check(run)\n    built(run)\n    Net(run).grow(run)\n"
                "def check(run: config.Run | None): plain(run)\n"
                "def plain(run): built(run)"
            ),
            base__in__config="class Run: pass\ndef load(name: str) -> Run: return complete({})\ndef complete(tree: Tree): pass",
            nets__in__net="from striate.base.config import Run\ndef build(run: Run): Net(run)\nclass Net:\n"
            "    def __init__(self, run: Run): pass\n    def grow(self, run: Run): pass",
        )
    )
    settings = frozenset({"Run", "Tree"})
    assert house.stays(code, "striate.cli.main.main", settings) == ["striate.cli.main", "striate.nets.net"]
    assert house.stays(code, "striate.base.config.load", settings) == ["striate.base.config"]
    assert house.stays(code, "striate.cli.main.main", settings | {"str"}) == [
        "striate.cli.main", "striate.base.config", "striate.cli.main", "striate.nets.net"
    ]  # fmt: skip
