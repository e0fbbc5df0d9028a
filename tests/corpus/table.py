"""Every case of the corpus, by kernel name."""

from __future__ import annotations

from tests.corpus import cases_conv, cases_dense, cases_sparse
from tests.corpus.case import Case

CASES: dict[str, Case] = {
    name: case
    for module in (cases_dense, cases_sparse, cases_conv)
    for name, case in module.CASES.cases.items()
}
