"""The views of a lesson by their names, for values of its controls."""

from typing import Any

from striate.lab import lesson_api

Json = dict[str, Any]

# Lessons that together have every kind of control and of view: in a browser `make test` looks at these alone
OF_EVERY_KIND = ("mcculloch_pitts", "gmdh", "timeline", "penalties", "augmentation", "mnist_in_the_page", "lenet5")
CONTROLS = {"Button", "Cells", "Choice", "Drawing", "OwnImage", "Slider", "Toggle"}
VIEWS = {
    "bars", "diagram", "formula", "grid", "image", "lines", "maps", "pointer", "points", "sentence", "stops", "table",
}  # fmt: skip


def views_of(name: str, /, **given: Any) -> dict[str, Json]:
    """What a page is sent for these values; what is not given is as at the start."""
    return {view["name"]: view for view in lesson_api.answer(name, "en", lesson_api.values(name, given))["views"]}
