"""How the package is built, in figures: what lies at its top, who imports whom, how long and wide its functions are.

python bench/house.py                    # of the striate that is imported
python bench/house.py src/striate        # of a checkout
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MOST_LINES, MOST_PARAMETERS = 60, 7
AT_THE_TOP = frozenset({"__init__", "__main__", "_version", "model", "onnx_model"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Measured(NamedTuple):
    """A function and what is counted of it: `name` is "file:function" from the root of the package."""

    name: str
    size: int


def modules_at_the_top(package: Path) -> list[str]:
    """The names of the files beside the rooms."""
    return sorted(path.stem for path in package.glob("*.py"))


def room_of(module: str) -> str:
    """The room of a module, named without the package; the package itself is `__init__`."""
    return module.partition(".")[0] or "__init__"


def _imported(tree: ast.AST, module: str, is_package: bool, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parts = [package, *module.split(".")] if module else [package]
                parts = parts[: len(parts) - node.level + is_package]
                source = ".".join([*parts, *([source] if source else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def arrows(package: Path) -> dict[str, set[str]]:
    """Room -> the other rooms that its files import, at their start or later.

    The two files that hand on what the rooms have, `__init__` and `__main__`, are left out, since they are on the way to all;
    so is `from striate import __version__`.
    """
    rooms: dict[str, set[str]] = {}
    known = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        room = room_of(module)
        if room in ("__init__", "__main__"):
            continue
        targets = rooms.setdefault(room, set())
        for name in _imported(ast.parse(path.read_text("utf-8")), module, is_package, package.name):
            top, _, inner = name.partition(".")
            first = inner.partition(".")[0]
            if top == package.name and first in known and first != room and not first.startswith("__"):
                targets.add(first)
    return rooms


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of rooms each of which reaches all others of its group."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen, waiting = set[str](), [*graph[start]]
        while waiting:
            room = waiting.pop()
            if room not in seen:
                seen.add(room)
                waiting += graph.get(room, ())
        reached[start] = seen
    groups = {
        frozenset(other for other in graph if other in reached[room] and room in reached[other])
        for room in graph
        if room in reached[room]
    }
    return sorted(sorted(group) for group in groups)


def longest_chain(graph: Mapping[str, set[str]]) -> list[str]:
    """The longest row of rooms each of which imports the next; a circle counts as one room."""
    member = {room: "+".join(group) for group in circles(graph) for room in group}
    plain: dict[str, set[str]] = {}
    for room, targets in graph.items():
        own = member.get(room, room)
        plain.setdefault(own, set()).update({member.get(target, target) for target in targets} - {own})
    longest: dict[str, list[str]] = {}

    def chain_from(room: str) -> list[str]:
        if room not in longest:
            longest[room] = [room, *max((chain_from(target) for target in sorted(plain.get(room, ()))), key=len, default=[])]
        return longest[room]

    return max((chain_from(room) for room in sorted(plain)), key=len, default=[])


def functions(package: Path) -> Iterator[tuple[str, str, Function]]:
    """Every function and method: file, name, and its definition."""
    for path in sorted(package.rglob("*.py")):
        short = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function):
                yield short, node.name, node


def long_functions(package: Path) -> list[Measured]:
    """The functions over 60 lines, from `def` to the last line, docstring and all."""
    lengths = (Measured(f"{path}:{name}", (node.end_lineno or 0) - node.lineno + 1) for path, name, node in functions(package))
    return sorted((one for one in lengths if one.size > MOST_LINES), key=lambda one: -one.size)


def _is_for_users(path: str, name: str, node: Function) -> bool:
    positional = [argument for argument in (*node.args.posonlyargs, *node.args.args) if argument.arg not in ("self", "cls")]
    public = (path.startswith(("workflows/", "cli/")) or path == "lab/run.py") and not name.startswith("_")
    estimator = path.startswith("sklearn/") and name == "__init__"
    return (public or estimator) and len(positional) <= MOST_PARAMETERS


def wide_functions(package: Path, but_for_users: bool = False) -> list[Measured]:
    """The functions over 7 parameters, `self` not counted.

    Args:
        package: the folder.
        but_for_users: without the public functions of workflows/ and of lab/run.py, the commands of cli/ and the estimators of
            sklearn/, whose parameters beyond the first seven can only be given by name: each is a flag or a keyword that a user
            chooses among.

    """
    counted = []
    for path, name, node in functions(package):
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        count = sum(argument.arg not in ("self", "cls") for argument in arguments)
        if count > MOST_PARAMETERS and not (but_for_users and _is_for_users(path, name, node)):
            counted.append(Measured(f"{path}:{name}", count))
    return sorted(counted, key=lambda one: -one.size)


def lines_by_room(package: Path) -> Counter[str]:
    """Room -> lines of its files."""
    lines = Counter[str]()
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        lines[parts[0]] += len(path.read_text("utf-8").splitlines())
    return lines


# What holds the settings of a command, by the names of types; those of `report` are a run, given by its folder
_SETTINGS = frozenset(
    {"Run", "Tree", "Data", "PreprocessSettings", "Augment", "NetSettings", "Train", "Finetune", "RunContext", "TransferTask"}
)
COMMANDS = {
    "train": ("workflows.train.run.train", _SETTINGS),
    "finetune": ("workflows.finetune.run.finetune", _SETTINGS),
    "report": ("workflows.report.build.write_report", _SETTINGS | {"Path", "RunFacts", "ReportFacts", "ModelOnDataset"}),
}


class Code(NamedTuple):
    """A package as it is written: its functions by dotted name, and what each name of a module stands for."""

    functions: dict[str, tuple[str, Function]]  # with the module of each
    names: dict[str, dict[str, str]]  # module -> name -> dotted name

    def find(self, dotted: str) -> str | None:
        """The function of this name, or what runs where a class of this name is called; None outside of the package."""
        for name in (dotted, f"{dotted}.__init__", f"{dotted}.__post_init__"):
            if name in self.functions:
                return name
        module = dotted
        while module and module not in self.names:
            module = module.rpartition(".")[0]
        head, dot, rest = dotted.removeprefix(f"{module}.").partition(".")
        target = self.names.get(module, {}).get(head)
        return None if target in (None, f"{module}.{head}") else self.find(f"{target}{dot}{rest}")


def read(package: Path) -> Code:
    """Read all files of a package."""
    code = Code({}, {})
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text("utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
        for node in tree.body:
            if isinstance(node, Function | ast.ClassDef):
                names[node.name] = f"{module}.{node.name}"
                for inner in node.body if isinstance(node, ast.ClassDef) else ():
                    if isinstance(inner, Function):
                        code.functions[f"{names[node.name]}.{inner.name}"] = module, inner
            if isinstance(node, Function):
                code.functions[names[node.name]] = module, node
        code.names[module] = names
    return code


def stays(code: Code, start: str, types: frozenset[str]) -> list[str]:
    """The modules that the settings of a command stay in, one after the other.

    From the function `start` the calls are followed in the order of the source, each function once, into those that take
    settings: that have a parameter annotated with one of `types`. Functions in a row that lie in one module are one stay.
    Calls by name are followed, of classes too; methods of objects, and functions that lie in a table, are not.
    """
    modules: list[str] = []
    seen = set[str]()

    def follow(name: str) -> None:
        seen.add(name)
        module, node = code.functions[name]
        if modules[-1:] != [module]:
            modules.append(module)
        calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
        for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            head, dot, rest = ast.unparse(call.func).partition(".")
            target = code.find(f"{code.names[module].get(head, '')}{dot}{rest}")
            if target is not None and target not in seen and _takes(code.functions[target][1], types):
                follow(target)

    follow(start)
    return modules


def _takes(node: Function, types: frozenset[str]) -> bool:
    annotations = [part.annotation for part in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    parts = [part for annotation in annotations if annotation is not None for part in ast.walk(annotation)]
    return any(getattr(part, "id", getattr(part, "attr", None)) in types for part in parts)


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1:
        package = Path(sys.argv[1]).resolve()
    else:
        import striate

        package = Path(striate.__file__).parent
    graph, lines = arrows(package), lines_by_room(package)
    chain, top = longest_chain(graph), modules_at_the_top(package)
    wide = wide_functions(package)
    of_users = len(wide) - len(wide_functions(package, but_for_users=True))
    rows = [
        ("modules at the top", len(top), " ".join(top)),
        ("rooms", len(graph), ""),
        ("arrows between rooms", sum(map(len, graph.values())), ""),
        ("longest chain of imports", len(chain), " > ".join(chain)),
        ("circles", len(circles(graph)), "; ".join(" + ".join(group) for group in circles(graph))),
        (f"functions over {MOST_LINES} lines", len(long := long_functions(package)), _listed(long)),
        (f"functions over {MOST_PARAMETERS} parameters", len(wide), f"{of_users} of them for users; {_listed(wide)}"),
        ("lines", lines.total(), " ".join(f"{room} {count:,}" for room, count in lines.most_common())),
    ]
    code = read(package)
    for command, (start, types) in COMMANDS.items():
        modules = stays(code, f"{package.name}.{start}", types)
        rows.append((f"stays of {command}'s settings", len(modules), f"in {len(set(modules))} modules"))
    for name, count, detail in rows:
        print(f"{name:28}{count:>8,}  {detail}")


def _listed(measured: list[Measured]) -> str:
    return ", ".join(f"{one.name} {one.size}" for one in measured)


if __name__ == "__main__":
    main()
