"""The pages: templates with the texts of a language. No data of the user is in them; that comes from the API."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from striate.lab import lesson_catalogue
from striate.lab.texts import LANGUAGES, Texts
from striate.lab.workbench import forms

_FOLDER = Path(__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Page(NamedTuple):
    """A page of the first level: where it is, its template, its texts and its script."""

    path: str  # after the language
    template: str
    texts: str
    script: str
    style: str = ""  # besides lab.css
    more_texts: str = ""  # for its script


PAGES = (
    Page("", "workbench.html", "workbench", "workbench.js", "workbench.css", "queue"),
    Page("runs", "runs.html", "runs", "runs.js", "workbench.css"),
    Page("try", "try.html", "try", "try.js", "stroll.css"),
    Page("layers", "layers.html", "layers", "layers.js", "stroll.css"),
    Page("lessons", "lessons.html", "lessons", "lab.js"),
)

OTHERS = (Page("run", "run.html", "run", "run.js", "workbench.css", "queue"),)  # which other pages lead to


MISSING = Page("missing", "missing.html", "missing", "lab.js")  # in place of a page that is not there


def render(page: Page, language: str, **values: Any) -> str:
    """A page in a language."""
    text, common = Texts(page.texts, language), Texts("common", language)
    script_texts = common.under("script") | text.under("script")
    if page.more_texts:
        script_texts |= Texts(page.more_texts, language).under("script")
    html: str = _environment().get_template(page.template).render(
        page=page, language=language, languages=LANGUAGES, text=text, common=common, pages=PAGES,
        script_texts=script_texts, parts=lesson_catalogue.parts(), texts_of=lambda name: Texts(name, language), forms=forms,
        settings_help=Texts("settings", language), **values,
    )  # fmt: skip
    return html


def render_lesson(name: str, language: str) -> str:
    """The page of a lesson, with its controls as they are at the start."""
    names = [entry.name for entry in lesson_catalogue.LESSONS]
    place = names.index(lesson_catalogue.entry(name).name)
    neighbors = {"before": names[place - 1] if place else None, "after": [*names, None][place + 1]}
    page = Page(f"lessons/{name}", "lesson.html", name, "lesson.js")
    return render(page, language, entry=lesson_catalogue.LESSONS[place], lesson=lesson_catalogue.load(name), **neighbors)


def prepare() -> None:
    """Read and compile what the first page needs, which its reader would wait for."""
    static_files()
    for language in LANGUAGES:
        render(PAGES[0], language)


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """The content and media type of each file of the pages."""
    paths = (path for path in (_FOLDER / "static").iterdir() if path.suffix in KINDS)
    return {path.name: (path.read_bytes(), f"{KINDS[path.suffix]}; charset=utf-8") for path in sorted(paths)}


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
