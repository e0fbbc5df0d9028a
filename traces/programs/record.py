"""Record the sample traces again: run every program under ``gpusim capture``, scrub, list.

    python traces/programs/record.py          # all of them
    python traces/programs/record.py --only reduction

Needs an OpenCL runtime that runs on the processor (PoCL). Writes ``traces/*.gptrace`` and
``traces/MANIFEST.yaml``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

import gpusim
from gpusim.trace import load_trace

PROGRAMS = Path(__file__).resolve().parent
TRACES = PROGRAMS.parent
MANIFEST = TRACES / "MANIFEST.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One sample trace: what is run, as which device."""

    name: str
    what: str
    profile: str
    program: str
    arguments: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of the trace in ``traces/``."""
        return f"{self.name}.gptrace"

    @property
    def command(self) -> tuple[str, ...]:
        """Words of the program's command line, relative to the checkout."""
        return ("python", f"traces/programs/{self.program}", *self.arguments)


RECORDINGS = (
    *(
        Recording(
            name=f"resnet50-l16-c{channels}",
            what=(
                f"ResNet-50 layer 16 (3x3, 128 -> {channels} channels, 28x28) the way ACL's GEMM "
                "path runs it: one weights reshape, then four times im2col and matrix product"
            ),
            profile="mali-g72",
            program="resnet50_l16.py",
            arguments=("--channels", str(channels), "--runs", "4"),
        )
        for channels in (92, 93, 96, 97)
    ),
    Recording(
        name="reduction",
        what="Sum of 262147 floats in two launches, with local memory and barriers",
        profile="mali-g72",
        program="reduction.py",
    ),
)


def capture(recording: Recording) -> dict[str, object]:
    """Capture one program, scrub the trace into ``traces/``, return its manifest entry."""
    python = sys.executable
    options = ["--as", recording.profile, "--data", "none"]
    target = TRACES / recording.file
    with tempfile.TemporaryDirectory() as folder:
        raw = str(Path(folder) / recording.file)
        program = [python, *recording.command[1:]]
        subprocess.run(
            [python, "-m", "gpusim", "capture", *options, "-o", raw, "--", *program],
            cwd=TRACES.parent,
            env=os.environ | {"PYOPENCL_NO_CACHE": "1"},
            check=True,
        )
        subprocess.run(
            [python, "-m", "gpusim", "trace", "scrub", raw, "-o", str(target)], check=True
        )
    trace = load_trace(target)
    real = trace.devices[0]["real"]
    data = target.read_bytes()
    return {
        "file": recording.file,
        "what": recording.what,
        "command": " ".join(["gpusim capture", *options, "--", *recording.command]),
        "shown_device": recording.profile,
        # PoCL's platform version goes on with build options after two spaces.
        "executed_by": real["CL_PLATFORM_VERSION"].split("  ")[0].strip(),
        "recorded_by": trace.manifest.get("created_by", f"gpusim {gpusim.__version__}"),
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "licence": "same as gpusim",
        "launches": len(trace.launches),
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def main() -> int:
    """Record the traces that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [recording.name for recording in RECORDINGS]
    parser.add_argument("--only", choices=names, action="append", help="may be given repeatedly")
    chosen = parser.parse_args().only or names

    entries: dict[str, dict[str, object]] = {}
    if MANIFEST.is_file():
        listed = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["traces"]
        entries = {entry["file"]: entry for entry in listed}
    for recording in RECORDINGS:
        if recording.name in chosen:
            entries[recording.file] = capture(recording)
            print(f"traces/{recording.file}: {entries[recording.file]['size_bytes']} bytes")
    ordered = [entries[item.file] for item in RECORDINGS if item.file in entries]
    MANIFEST.write_text(
        "# Written by traces/programs/record.py; do not edit.\n"
        + yaml.safe_dump({"traces": ordered}, sort_keys=False, width=98),
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
