"""Importers, on small samples written for the tests in the forms that the tools document."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpusim.cli.app import main
from gpusim.errors import TraceError
from gpusim.validation.importers import import_measured, is_foreign
from gpusim.validation.measured_rows import read_measured_rows

CLPEAK = """
Platform: ARM Platform
  Device: Mali-T860
    Driver version  : 1.2 (Linux ARM)
    Compute units   : 4
    Clock frequency : 800 MHz

    Global memory bandwidth (GBPS)
      float   : 3.50
      float16 : 5.25

    Single-precision compute (GFLOPS)
      float   : 20.5

    Integer compute (GIOPS)
      int4   : 10

    Transfer bandwidth (GBPS)
      enqueueMapBuffer(for read) : 440.50
        memcpy from mapped ptr   : 2.25

    Kernel launch latency : 80.5 us
"""
CLPEAK3 = """Backend: OpenCL
  Device 0: Mali-G610
    Single-precision compute
      float4   : 0.45 TFLOPS
    Kernel launch latency
      dispatch : 41 us
      roundtrip : 90 us
Backend: Vulkan
  Device 0: Mali-G610
    Global memory bandwidth
      float4   : 27 GB/s
"""
CLPEAK_XML = """<?xml version="1.0" encoding="utf-8"?>
<clpeak os="Linux"><platform name="ARM Platform">
<device name="Mali-T860" driver_version="1.2"><global_memory_bandwidth unit="gbps">
<float>3.5</float><float16>5.25</float16></global_memory_bandwidth>
<kernel_launch_latency unit="us">80.5</kernel_launch_latency></device></platform></clpeak>
"""
CLPEAK_XML2 = """<?xml version="1.0" encoding="utf-8"?>
<clpeak format_version="2" clpeak_version="2.0" os="Linux">
<run backend="OpenCL" platform="ARM" device="Mali-T860" driver="1.2"><category name="fp_compute">
<test name="single_precision_compute" unit="gflops"><metric name="float">20.5</metric>
<metric name="double" status="unsupported" reason="no fp64"/></test></category></run></clpeak>
"""
CLPEAK_JSON2 = {
    "format_version": 2, "clpeak_version": "2.0", "entries": [
        {"backend": "OpenCL", "platform": "ARM", "device": "Mali-T860", "driver": "1",
         "category": "bandwidth", "test": "global_memory_bandwidth", "metric": "float",
         "unit": "gbps", "value": 3.5},
        {"backend": "OpenCL", "platform": "ARM", "device": "Mali-T860", "driver": "1",
         "category": "fp_compute", "test": "half_precision_compute", "metric": "half",
         "unit": "gflops", "status": "unsupported", "reason": "none"},
    ],
}  # fmt: skip
CLPEAK_JSON3 = {
    "schema": "clpeak/run", "format_version": 3, "clpeak_version": "3.0.0", "devices": [
        {"backend": "OpenCL", "name": "Mali-G610", "tests": [
            {"id": "half_precision_compute", "unit": "FLOPS",
             "metrics": [{"id": "half4", "value": 9.1e11}, {"id": "half8", "status": "error"}]},
            {"id": "kernel_launch_latency", "unit": "s",
             "metrics": [{"id": "dispatch", "value": 4.1e-5}]},
            {"id": "texture_sample_rate", "unit": "Texel/s",
             "metrics": [{"id": "rgba8", "value": 1e9}]},
        ]},
    ],
}  # fmt: skip
CLPEAK_CSV = (
    "format_version,backend,platform,device,driver,category,test,metric,unit,status,value,reason\n"
    '2,"OpenCL","ARM","Mali-T860","1","bandwidth","global_memory_bandwidth","float","gbps","ok",'
    '3.5000,""\n'
    '2,"OpenCL","ARM","Mali-T860","1","x","half_precision_compute","half","gflops","error",,"no"\n'
)
NSYS = (
    "Generating 'report.sqlite'\n\n ** CUDA GPU Trace (cuda_gpu_trace):\n\n"
    "Start (ns),Duration (ns),CorrId,GrdX,GrdY,GrdZ,BlkX,BlkY,BlkZ,Reg/Trd,StcSMem (MB),"
    "DymSMem (MB),Bytes (MB),Throughput (MB/s),SrcMemKd,DstMemKd,Device,Ctx,Strm,Name\n"
    "10,900,1,,,,,,,,,,0.5,1000,Pageable,Device,Xavier (0),1,7,[CUDA memcpy Host-to-Device]\n"
    "1000,5000,2,160,2,1,256,1,1,32,0.0,0.0,,,,,Xavier (0),1,7,"
    '"void gemm<float, 4>(float *, int)"\n'
)
NSYS_OLD = NSYS.replace("Start (ns),Duration (ns)", "Start(nsec),Duration(nsec)")
NSYS_SUM = (
    "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name\n"
    '100.0,15000,3,5000.0,4900.0,4800,5300,10.0,"gemm(float *)"\n'
)
NCU = (
    "==PROF== Connected to process 7\n"
    '"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size",'
    '"Grid Size","Device","CC","Section Name","Metric Name","Metric Unit","Metric Value"\n'
    '"0","7","app","h","gemm(float *)","1","7","(256, 1, 1)","(58, 2, 1)","0","7.2",'
    '"GPU Speed Of Light Throughput","Duration","usecond","1,234.50"\n'
    '"0","7","app","h","gemm(float *)","1","7","(256, 1, 1)","(58, 2, 1)","0","7.2",'
    '"GPU Speed Of Light Throughput","Memory Throughput","%","14.2"\n'
    '"1","7","app","h","copy","1","7","(64, 1, 1)","(8, 1, 1)","0","7.2",'
    '"Command line profiler metrics","gpu__time_duration.sum","ns","2048"\n'
)
NCU_RAW = (
    '"ID","Process ID","Process Name","Host Name","Kernel Name","gpu__time_duration.sum"\n'
    '"","","","","","us"\n"0","7","app","h","gemm(float *)","12.5"\n'
)
AUTOTVM = {
    "input": [
        "opencl -device=mali -model=rk3399 -keys=mali", "dense.mali",
        ["dense", ["TENSOR", [1, 64], "float32"], ["TENSOR", [10, 64], "float32"]],
    ],
    "config": {"index": 1, "entity": [["tile_bn", "sp", [-1, 2]]]},
    "result": [[0.002, 0.004], 0, 1.5, 1538220868.9],
    "version": 0.2, "tvm_version": "0.9",
}  # fmt: skip
AUTOTVM["config"]["entity"][0][2] = [5, 2]
STREAMLINE = (
    "Time (ms),GPU Active %,Mali Core Cycles: GPU active,Idle\n0,50,100,0\n1,100,200,0\n2,0,,0\n"
)


def read(tmp_path, text, name="f.log", device=""):
    path = tmp_path / name
    path.write_text(text)
    assert is_foreign(path)
    return import_measured(path, device=device)


def values(result):
    return {row.kernel: (row.value, row.unit) for row in result.rows}


def test_clpeak_text(tmp_path):
    result = read(tmp_path, CLPEAK)
    assert result.kind == "clpeak"
    assert values(result) == {
        "clpeak/global_memory_bandwidth/float": (3.5, "GBPS"),
        "clpeak/global_memory_bandwidth/float16": (5.25, "GBPS"),
        "clpeak/single-precision_compute/float": (20.5, "GFLOPS"),
        "clpeak/integer_compute/int4": (10, "GIOPS"),
        "clpeak/transfer_bandwidth/enqueueMapBuffer(for read)": (440.5, "GBPS"),
        "clpeak/transfer_bandwidth/memcpy from mapped ptr": (2.25, "GBPS"),
        "clpeak/kernel_launch_latency": (80.5, "us"),
    }
    (row, *_) = result.rows
    assert row.device == "Mali-T860"
    assert row.params == {"driver": "1.2 (Linux ARM)", "cu": "4", "clock": "800 MHz"}


def test_clpeak_text_of_3(tmp_path):
    assert values(read(tmp_path, CLPEAK3)) == {
        "clpeak/single-precision_compute/float4": (450, "GFLOPS"),
        "clpeak/kernel_launch_latency": (41, "us"),
        "clpeak/kernel_roundtrip": (90, "us"),
        "clpeak-vulkan/global_memory_bandwidth/float4": (27, "GBPS"),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            CLPEAK_XML,
            {
                "clpeak/global_memory_bandwidth/float": (3.5, "GBPS"),
                "clpeak/global_memory_bandwidth/float16": (5.25, "GBPS"),
                "clpeak/kernel_launch_latency": (80.5, "us"),
            },
        ),
        (CLPEAK_XML2, {"clpeak/single-precision_compute/float": (20.5, "GFLOPS")}),
        (json.dumps(CLPEAK_JSON2), {"clpeak/global_memory_bandwidth/float": (3.5, "GBPS")}),
        (
            json.dumps(CLPEAK_JSON3, indent=1),
            {
                "clpeak/half-precision_compute/half4": (pytest.approx(910), "GFLOPS"),
                "clpeak/kernel_launch_latency": (pytest.approx(41), "us"),
            },
        ),
        (CLPEAK_CSV, {"clpeak/global_memory_bandwidth/float": (3.5, "GBPS")}),
    ],
)
def test_clpeak_files(tmp_path, text, expected):
    assert values(read(tmp_path, text)) == expected


def test_clpeak_counts_what_it_leaves_out(tmp_path):
    (note,) = read(tmp_path, json.dumps(CLPEAK_JSON3)).notes
    assert note.startswith("1 results")


@pytest.mark.parametrize("text", [NSYS, NSYS_OLD])
def test_nsys_trace(tmp_path, text):
    result = read(tmp_path, text)
    (row,) = result.rows
    assert (row.kernel, row.value, row.unit, row.device) == ("gemm", 5000, "ns", "Xavier")
    assert (row.global_size, row.local_size) == ("40960, 2, 1", "256, 1, 1")
    assert result.notes == ("1 copies and fills left out",)


def test_nsys_summary(tmp_path):
    (row,) = read(tmp_path, NSYS_SUM, device="jetson-tx2").rows
    assert (row.kernel, row.value, row.unit, row.device) == ("gemm", 4900, "ns", "jetson-tx2")
    assert row.metric == "kernel_time_median"
    assert row.params["instances"] == 3


def test_ncu(tmp_path):
    first, second = read(tmp_path, NCU).rows
    assert (first.kernel, first.value, first.unit) == ("gemm", 1234.5, "us")
    assert (first.global_size, first.local_size) == ("14848, 2, 1", "256, 1, 1")
    assert (second.kernel, second.value, second.unit) == ("copy", 2048, "ns")
    (raw,) = read(tmp_path, NCU_RAW).rows
    assert (raw.kernel, raw.value, raw.unit) == ("gemm", 12.5, "us")


@pytest.mark.parametrize("name", ["t.log", "t.log.gz"])
def test_autotvm(tmp_path, name):
    failed = AUTOTVM | {"result": [[1e9], 4, 1, 1]}
    text = json.dumps(AUTOTVM) + "\n" + json.dumps(failed) + "\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (row,) = import_measured(path).rows
    assert (row.kernel, row.value, row.unit) == ("dense.mali", pytest.approx(0.003), "s")
    assert (row.device, row.params["dtype"]) == ("rk3399", "float32")


def test_streamline(tmp_path):
    result = read(tmp_path, STREAMLINE, device="mali-g72")
    assert values(result) == {
        "streamline/GPU Active %": (1.5, "ms"),
        "streamline/Mali Core Cycles: GPU active": (300, "count"),
    }
    assert result.notes == ("1 columns that are always zero left out",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a file that can be imported"),
        ("hello\n", "not a file that can be imported"),
        (CLPEAK.replace("3.50", "1e999"), "not a plausible number"),
        (CLPEAK.replace("3.50", "-3"), "not positive"),
        (CLPEAK.replace("3.50", "3.5.0"), "not a plausible number"),
        (CLPEAK[:60], "no results"),
        (CLPEAK_XML[:-40], "not XML"),
        (CLPEAK_XML2.replace("<clpeak", "<!DOCTYPE a><clpeak"), "not clpeak's XML"),
        (json.dumps(CLPEAK_JSON2)[:-20], "not JSON"),
        ('{"clpeak_version": "2.0", "entries": [3]}', "not clpeak's JSON"),
        ('{"clpeak_version": "2.0", "entries": []}', "no results"),
        (CLPEAK_CSV.replace(',"ok",3.5000,""', ""), "cut off"),
        (NSYS.replace("1000,5000", "1000,fast"), "not a plausible number"),
        (NSYS.replace("Duration (ns)", "Duration (yr)"), "not a unit of time"),
        (NSYS[:-60], "cut off"),
        (NSYS.replace("160,2,1", "160,2.5,1"), "not a size"),
        (NSYS.replace("5000", "9" * 40), "not a plausible number"),
        (NSYS_SUM.replace("4900.0", "0"), "not positive"),
        (NCU.replace("usecond", "parsec"), "not a unit of time"),
        (NCU.replace("1,234.50", "27.595.520"), "not a plausible number"),
        (NCU.split('"0"', maxsplit=1)[0], "no rows"),
        (NCU.replace("Duration", "x").replace("gpu__time_duration.sum", "y"), "no times"),
        (json.dumps(AUTOTVM)[:-30], "not an entry of an AutoTVM log"),
        (json.dumps(AUTOTVM | {"result": [[], 1, 0, 0]}), "no successful measurement"),
        ("Time (ms),GPU Active %\n0,1\n", "too few bins"),
        ("Time (ms),GPU Active %\n1,1\n0,1\n", "time does not increase"),
        ("Time (ms),GPU Active %\n0,1\n1\n", "cut off"),
        ("Time (ms),GPU Active %\n0,1\n1,nan\n", "not a plausible number"),
        ("Time (ms),GPU Active %\n0,0\n1,0\n", "no measurements"),
    ],
)
def test_broken_files_give_one_line(tmp_path, capsys, text, message):
    path = tmp_path / "f.log"
    path.write_text(text)
    with pytest.raises(TraceError, match=message):
        import_measured(path)
    with pytest.raises(SystemExit) as caught:
        main(["measure", "--import", str(path)])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("gpusim: f.log") or str(path) in err
    assert err.count("\n") == 1


def test_binary_and_missing_files(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"\xff\xfe\0\0")
    assert not is_foreign(path)
    with pytest.raises(TraceError, match="UTF-8"):
        import_measured(path)
    path.write_bytes(b"abc\0")
    with pytest.raises(TraceError, match="binary"):
        import_measured(path)
    with pytest.raises(TraceError, match="can't read"):
        import_measured(tmp_path / "none")


def test_command_writes_the_measured_schema(tmp_path, capsys):
    path = tmp_path / "clpeak.log"
    path.write_text(CLPEAK)
    out = tmp_path / "m.csv"
    with pytest.raises(SystemExit) as caught:
        main(["measure", "--import", str(path), "-o", str(out), "--name", "mali-t860"])
    assert caught.value.code == 0
    assert capsys.readouterr().err == "gpusim: clpeak.log: clpeak, 7 rows\n"
    rows = read_measured_rows(out)
    assert {row.device for row in rows} == {"mali-t860"}
    assert rows[0].value == 3.5


SAMPLES = [
    CLPEAK, CLPEAK3, CLPEAK_XML, CLPEAK_XML2, json.dumps(CLPEAK_JSON2), json.dumps(CLPEAK_JSON3),
    CLPEAK_CSV, NSYS, NSYS_SUM, NCU, NCU_RAW, json.dumps(AUTOTVM), STREAMLINE,
]  # fmt: skip


@pytest.mark.parametrize("text", SAMPLES)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_or_read_never_a_traceback(tmp_path, text, data):
    start = data.draw(st.integers(0, len(text)), label="start")
    length = data.draw(st.integers(0, 40), label="length")
    put = data.draw(st.sampled_from(["", "0", "-1", "1e999", "nan", '"', ",", "{", "\n", "é"]))
    path = tmp_path / "f.log"
    path.write_text(text[:start] + put + text[start + length :])
    try:
        result = import_measured(path)
    except TraceError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert all(0 < row.value < 1e40 for row in result.rows)
