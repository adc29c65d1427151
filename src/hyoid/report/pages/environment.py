"""The templates of the pages, as Jinja reads them."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from hyoid.characters import printable


def page_environment() -> Environment:
    """Make the loader of the pages' templates; values are escaped and shown, and a missing value is an error."""
    return Environment(
        loader=PackageLoader("hyoid.report.pages"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def page_template(name: str) -> Template:
    """Load a template of `report/pages/templates`."""
    return page_environment().get_template(name)


def _shown(value: Any) -> Any:
    """Text without what a browser would obey (reversed text, control characters); what a macro made stays."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
