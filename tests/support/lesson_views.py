"""The views of a lesson by their names, for values of its controls."""

from typing import Any

from striate.lab import lesson_api

Json = dict[str, Any]


def views_of(name: str, /, **given: Any) -> dict[str, Json]:
    """What a page is sent for these values; what is not given is as at the start."""
    return {view["name"]: view for view in lesson_api.answer(name, "en", lesson_api.values(name, given))["views"]}
