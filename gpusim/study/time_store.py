"""Times by content key, in memory and in one database file, so that a stopped sweep resumes.

A key holds everything that a time depends on, so an entry never goes stale. The file is named
after the version of the code that filled it. A cache that cannot be read or written is no error:
what it lacks is computed again.
"""

from __future__ import annotations

import contextlib
import sqlite3
from functools import cache
from pathlib import Path

from gpusim.compiler.cache import content_key
from gpusim.resources import cache_dir

_STAGES = ("compiler", "count", "device", "isa", "loops", "lower", "timing")
"""Packages whose code a time depends on."""
_TABLE = "CREATE TABLE IF NOT EXISTS times (key TEXT PRIMARY KEY, value TEXT)"
_BUSY_SECONDS = 20.0
"""How long to wait for another process that writes."""
_MAX_REMEMBERED = 200_000


@cache
def code_digest() -> str:
    """Return a hash of the code that turns a launch into a time."""
    package = Path(__file__).resolve().parent.parent
    files = [
        path
        for stage in _STAGES
        for path in sorted((package / stage).rglob("*"))
        if path.suffix in (".py", ".h")
    ]
    files.append(Path(__file__).with_name("launch_time.py"))
    return content_key(*(file.read_bytes() for file in files))


class TimeStore:
    """Texts by key; those of the memory first, then those of the file."""

    def __init__(self, path: Path | None) -> None:
        """Open a store.

        Parameters
        ----------
        path : Path, optional
            The database; None keeps everything in memory.
        """
        self.path = path
        self._memory: dict[str, str] = {}
        self._file = None if path is None else _open(path)

    def get(self, key: str) -> str | None:
        """Return the text of a key, None when there is none."""
        found = self._memory.get(key)
        if found is None and self._file is not None:
            try:
                row = self._file.execute("SELECT value FROM times WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error:
                self._give_up()
                return None
            found = None if row is None else str(row[0])
            if found is not None:
                self._remember(key, found)
        return found

    def put(self, key: str, value: str) -> None:
        """Store a text; it is on disk when the call returns, unless the file is broken."""
        self._remember(key, value)
        if self._file is not None:
            try:
                self._file.execute("INSERT OR REPLACE INTO times VALUES (?, ?)", (key, value))
            except sqlite3.Error:
                self._give_up()

    def close(self) -> None:
        """Close the file."""
        self._give_up()

    def _remember(self, key: str, value: str) -> None:
        if len(self._memory) >= _MAX_REMEMBERED:
            self._memory.clear()
        self._memory[key] = value

    def _give_up(self) -> None:
        if self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                self._file.close()
        self._file = None


def shared_store() -> TimeStore:
    """Return this process's store in the user's cache folder."""
    return _store_at(cache_dir() / "times" / f"{code_digest()[:20]}.sqlite")


@cache
def _store_at(path: Path) -> TimeStore:
    return TimeStore(path)


def _open(path: Path) -> sqlite3.Connection | None:
    """Return the database, made anew when the file is damaged; None where none can be."""
    for attempt in range(2):
        connection = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Every statement is its own transaction; the log makes that cheap.
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS times (key TEXT PRIMARY KEY, value TEXT)"
            )
            return connection
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.OperationalError
            )
            if attempt or not damaged:
                return None
            with contextlib.suppress(OSError):
                path.unlink()
    return None
