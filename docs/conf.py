"""The manual, built by `make docs`."""

from importlib.metadata import version as installed

project = "striate"
author = "the striate developers"
release = version = installed("striate")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"striate {release}"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
suppress_warnings = ["myst.xref_missing"]
