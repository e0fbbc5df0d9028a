"""Every case of the corpus, by kernel name."""

from __future__ import annotations

from tests.corpus import (
    cases_conv,
    cases_dense,
    cases_half,
    cases_images,
    cases_language,
    cases_network,
    cases_reduce,
    cases_science,
    cases_sparse,
)
from tests.corpus.case import Case

_FAMILIES = (
    cases_dense,
    cases_sparse,
    cases_conv,
    cases_reduce,
    cases_science,
    cases_network,
    cases_language,
    cases_half,
    cases_images,
)
CASES: dict[str, Case] = {
    name: case for module in _FAMILIES for name, case in module.CASES.cases.items()
}
