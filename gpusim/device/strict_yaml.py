"""The small, predictable part of YAML that device models are written in.

Built on the parser's events instead of a YAML loader, because a loader's conveniences are what
makes YAML surprising: anchors that expand without bound, tags that construct objects, ``010``
meaning eight, ``1e9`` meaning text, a repeated key that silently wins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from gpusim.errors import DeviceError, located

MAX_BYTES = 1 << 18
"""Size limit of one file; the largest model that ships is a few per cent of it."""
MAX_DEPTH = 16
_MAX_NUMBER_TEXT = 40
_SHOWN = 60
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shown(value: object) -> str:
    """Return `value` short enough for a one-line message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def parse_yaml(text: str, file: str) -> Any:
    """Parse one YAML document into dictionaries, lists and scalars.

    Parameters
    ----------
    text : str
        The document.
    file : str
        Name for error messages.

    Returns
    -------
    object
        ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` or ``None``; keys are ``str``
        or ``int``. Numbers are decimal, finite, and only such when unquoted.

    Raises
    ------
    DeviceError
        On a syntax error, an anchor, alias or tag, a repeated key, more than one document, a
        file above `MAX_BYTES`, or nesting deeper than `MAX_DEPTH`.
    """
    if len(text) > MAX_BYTES:
        raise DeviceError(
            located(
                file,
                "file too large",
                expected=f"at most {MAX_BYTES} characters",
                found=len(text),
            )
        )
    # One event at a time: libyaml takes time quadratic in the depth of brackets, so the depth
    # has to be checked while it reads.
    events = iter(yaml.parse(text, Loader=_Loader))
    try:
        return _document(events, file)
    except (yaml.YAMLError, UnicodeError) as error:
        problem = getattr(error, "problem", None) or error
        raise DeviceError(located(_place(file, error), f"not valid YAML: {problem}")) from None


def _document(events: Iterator[Any], file: str) -> Any:
    next(events)  # the stream's start
    if not isinstance(next(events), yaml.DocumentStartEvent):
        raise DeviceError(located(file, "empty", expected="one YAML document"))
    value = _Builder(file).node(next(events), events, 0)
    next(events)  # the document's end
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise DeviceError(located(file, "more than one YAML document", expected="one"))
    return value


def _place(file: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return file if mark is None else f"{file}: line {mark.line + 1}"


class _Builder:
    """Turns events into values; knows the file for messages."""

    def __init__(self, file: str) -> None:
        self._file = file

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        """Return the value that starts with `event`, consuming its events."""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._error(event, "anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise self._error(event, "tags are not allowed", found=shown(event.tag))
        if depth > MAX_DEPTH:
            raise self._error(event, "nested too deeply", expected=f"at most {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, depth)
        return self._scalar(event)

    def _mapping(self, events: Iterator[Any], depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.node(event, events, depth + 1)
            if isinstance(key, bool) or not isinstance(key, (str, int)):
                raise self._error(event, "bad key", expected="a word or a number", found=shown(key))
            if key in result:
                raise self._error(event, f"key {shown(key)} appears twice")
            result[key] = self.node(next(events), events, depth + 1)
        return result

    def _sequence(self, events: Iterator[Any], depth: int) -> list[Any]:
        result = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            result.append(self.node(event, events, depth + 1))
        return result

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style:  # quoted or a block: text as it stands
            return text
        if text in _WORDS:
            return _WORDS[text]
        is_integer = _INTEGER.match(text) is not None
        if not is_integer and _FLOAT.match(text) is None:
            return text
        if len(text) > _MAX_NUMBER_TEXT:
            raise self._error(event, "number too long", expected=f"{_MAX_NUMBER_TEXT} characters")
        if is_integer:
            return int(text)
        number = float(text)
        if not math.isfinite(number):
            raise self._error(event, "number too large", found=shown(text))
        return number

    def _error(self, event: Any, problem: str, **sides: Any) -> DeviceError:
        return DeviceError(
            located(f"{self._file}: line {event.start_mark.line + 1}", problem, **sides)
        )
