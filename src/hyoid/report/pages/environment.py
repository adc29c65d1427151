"""The templates of the pages, as Jinja reads them."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page_environment() -> Environment:
    """Where the templates lie; everything put into one is escaped, and a missing value is an error."""
    return Environment(
        loader=PackageLoader("hyoid.report.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def page_template(name: str) -> Template:
    """A template of `report/pages/templates`."""
    return page_environment().get_template(name)
