"""The table at the top of `README.md`: a row for each job, as the benches printed them, kept in `results/`.

    python bench/table.py                        # the table anew from what is kept
    python bench/table.py OUTPUT...              # keep the rows in files of what benches printed, then the same

A job that is measured again has its row replaced as a whole: figure, runs, limit, date and machine belong together.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rows import Row, parse

README = Path(__file__).with_name("README.md")
KEPT = Path(__file__).with_name("results")
BEGIN, END = "<!-- table of bench/table.py -->\n", "<!-- end of table -->\n"
JOBS = (  # in the order of the table
    "mnist", "mnist-bf16", "cifar10", "augment", "predict-resnet18", "predict-efficientnet_lite0", "photographs", "predict-one",
    "predict-one-onnx", "step-resnet18-64", "step-resnet18-64-bf16", "step-resnet18-224", "step-resnet18-224-bf16",
    "step-resnet20", "step-resnet20-bf16", "step-googlenet", "step-googlenet-bf16", "first-step", "first-step-photographs",
    "memory", "scale-processes", "scale-reading", "scale-memory", "scale-checkpoint", "second-epoch", "new-head",
)  # fmt: skip
HEAD = ("job", "mark", "figure", "beside", "runs", "share of the limit", "measured", "command")


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in rows:
        cells = (row.job, row.mark, row.figure, row.peers, row.runs, row.limit, row.measured, f"`{row.command}`")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def kept() -> list[Row]:
    """The rows of all jobs in their order."""
    return [Row(**json.loads((KEPT / f"{key}.json").read_text("utf-8"))) for key in JOBS]


def keep(row: Row) -> None:
    """Put the row in the place of the job's row before."""
    if row.key not in JOBS:
        raise SystemExit(f"expected a job of {', '.join(JOBS)}; got {row.key}")
    (KEPT / f"{row.key}.json").write_text(json.dumps(row._asdict(), ensure_ascii=False, indent=2) + "\n", "utf-8")


def renewed(text: str) -> str:
    """The document with the table of what is kept."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{README} has no place for the table: {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}\n{table(kept())}\n{end}{after}"


def main(outputs: Sequence[str]) -> None:
    for name in outputs:
        rows = parse(Path(name).read_text("utf-8"))
        if not rows:
            raise SystemExit(f"{name} has no row of a job")
        for row in rows:
            keep(row)
            print(f"kept: {row.job}: {row.figure}")
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
