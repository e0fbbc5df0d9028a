"""A reader of the words, types and values in one line of printed IR."""

from __future__ import annotations

import re

from gpusim.compiler.layout import end_of_group, end_of_type

_FLAGS_NAMES = """
nuw nsw nusw exact disjoint nneg samesign inbounds fast nnan ninf nsz arcp contract afn reassoc
volatile atomic inrange
"""
_FLAGS = frozenset(_FLAGS_NAMES.split())
_WORD = re.compile(r"[a-z_]+")


class Cursor:
    """A position in one instruction's text; each method reads one part and moves behind it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def word(self) -> str:
        """Read a keyword; ValueError where there is none."""
        match = _WORD.match(self.text, self.position)
        if match is None:
            raise ValueError(self.text)
        self.position = match.end()
        self.blank()
        return match[0]

    def flags(self) -> None:
        """Skip keywords that do not change what is executed."""
        while True:
            match = _WORD.match(self.text, self.position)
            if match is None or match[0] not in _FLAGS:
                return
            self.position = match.end()
            if self.text[self.position : self.position + 1] == "(":
                self.position = end_of_group(self.text, self.position)
            self.blank()

    def blank(self) -> None:
        """Skip blanks."""
        while self.text[self.position : self.position + 1] == " ":
            self.position += 1

    def type(self) -> str:
        """Read a type."""
        end = end_of_type(self.text, self.position)
        text = self.text[self.position : end]
        self.position = end
        self.blank()
        return text

    def value(self) -> str:
        """Read up to the next comma (or keyword) outside of brackets."""
        start = self.position
        text = self.text
        position = start
        while position < len(text):
            character = text[position]
            if character in "([{<":
                position = end_of_group(text, position)
                continue
            if character == '"':
                position = text.index('"', position + 1)
            elif character == "," or (
                character == " " and text[position + 1 : position + 2] not in ("(", "<", "[", "{")
            ):
                # A constant expression has a blank before its bracket only.
                break
            position += 1
        self.position = position
        return text[start:position].strip()

    def comma(self) -> bool:
        """Skip a comma; return whether there was one."""
        self.blank()
        if self.text[self.position : self.position + 1] == ",":
            self.position += 1
            self.blank()
            return True
        return False

    def typed(self) -> tuple[str, str]:
        """Read a type and a value of it."""
        kind = self.type()
        return kind, self.value()

    @property
    def rest(self) -> str:
        """What has not been read."""
        return self.text[self.position :]
