"""The manual, built by `make docs`."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import generate

generate.build()

project = "striate"
author = "the striate developers"
release = version = installed("striate")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_generated"]
html_theme = "furo"
html_show_copyright = False
smartquotes = False  # or --preview in a table would lose a dash
html_title = f"striate {release}"
myst_heading_anchors = 3
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
suppress_warnings = ["myst.xref_missing"]
