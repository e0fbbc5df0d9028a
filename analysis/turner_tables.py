"""TURNER Tables III to VI: compression rates and the memory of every network and technique."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim.library.sparse.storage import Storage
from gpusim.study.compression import Technique
from gpusim.study.stack import AT_90, ELBOW, NETWORKS, compressed

NOTE = """
The paper gives plain VGG-16 111.4 MB in one table and 309.9 MB in the other, against 60 MB of
weights. Both are what glibc's 32-bit allocator takes for nested C arrays: the first when every row
of a 3x3 filter is an allocation of its own, the second when every weight is. The same two layouts
give ResNet-18's pair. A 1x1 filter is one allocation in both, which is why MobileNet hardly differs
between the tables. Sparse filters as three arrays behind three pointers (one word more for TTQ)
give the sparse columns of the first table. These layouts were chosen by looking at the plain and
the MobileNet figures, which therefore test nothing. Not understood: the sparse figures of
ResNet-18 and MobileNet at 90 %, below what the same layout takes in the first table, and
channel-pruned VGG-16 at 90 %.
"""

MB = 1e6
_PLAIN, _WP, _CP, _TTQ = Technique
PUBLISHED_MB = {
    "elbow": {
        "vgg16-cifar10": {_PLAIN: 111.4, _WP: 144.4, _CP: 17.9, _TTQ: 130.3},
        "resnet18-cifar10": {_PLAIN: 89.0, _WP: 99.4, _CP: 31.6, _TTQ: 100.8},
        "mobilenet-cifar10": {_PLAIN: 69.1, _WP: 188.5, _CP: 10.8, _TTQ: 201.1},
    },
    "90 %": {
        "vgg16-cifar10": {_PLAIN: 309.9, _WP: 112.2, _CP: 74.9, _TTQ: 114.1},
        "resnet18-cifar10": {_PLAIN: 233.8, _WP: 66.1, _CP: 13.1, _TTQ: 66.9},
        "mobilenet-cifar10": {_PLAIN: 66.3, _WP: 40.9, _CP: 2.7, _TTQ: 63.3},
    },
}
SHORT = dict(zip(Technique, ("-", "wp", "cp", "ttq"), strict=True))
DENSE = {"elbow": Storage.ROWS, "90 %": Storage.SCALARS}
"""How each table's dense networks are held, as far as their figures tell."""


def main() -> dict[str, Any]:
    """Compute every cell, draw, compare."""
    rows, ours, published, labels = [], [], [], []
    for table, rates in (("elbow", ELBOW), ("90 %", AT_90)):
        for network in NETWORKS:
            for technique in Technique:
                one = compressed(network, technique, rates)
                is_dense = technique in (Technique.PLAIN, Technique.CHANNEL_PRUNING)
                storage = DENSE[table] if is_dense else one.storage
                megabytes = one.weight_bytes(storage) / MB
                said = PUBLISHED_MB[table][network][technique]
                is_chosen = technique is Technique.PLAIN or (
                    table == "elbow" and not is_dense and network == "mobilenet-cifar10"
                )
                name = f"{network.removesuffix('-cifar10')}, {technique.value}, {table}"
                rows.append(
                    agreement.number(
                        f"{name} ({storage.value})",
                        said,
                        megabytes,
                        unit="MB",
                        calibrated=is_chosen,
                    )
                )
                ours.append(megabytes)
                published.append(said)
                labels.append(f"{SHORT[technique]}\n{network[:3]}\n{table[:2]}")
    for network in NETWORKS:
        cells = {technique: compressed(network, technique, ELBOW) for technique in Technique}
        sizes = {technique: one.weight_bytes() for technique, one in cells.items()}
        rows.append(
            agreement.claim(
                f"{network}: channel pruning takes least, CSR more than plain",
                min(sizes, key=sizes.__getitem__) is Technique.CHANNEL_PRUNING
                and min(sizes[Technique.WEIGHT_PRUNING], sizes[Technique.TTQ])
                > sizes[Technique.PLAIN],
            )
        )
    drawing.bars(
        "turner_tables",
        {"published": published, "nested arrays, 32-bit allocator": ours},
        labels,
        title="Memory of weights: Table IV (elbow) and VI (90 %)",
        y="MB",
        logarithmic=True,
    )
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
