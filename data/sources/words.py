"""What data sets call things, in our words: the sections of `data/lexicon/sources.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def of(section: str) -> dict[str, Any]:
    """A section of the file. Raises KeyError where there is none."""
    table: dict[str, Any] = tomllib.loads((files("data") / "lexicon" / "sources.toml").read_text("utf-8"))[
        section
    ]
    return table
