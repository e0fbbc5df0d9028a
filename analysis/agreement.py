"""Rows of the gallery's agreement tables: what a paper says beside what the models say."""

from __future__ import annotations

from typing import Any


def number(
    what: str,
    published: float | None,
    ours: float,
    *,
    unit: str = "",
    calibrated: bool = False,
) -> dict[str, Any]:
    """Return a row that compares a number.

    Parameters
    ----------
    what : str
        The quantity.
    published : float or None
        None when the paper shows it in a picture only, or its value was kept from us.
    ours : float
    unit : str
    calibrated : bool
        Whether a device model was fitted to the published value; it then tests nothing.
    """
    error = None if not published else ours / published - 1.0
    return {
        "what": what,
        "published": published,
        "ours": ours,
        "unit": unit,
        "error": error,
        "calibrated": calibrated,
    }


def claim(what: str, holds: bool, ours: str = "") -> dict[str, Any]:
    """Return a row for a direction that the paper states: whether it holds for the models."""
    return {
        "what": what,
        "published": "stated",
        "ours": ours or ("holds" if holds else "does not hold"),
        "unit": "",
        "error": None,
        "calibrated": False,
        "holds": holds,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows, for a script that is run by hand."""
    for row in rows:
        error = "" if row["error"] is None else f"  {row['error']:+.1%}"
        print(f"{row['what']}: published {text(row['published'])}, ours {text(row['ours'])}{error}")


def text(value: Any) -> str:
    """Return a value as the gallery writes it."""
    if value is None:
        return "not published"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return f"{int(value):,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
