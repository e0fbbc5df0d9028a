"""What a simulator has to beat on the same folds: the nearest record, and a black box.

Neither knows the hardware. The nearest neighbour scales the time of the most similar record it
may see by multiply-adds; the black box is gradient boosting on the simulator's exact counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gpusim.errors import GpusimError

Floats = npt.NDArray[np.float64]

_COUNTS = (
    "work_items",
    "arithmetic_instructions",
    "memory_instructions",
    "dram_bytes",
    "argument_bytes",
    "n_launches",
    "registers",
)
"""Features without the prediction itself."""
_SEED = 0


def nearest_neighbour(
    templates: Sequence[str],
    dtypes: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    macs: Floats,
    measured_s: Floats,
    folds: npt.NDArray[np.int64],
) -> Floats:
    """Return (n,) the time of the nearest record of another fold, scaled by multiply-adds.

    Nearest by the distance of the logarithms of the extents, among records of the same template
    and type; nan where there is none.
    """
    found = np.full(len(shapes), np.nan)
    logs = [np.log(np.array(shape, dtype=np.float64)) for shape in shapes]
    for one in range(len(shapes)):
        best = np.inf
        for other in range(len(shapes)):
            if (
                folds[other] == folds[one]
                or (templates[other], dtypes[other]) != (templates[one], dtypes[one])
                or len(shapes[other]) != len(shapes[one])
            ):
                continue
            distance = float(np.linalg.norm(logs[one] - logs[other]))
            if distance < best:
                best = distance
                found[one] = measured_s[other] * macs[one] / macs[other]
    return found


def black_box(
    features: Sequence[Mapping[str, float]],
    templates: Sequence[str],
    dtypes: Sequence[str],
    macs: Floats,
    measured_s: Floats,
    folds: npt.NDArray[np.int64],
) -> Floats:
    """Return (n,) times by gradient-boosted trees trained on the other folds.

    Features are logarithms of exact counts, the multiply-adds, template and type; the target is
    ln(time). Needs scikit-learn.

    Raises
    ------
    GpusimError
        When scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import GradientBoostingRegressor
    except ImportError as error:
        raise GpusimError("the black-box baseline needs scikit-learn (extra 'dev')") from error

    names = sorted(set(templates))
    types = sorted(set(dtypes))
    columns = [[np.log1p(row[name]) for name in _COUNTS] for row in features]
    table = np.array(
        [
            [*counts, np.log1p(mac), float(names.index(template)), float(types.index(dtype))]
            for counts, mac, template, dtype in zip(columns, macs, templates, dtypes, strict=True)
        ]
    )
    target = np.log(measured_s)
    found = np.full(len(target), np.nan)
    for fold in np.unique(folds):
        held_out = folds == fold
        if held_out.all():
            continue
        model = GradientBoostingRegressor(
            n_estimators=300, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=_SEED
        )
        model.fit(table[~held_out], target[~held_out])
        found[held_out] = np.exp(model.predict(table[held_out]))
    return found
