"""Entry point: the Typer application and the one place that turns errors into exit codes."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from gpusim.errors import GpusimError

COMMANDS: tuple[str, ...] = (
    "calibrate",
    "capture",
    "compare",
    "count",
    "demo",
    "device",
    "devices",
    "doctor",
    "dynamic",
    "info",
    "lower",
    "measure",
    "plan",
    "predict",
    "prune",
    "replay",
    "sweep",
    "trace",
    "tune",
    "validate",
    "why",
)
"""Modules of `gpusim.cli`, each with a function ``register(app)``. They import the stages they
need inside the command, so that ``gpusim --help`` stays fast."""


def build_app() -> typer.Typer:
    """Return the application with every command registered."""
    app = typer.Typer(
        name="gpusim",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Capture OpenCL launches, replay them on models of embedded GPUs.",
    )

    @app.callback()
    def options(
        debug: bool = typer.Option(False, "--debug", help="Show a traceback with an error."),
    ) -> None:
        """Capture, replay and predict OpenCL programs on models of embedded GPUs."""

    for name in COMMANDS:
        import_module(f"gpusim.cli.{name}").register(app)
    return app


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit 0 on success, 2 on bad input, 1 on anything else.

    Parameters
    ----------
    argv : list of str, optional
        Arguments without the program name; ``sys.argv[1:]`` by default.
    """
    arguments, debug = _take_debug(sys.argv[1:] if argv is None else argv)
    try:
        build_app()(args=arguments, prog_name="gpusim")
    except GpusimError as error:
        if debug:
            raise
        print(f"gpusim: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away; not an error of ours.
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        print("gpusim: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"gpusim: internal error: {text} (--debug shows where)", file=sys.stderr)
        sys.exit(1)


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Accept ``--debug`` anywhere, except among the words of a program to capture."""
    own = arguments[:1] if "capture" in arguments[:2] else arguments
    if "--debug" not in own:
        return arguments, False
    position = arguments.index("--debug")
    return arguments[:position] + arguments[position + 1 :], True


if __name__ == "__main__":
    main()
