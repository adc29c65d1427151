"""Sphinx builds the site from these pages: `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generated  # noqa: E402  the pages that are made from the code, beside this file

import hyoid  # noqa: E402

project, author, copyright = "hyoid", "the authors of hyoid", "the authors of hyoid"
release = version = hyoid.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
exclude_patterns = ["_build", "README.md"]
# Links to files of the repository that are no pages are links for readers of the repository.
suppress_warnings: list[str] = []
html_theme = "pydata_sphinx_theme"
html_title = "hyoid"
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
templates_path: list[str] = []
nitpicky = False

generated.write(HERE)
