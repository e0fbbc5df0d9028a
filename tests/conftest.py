"""Shared fixtures: where the reference files are, what happens when something is missing."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, and no judgement by the clock: a first example that compiles a
# kernel takes longer than the next ones, and machines are busy. `make fuzz` draws new examples.
settings.register_profile(
    "gpusim",
    deadline=None,
    derandomize=os.environ.get("GPUSIM_FUZZ") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gpusim")

CHECKOUT = Path(__file__).resolve().parent.parent


def need(condition: object, what: str) -> None:
    """Skip when `what` is missing; fail instead where CI promises that it is there."""
    if condition:
        return
    if os.environ.get("GPUSIM_CI") == "1":
        pytest.fail(f"CI should provide {what}")
    pytest.skip(f"{what} is not here")


def shared_dir() -> Path:
    """Return the folder of reference files; the test skips (CI: fails) without it."""
    path = Path(os.environ.get("GPUSIM_SHARED", CHECKOUT.parent / "shared"))
    need(path.is_dir(), "the shared reference files")
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Give each test session worker its own cache, so no test leans on an older run."""
    root = tmp_path_factory.getbasetemp() / "gpusim-cache"
    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(root))
