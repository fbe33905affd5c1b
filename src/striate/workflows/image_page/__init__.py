"""The page that shows one image and its answer: what `striate serve` and the folder of `striate export --web` share."""

from pathlib import Path

KINDS = {"page.css": "text/css", "icon.svg": "image/svg+xml", "image_page.js": "text/javascript"}
_FOLDER = Path(__file__).parent


def files(own: Path, policy: str = "") -> dict[str, bytes]:
    """All files of a page by name; `own` is the folder with its script, and with what it has beside the shared sections.

    `policy` is its Content-Security-Policy where no server sends one.
    """
    page = (_FOLDER / "index.html").read_text("utf-8")
    tag = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n' if policy else ""
    page = page.replace("<!-- policy -->\n", tag)
    for place in ("before the answer", "after the answer"):
        section = own / f"{place.replace(' ', '_')}.html"
        page = page.replace(f"<!-- {place} -->\n", section.read_text("utf-8") if section.exists() else "")
    shared = {name: (_FOLDER / name).read_bytes() for name in KINDS}
    return {"index.html": page.encode(), "page.js": (own / "page.js").read_bytes(), **shared}
