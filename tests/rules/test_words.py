"""The field's own words in everything that a user reads, American spelling, and variables named for what they hold."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import striate
from support.documents import ROOT

SRC = Path(striate.__file__).parent

# What is not written: what is written in its place
WORDS = {
    r"pictures?": "image; figure or plot for what is drawn",
    r"(top.|the )?five likeliest": "top-5",
    r"(is |are )?taken for whom": "confusion matrix",
    r"(what )?(spoke|speaks|spoken) (for|against)": "attribution, evidence for the prediction; no problems found",
    r"laid elsewhere": "shifted control",
    r"(go|goes|gone|going|went) on (with|from)": "resume, continue",
    r"foreign weights|weights of others": "external weights",
    r"rectifiers?": "ReLU",
    r"given labels?": "true label",
    r"never rests?": "is never zero",
    r"said aloud": "logged, printed, reported",
    r"answered rightly|share that is right": "accuracy",
    r"to their liking": "images that maximize the activation",
    r"price on": "weight penalty",
    r"says nothing yet": "zero-initialized",
    r"always the largest class": "majority-class baseline",
    r"likeness(es)?": "cosine similarity",
    r"grey(s|scale|ish)?": "gray",
    r"colour\w*": "color",
    r"centre[sd]?|centring": "center",
    r"neighbour\w*": "neighbor",
    r"behaviour\w*": "behavior",
    r"favour\w*": "favor",
    r"labelled|labelling|modelling|cancelled|travelled|signalled": "one l, as Americans write",
    r"artefacts?": "artifact",
    r"(optim|initial|normal|maxim|minim|real|organ|recogn|general|regular|penal|visual|summar|standard|quant|util)"
    r"is(e[ds]?|ers?|ing|ations?)": "-ize",
}
AVOID = re.compile(rf"(?<![\w`/.-])({'|'.join(f'(?:{pattern})' for pattern in WORDS)})(?![\w])", re.I)
PURPOSES = frozenset({"grey"})  # of random draws: another word would be other draws, and no user reads it
SAY_NOTHING = frozenset({"found", "made", "told", "said", "kept", "asked"})
CODE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1|`[^`\n]+`", re.M | re.S)
# Titles of papers and what stands in quotation marks keep the words of their authors
QUOTED = re.compile(r"“[^”]*”|\"[^\"\n]*\"")


def instead(word: str) -> str:
    """What is written in place of a word."""
    return next(right for pattern, right in WORDS.items() if re.fullmatch(pattern, word, re.I))


def texts_of(code: str) -> Iterator[tuple[int, str]]:
    """The lines and texts of the strings in Python code: messages, help, docstrings."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in PURPOSES:
            yield node.lineno, node.value


def words_to_avoid(text: str, line: int = 1) -> list[str]:
    return [
        f"{line + text[: match.start()].count(chr(10))}: {match[0]!r}, write: {instead(match[0])}"
        for match in AVOID.finditer(text)
    ]


def in_code(code: str) -> list[str]:
    return [wrong for line, text in texts_of(code) for wrong in words_to_avoid(text, line)]


def blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def in_document(text: str) -> list[str]:
    return words_to_avoid(QUOTED.sub(blank, CODE.sub(blank, text)))


def variables(code: str) -> list[str]:
    """Names of variables and parameters that say nothing of what they hold."""
    named = [
        (node.lineno, node.id if isinstance(node, ast.Name) else node.arg)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    ]
    return [f"{line}: {name}" for line, name in sorted(named) if name in SAY_NOTHING]


ROOMS = sorted({path.relative_to(SRC).parts[0].removesuffix(".py") for path in SRC.rglob("*.py")})
HISTORICAL = ("log.md", "decisions", "_build", "_generated")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [path for path in DOCUMENTS if path.exists() and not set(HISTORICAL) & set(path.relative_to(ROOT).parts)]
TEMPLATES = sorted(path for path in SRC.rglob("*") if path.suffix in (".html", ".css"))


def files_of(room: str) -> list[Path]:
    return sorted((SRC / room).rglob("*.py")) if (SRC / room).is_dir() else [SRC / f"{room}.py"]


def offences(paths: list[Path], wrong_in: Callable[[str], list[str]]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{wrong}" for path in paths for wrong in wrong_in(path.read_text("utf-8"))]


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_user_reads_is_in_the_words_of_the_field(room: str):
    assert offences(files_of(room), in_code) == []


@pytest.mark.parametrize("path", [*DOCUMENTS, *TEMPLATES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_are_in_the_words_of_the_field(path: Path):
    assert offences([path], in_document) == []


@pytest.mark.parametrize("room", ROOMS)
def test_variables_are_named_for_what_they_hold(room: str):
    assert offences(files_of(room), variables) == []


def test_a_word_to_avoid_is_found_in_whatever_is_read():
    code = '"""A Picture.\n\nOf grey.\n"""\ndef f(picture):\n    # a colour\n    raise ValueError(f"the rectifier of {x}")\n'
    assert in_code(code) == [
        "1: 'Picture', write: image; figure or plot for what is drawn",
        "3: 'grey', write: gray",
        "7: 'rectifier', write: ReLU",
    ]
    document = "# What it says\n\n`colour` is\n\n```python\npicture\n```\n\nnormalised, and gone on with\n"
    assert in_document(document) == ["9: 'normalised', write: -ize", "9: 'gone on with', write: resume, continue"]
    assert in_document('"Handwritten digit recognition: neighbours" and images/picture.png, realistic, precise') == []


def test_what_is_to_be_written_is_not_itself_to_be_avoided():
    assert [wrong for right in WORDS.values() for wrong in words_to_avoid(right)] == []


def test_names_that_say_nothing_are_found_wherever_they_are_given():
    code = "found = 1\ndef f(told, x): ...\nfor made in (): ...\n[y for kept in ()]\nif (said := 1): asked()\nx.found = 1\n"
    assert variables(code) == ["1: found", "2: told", "3: made", "4: kept", "5: said"]
