"""Build HTML and SVG so that no text can become markup by accident.

Kernel names, trace names and error messages come from strangers. Everything is text, and
escaped, unless it was made by :func:`tag`.
"""

from __future__ import annotations

import html
import re

_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Characters that are not allowed in HTML, or that reorder what surrounds them on the screen."""
_VOID = frozenset({"br", "col", "meta"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return `value` escaped; markup stays as it is."""
    if isinstance(value, Markup):
        return value
    # A lone surrogate can't be written as UTF-8.
    legible = str(value).encode("utf-8", "replace").decode("utf-8")
    return Markup(html.escape(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", legible)))


def join(*parts: object) -> Markup:
    """Return the parts one after the other, each escaped unless it is markup."""
    return Markup("".join(text(part) for part in parts))


def tag(element: str, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Parameters
    ----------
    element : str
        Name of the element; never from outside.
    *children
        Contents; escaped unless they are markup.
    **attributes
        ``class_`` means ``class``, an underscore inside a name a hyphen. None is left out,
        numbers are written with at most two decimals.
    """
    opened = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if element in _VOID:
        return Markup(f"<{element}{opened}>")
    return Markup(f"<{element}{opened}>{join(*children)}</{element}>")


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else text(value)


def short(name: str, limit: int = 60) -> str:
    """Return a name cut in its middle if it is longer than `limit`."""
    if len(name) <= limit:
        return name
    head = (limit - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (limit - 1 - head) :]}"


def number(value: float) -> str:
    """Return a coordinate: two decimals, no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"
