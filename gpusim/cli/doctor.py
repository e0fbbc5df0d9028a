"""``gpusim doctor``: what is installed, what works, what is missing and how to get it."""

from __future__ import annotations

from typing import Any

import typer

from gpusim.cli.output import JsonOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("doctor")
    def doctor(as_json: bool = JsonOption) -> None:
        """Try out what gpusim needs; exit code 0 when its core works."""
        from dataclasses import asdict

        from gpusim.cli.doctor_checks import run_checks

        checks = run_checks()
        works = all(check.status == "ok" for check in checks if check.group == "core")
        if as_json:
            print_json({"ok": works, "checks": [asdict(check) for check in checks]})
        else:
            _print(checks, works)
        raise typer.Exit(0 if works else 1)


def _print(checks: list[Any], works: bool) -> None:
    marks = {"ok": "ok", "missing": "--", "broken": "FAIL"}
    rows = [(marks[check.status], check.group, check.name, check.found) for check in checks]
    print_table(("", "part", "what", "found"), rows)
    wanting = [check for check in checks if check.status != "ok"]
    if wanting:
        print("\nHow to get what is missing")
        for check in wanting:
            print(f"  {check.name} ({check.use}): {check.get}")
    print(f"\nThe core {'works' if works else 'does NOT work'}: replay, count and predict.")
