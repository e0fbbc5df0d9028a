"""The errors a user can meet; each is one line that names file, place, expected and found.

Everything that is the input's fault derives from :class:`GpusimError`. The command line prints
its text on stderr and exits with code 2; any other exception is a bug in gpusim.
"""


class GpusimError(Exception):
    """Base of every error that the input or the machine, not gpusim, is to blame for."""


class DeviceError(GpusimError):
    """A device model is unknown, malformed or physically impossible."""


class TraceError(GpusimError):
    """A trace is truncated, corrupt, of an unknown version, or contradicts itself."""


class CaptureError(GpusimError):
    """A program could not be captured: no compiler, no OpenCL runtime, a failed child."""


class CompileError(GpusimError):
    """A kernel's source does not compile, or uses what is refused."""


class CountError(GpusimError):
    """A kernel could not be executed for counting: out of bounds, out of fuel, wrong arguments."""


class LowerError(GpusimError):
    """A launch is not legal on the device: work-group too large, buffer does not fit."""


class OutputError(GpusimError):
    """A result could not be written where the user asked."""


_MAX_FOUND = 300
"""Characters of a wrong value that a message quotes."""


def located(where: object, problem: str, *, expected: str = "", found: object = "") -> str:
    """Build the one-line text of an error.

    Parameters
    ----------
    where : object
        File and place, e.g. ``"t.gptrace: launches.parquet: row 7"``.
    problem : str
        What is wrong, in a few words.
    expected, found : str, object
        Both sides of the contradiction; each is left out when empty.

    Returns
    -------
    str
        ``where: problem (expected ..., found ...)`` on one line.
    """
    value = str(found)
    if len(value) > _MAX_FOUND:
        value = f"{value[:_MAX_FOUND]}..."
    detail = [f"expected {expected}" if expected else "", f"found {value}" if value else ""]
    tail = ", ".join(part for part in detail if part)
    text = f"{where}: {problem}" + (f" ({tail})" if tail else "")
    # Quoted input may hold control characters; none reaches a terminal.
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
