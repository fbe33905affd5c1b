"""The ```console blocks of a document: their commands, and which of them are not run; and the figures that its prose quotes."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
QUOTE = re.compile(r"<!-- = (.+?) -->")
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^\n]*?) *-->\s*?\n\s*)?^ *```console *\n(?P<lines>.*?)^ *```", re.M | re.S)

NO_PROSE = re.compile(r"<!--.*?-->|“[^”]*”|^ *(`{3,}|~{3,}).*?^ *\1|`[^`\n]+`|\]\([^)]*\)|^#.*?$|\bE\d+\b", re.M | re.S)
FIGURE = re.compile(r"(?<![\w.,])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]\d+)?(?!\w)", re.A)
YEAR = re.compile(r"1[89]\d\d|20\d\d")
TRAINING = ("train", "finetune", "inspect", "evaluate", "report", "runs")  # another processor may give them other numbers

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?: +\"[^\"]*\")?\)|^\[[^\]]+\]: +(\S+)", re.M)
CODE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1|`[^`\n]+`", re.M | re.S)


class Block(NamedTuple):
    """A console block: its commands, or why they are not run."""

    line: int
    commands: tuple[str, ...]
    not_run: str | None


def blocks(text: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(text):
        lines = re.sub(r"\\\n *(> )?", "", match["lines"]).splitlines()
        commands = tuple(line.strip()[2:].strip() for line in lines if line.strip().startswith("$ "))
        found.append(Block(text[: match.start("lines")].count("\n"), commands, match["reason"]))
    return found


def figures(text: str) -> list[str]:
    """The numbers in the prose of a document, without years and numbers of one digit."""
    numbers = FIGURE.findall(NO_PROSE.sub(" ", text))
    return [number for number in numbers if len(number.lstrip("-")) > 1 and not YEAR.fullmatch(number)]


def figures_beside(text: str, commands: Collection[str]) -> set[str]:
    """The figures of the sections of a document that have one of these commands."""
    sections = re.split(r"^(?=## )", text, flags=re.M)
    return {
        figure
        for section in sections
        if any(command in commands for block in blocks(section) for command in block.commands)
        for figure in figures(section)
    }


def not_printed(
    text: str, printed: Mapping[str, str], published: Mapping[str, str | float], trained: Mapping[str, str]
) -> list[str]:
    """The figures of a document that no command of their section, or of one before, printed.

    Args:
        text: of the document.
        printed: what each command printed.
        published: figures from elsewhere, with their source, or with the value that they round.
        trained: figures of trainings, each with the pattern of what stands around it in the output. There it may differ by
            three in a hundred and one.

    """
    missing, exact, learned = list[str](), set[float](), ""
    for section in re.split(r"^(?=## )", text, flags=re.M):
        for command in (command for block in blocks(section) for command in block.commands if command in printed):
            if command.split()[1] in TRAINING:
                learned += printed[command]
            else:
                exact |= {_value(number) for number in FIGURE.findall(printed[command])}
        for figure in figures(section):
            if figure in trained:
                near = re.findall(trained[figure], learned, re.M)
                supported = any(abs(float(other) - _value(figure)) <= 1 + 0.03 * _value(figure) for other in near)
            elif figure in published:
                source = published[figure]
                supported = isinstance(source, str) or _rounds(figure, [source])
            else:
                supported = _value(figure) in exact or _rounds(figure, exact)
            missing += [] if supported else [figure]
    return missing


def _value(figure: str) -> float:
    return float(figure.replace(",", ""))


def _rounds(figure: str, values: Iterable[float]) -> bool:
    """Whether the figure is one of the values, rounded to as many decimals."""
    mantissa, _, exponent = figure.replace(",", "").partition("e")
    form = f".{len(mantissa.partition('.')[2])}{'e' if exponent else 'f'}"
    return any(float(f"{value:{form}}") == _value(figure) for value in values)


class Quote(NamedTuple):
    """A number of a document, or several with commas, and where it stands in what a command prints with --json."""

    command: str  # the first of the block above
    text: str  # of the line, up to the end of the number
    expression: str  # of Python, on the keys as names

    def check(self, printed: str) -> None:
        """Fail unless the number is the command's, rounded as it is written."""
        keys = json.loads(printed, object_hook=lambda entries: SimpleNamespace(**entries))
        value = eval(self.expression, vars(keys))
        message = f"{self.command} --json: {self.expression} is {value}, and the document says ...{self.text[-40:]}"
        if isinstance(value, int | float):
            match = re.search(r"(-?[\d,]*\d(?:\.(\d+))?)( %)?$", self.text)
            assert match, message
            decimals, scale = len(match[2] or ""), 100 if match[3] else 1
            assert abs(scale * value - _value(match[1])) <= 0.5001 / 10**decimals, message
        else:
            written = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            assert self.text.endswith(written), message


def quotes(text: str) -> list[Quote]:
    """The numbers of a document that `<!-- = EXPRESSION -->` follows."""
    commands = [(match.end(), blocks(match[0])[0].commands) for match in BLOCK.finditer(text)]
    quoted = []
    for match in QUOTE.finditer(text):
        before = [names[0] for end, names in commands if end <= match.start()]
        quoted.append(Quote(before[-1], text[: match.start()].rpartition("\n")[2], match[1]))
    return quoted


def links(text: str) -> list[str]:
    """Where the links of a document lead within the repository, without what is an example in code."""
    targets = [inline or reference for inline, reference in LINK.findall(CODE.sub("", text))]
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
