"""Models drafted from clinfo: what is taken from it, from the product, from the relative."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.cli.app import main
from gpusim.device import Kind, load_device
from gpusim.device.clinfo import parse_clinfo
from gpusim.device.loader import parse_device
from gpusim.device.new_model import new_model
from gpusim.errors import DeviceError
from gpusim.units import cycles_to_ps

G76 = """\
Number of platforms                               1
  Platform Name                                   ARM Platform
Number of devices                                 1
  Device Name                                     Mali-G76
  Device Version                                  OpenCL 2.1 v1.r19p0
  Device Type                                     GPU
  Max compute units                               10
  Max clock frequency                             720MHz
  Max work group size                             384
  Global memory size                              5913288704 (5.507GiB)
  Max memory allocation                           2956644352 (2.754GiB)
  Global Memory cache size                        2097152 (2MiB)
  Local memory type                               Global
  Local memory size                               32768 (32KiB)
NULL platform behavior
    Device Name                                   Mali-G76
"""
RAW = """\
[ARM/*]  #DEVICES                                           2
[ARM/0]    CL_DEVICE_NAME                                  Mali-T628
[ARM/0]    CL_DEVICE_MAX_COMPUTE_UNITS                     4
[ARM/0]    CL_DEVICE_MAX_CLOCK_FREQUENCY                   600
[ARM/0]    CL_DEVICE_GLOBAL_MEM_CACHE_SIZE                 131072
[ARM/0]    CL_DEVICE_MAX_WORK_GROUP_SIZE                   256
[ARM/1]    CL_DEVICE_NAME                                  Mali-T628
[ARM/1]    CL_DEVICE_MAX_COMPUTE_UNITS                     2
"""


def draft(text, **given_values):
    name, model = new_model(text, "clinfo.txt", **given_values)
    return parse_device(model, f"{name}.yaml")


def listing(name, **properties):
    rows = {"Device Name": name, "Max compute units": "4"} | properties
    return "\n".join(f"  {key:<48}{value}" for key, value in rows.items())


def test_every_figure_is_assumed_and_cites_something():
    spec = draft(G76)
    assert {quantity.kind for quantity in spec.figures().values()} == {Kind.ASSUMED}
    assert all(spec.sources.values())


def test_figures_come_from_clinfo_the_product_and_the_relative():
    spec = draft(G76)
    assert (spec.id, spec.name, spec.family) == ("mali-g76", "Mali-G76", "bifrost")
    assert spec.core.n_shader_cores.value == 10
    assert spec.core.clock_khz.value == 720_000
    assert spec.limits.global_memory_bytes.value == 5_913_288_704
    assert spec.l2.size_bytes.value == 2 << 20
    assert spec.l2.n_slices.value == 8
    # Arm's datasheet of 2021: 48 flop per cycle and core, 768 threads.
    assert spec.peak_flops() == 10 * 48 * 720_000_000
    assert spec.core.max_threads.value == {32: 768, 64: 384}
    relative = load_device("mali-g52")
    assert spec.l1.hit_latency_cycles.value == relative.l1.hit_latency_cycles.value


def test_the_raw_form_and_the_first_of_two_devices():
    spec = draft(RAW)
    assert (spec.id, spec.core.n_shader_cores.value) == ("mali-t628", 4)
    assert spec.l2.size_bytes.value == 128 * 1024
    assert [device.number("CL_DEVICE_MAX_COMPUTE_UNITS") for device in parse_clinfo(RAW, "x")] == [
        4,
        2,
    ]


def test_what_is_given_wins_over_clinfo():
    spec = draft(G76, clock_mhz=650.5, dram_gb_per_s=31.8, device_id="kirin-980")
    assert spec.id == "kirin-980"
    assert spec.core.clock_khz.value == 650_500
    assert spec.dram.peak_bytes_per_s.value == 31_800_000_000


@pytest.mark.parametrize("mhz", [None, 100, 333, 850])
def test_the_parts_of_a_launch_still_add_up(mhz):
    spec = draft(G76, clock_mhz=mhz)
    host, manager = spec.host, spec.job_manager
    n_accesses = host.mmio_writes_per_submit.value + host.mmio_reads_per_submit.value
    flush = cycles_to_ps(manager.cache_flush_fixed_cycles.value, spec.core.clock_khz.value)
    parts = host.enqueue_ps.value + host.submit_ps.value + n_accesses * host.mmio_access_ps.value
    assert parts + manager.descriptor_fetch_ps.value + flush == host.launch_latency_ps.value


@pytest.mark.parametrize(
    ("name", "family", "flops_per_cycle_and_core"),
    [
        ("Mali-T604", "midgard", 16),
        ("Mali-T720", "midgard", 8),
        ("Mali-T760", "midgard", 16),
        ("Mali-T830", "midgard", 16),
        ("Mali-T880", "midgard", 24),
        ("Mali-G31 r0p0", "bifrost", 8),
        ("Mali-G71", "bifrost", 24),
        ("Mali-G52 r1p0", "bifrost", 32),
        ("Mali-G78", "valhall", 64),
        ("Mali-G710", "valhall", 128),
        ("Mali-LODX r0p0", "valhall", 128),
        ("NVIDIA Tegra X1", "maxwell", 256),
        ("QUALCOMM Adreno(TM)", "adreno", 128),
    ],
)
def test_the_family_and_width_follow_from_the_name(name, family, flops_per_cycle_and_core):
    spec = draft(listing(name), clock_mhz=500)
    assert spec.family == family
    assert spec.peak_flops() == 4 * flops_per_cycle_and_core * 500_000_000


def test_other_names_of_nvidia_and_adreno():
    cuda = listing("GeForce GTX 1050", **{"Compute Capability (NV)": "6.1"})
    assert draft(cuda).family == "pascal"
    adreno = listing(
        "QUALCOMM Adreno(TM)", **{"Device OpenCL C Version": "OpenCL C 2.0 Adreno(TM) 640"}
    )
    assert draft(adreno).id == "adreno-640"


def test_work_groups_larger_than_the_relative_holds_raise_its_threads():
    spec = draft(G76.replace("size                             384", "size       1024"))
    assert spec.limits.max_work_group_size.value == 1024
    assert spec.core.max_threads.value == {32: 1024, 64: 384}


def test_a_clock_of_one_megahertz_means_unknown():
    spec = draft(G76.replace("720MHz", "1MHz"))
    assert spec.core.clock_khz.value == load_device("mali-g52").core.clock_khz.value


def test_an_odd_cache_size_keeps_the_relatives():
    spec = draft(G76.replace("2097152 (2MiB)", "1000"))
    assert spec.l2.size_bytes.value == load_device("mali-g52").l2.size_bytes.value


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "no OpenCL device"),
        ("Number of platforms  0\n", "no OpenCL device"),
        (listing("pthread-skylake"), "found pthread-skylake"),
        (
            listing("Tesla V100", **{"Compute Capability (NV)": "7.0"}),
            "no device of a known family",
        ),
        (G76.replace("units                               10", "units    99999999"), "impossible"),
    ],
)
def test_listings_that_cannot_be_used(text, fragment):
    with pytest.raises(DeviceError, match=fragment):
        draft(text)


@pytest.mark.parametrize("mhz", [float("nan"), float("inf"), 1e308, -5, 0])
def test_impossible_clocks_are_refused(mhz):
    with pytest.raises(DeviceError, match="clock_khz"):
        draft(G76, clock_mhz=mhz)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.integers(0, len(G76) - 1),
    st.integers(0, 40),
    st.text(max_size=20) | st.sampled_from(["99999999999999999999", "-1", "0", "\x00", "   "]),
)
def test_damaged_listings_end_in_a_model_or_one_line(at, span, text):
    try:
        spec = draft(G76[:at] + text + G76[at + span :])
    except DeviceError as refused:
        lines = str(refused).splitlines()
        assert len(lines) == 1
    else:
        assert spec.peak_flops() > 0


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["device", "new", *arguments])
    return stop.value.code


def test_the_command_writes_a_model_that_loads_and_never_overwrites(tmp_path, capsys):
    (tmp_path / "clinfo.txt").write_text(G76)
    written = tmp_path / "board.yaml"
    arguments = ("--from", str(tmp_path / "clinfo.txt"), "-o", str(written), "--clock", "700")
    assert run(*arguments) == 0
    assert load_device(written).core.clock_khz.value == 700_000
    before = written.read_text()
    capsys.readouterr()
    assert run(*arguments) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert written.read_text() == before


def test_the_command_needs_a_listing(tmp_path, capsys):
    assert run() == 2
    assert run("--from", str(tmp_path / "absent.txt")) == 2
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    assert run("--from", str(tmp_path / "bad.txt"), "-o", str(tmp_path / "x.yaml")) == 2
    assert not (tmp_path / "x.yaml").exists()
    assert len(capsys.readouterr().err.splitlines()) == 3
