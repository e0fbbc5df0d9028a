"""Predicting networks on CPUs: sums, memory that stays, the shared form of results."""

from dataclasses import replace

import pytest

from gpusim.device.cpu import load_cpu
from gpusim.errors import GpusimError
from gpusim.library.sparse.storage import Storage
from gpusim.network.layers import LayerKind
from gpusim.network.tables import load_network
from gpusim.study.cpu_predict import run_network
from gpusim.study.predict import predict
from gpusim.study.stack import StackPoint, Technique, pareto

NETWORK = load_network("mobilenet-cifar10")
XU4 = load_cpu("odroid-xu4-cpu")


def test_layers_add_up():
    run = run_network(NETWORK, XU4, threads=2)
    assert run.total_ps == sum(one.time.total_ps for one in run.layers)
    assert len(run.layers) == len(NETWORK.layers)


def test_predict_gives_the_same_time_in_the_common_form():
    result = predict(NETWORK, "odroid-xu4-cpu", "openmp", threads=2)
    run = run_network(NETWORK, XU4, threads=2)
    assert result.total_ps == run.total_ps
    document = result.as_json()
    assert document["library"] == "openmp"
    assert sum(row["predicted_ms"] for row in document["layers"]) == pytest.approx(result.total_ms)
    assert document["memory"]["weights_bytes"] == sum(one.stored_bytes for one in run.layers)
    assert sum(document["evidence"].values()) >= 15


def test_sparsity_means_csr():
    sparse = predict(NETWORK, "odroid-xu4-cpu", "openmp", sparsity=0.5)
    run = run_network(NETWORK, XU4, storage=Storage.CSR_FILTERS, sparsity=0.5)
    assert sparse.total_ps == run.total_ps


def test_full_vectors_are_faster_where_compiled_code_is_scalar():
    plain, vector = (predict(NETWORK, "odroid-xu4-cpu", name) for name in ("openmp", "openmp-simd"))
    assert vector.total_ps < plain.total_ps


def test_small_weights_stay_in_the_last_level():
    """MobileNet's flat weights are 12.8 MB: beyond 2 MiB; of its first layers they are not."""
    small = replace(NETWORK, layers=NETWORK.layers[:3])
    assert all(one.time.memory_ps == 0 for one in run_network(small, XU4).layers)
    assert any(one.time.memory_ps > 0 for one in run_network(NETWORK, XU4).layers)


@pytest.mark.parametrize(
    ("library", "options", "said"),
    [
        ("openmp", {"threads": 9}, "1 to 8"),
        ("openmp", {"dtype": "f16"}, "dtype"),
        ("openmp", {"batch": 4}, "batch"),
        ("openmp", {"sparsity": 1.0}, "sparsity"),
        ("acl", {"threads": 2}, "threads"),
        ("acl", {"sparsity": 0.5}, "sparsity"),
    ],
)
def test_options_that_do_not_fit_are_refused(library, options, said):
    device = "odroid-xu4-cpu" if library == "openmp" else "mali-t628"
    with pytest.raises(GpusimError, match=said):
        predict(NETWORK, device, library, **options)


def test_layers_without_loops_are_refused():
    odd = replace(NETWORK.layers[0], kind=LayerKind.OTHER)
    with pytest.raises(GpusimError, match="no loop"):
        run_network(replace(NETWORK, layers=(odd,)), XU4)


def test_the_front_has_what_nothing_beats():
    def point(ms, n_bytes):
        return StackPoint(
            network="n", technique=Technique.PLAIN, rate=0.0, device="d", library="l", threads=1,
            total_ms=ms, macs=1, weight_bytes=n_bytes,
        )  # fmt: skip

    points = [point(3.0, 1), point(1.0, 5), point(2.0, 5), point(2.0, 3), point(4.0, 2)]
    assert pareto(points) == (point(1.0, 5), point(2.0, 3), point(3.0, 1))
