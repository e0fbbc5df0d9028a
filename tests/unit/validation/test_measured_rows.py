import json

import pytest

from gpusim.device import load_device
from gpusim.errors import TraceError
from gpusim.validation.device_names import device_id_of, is_device
from gpusim.validation.measured_rows import parse_size, read_measured_rows

HEADER = "device,kernel,params,global_size,local_size,metric,value,unit,source\n"


def write(tmp_path, *lines):
    path = tmp_path / "m.csv"
    path.write_text(HEADER + "".join(line + "\n" for line in lines))
    return path


def test_a_row_is_read_with_its_line(tmp_path):
    path = write(tmp_path, 'Board,k,"{""n"": 3}","8, 4",,time,1.5,ms,somebody')
    (row,) = read_measured_rows(path)
    assert (row.line, row.device, row.kernel, row.params) == (2, "Board", "k", {"n": 3})
    assert (row.value, row.unit, row.global_size) == (1.5, "ms", "8, 4")


def test_a_value_may_be_missing(tmp_path):
    (row,) = read_measured_rows(write(tmp_path, "Board,k,,,,time,,ms,"))
    assert row.value is None
    assert row.params == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b,k,{,,,t,1,s,", "params: not JSON"),
        ("b,k,[],,,t,1,s,", "not a JSON object"),
        ("b,k,,,,t,fast,s,", "not a number"),
        ("b,k,,,,t,-1,s,", "not positive"),
        ("b,k,,,,t,nan,s,", "not positive"),
    ],
)
def test_bad_rows_name_file_and_line(tmp_path, line, message):
    with pytest.raises(TraceError, match=rf"m\.csv:3.*{message}"):
        read_measured_rows(write(tmp_path, "b,k,,,,t,1,s,", line))


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", HEADER, "\x00"])
def test_bad_files(tmp_path, content):
    path = tmp_path / "m.csv"
    path.write_text(content)
    with pytest.raises(TraceError, match=r"m\.csv"):
        read_measured_rows(path)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256, 256, 1", (256, 256, 1)),
        ("64", (64, 1, 1)),
        ("[8, 4]", (8, 4, 1)),
        ("8x4x2", (8, 4, 2)),
        ("driver", None),
        ("", None),
    ],
)
def test_sizes(text, size):
    assert parse_size(text, "here") == size


@pytest.mark.parametrize("text", ["0, 1", "1,2,3,4", "many", "-3"])
def test_sizes_that_are_none(text):
    with pytest.raises(TraceError, match="here: not an NDRange size"):
        parse_size(text, "here")


@pytest.mark.parametrize(
    ("name", "device_id"),
    [
        ("Mali-T860MP4 (RK3399, 800MHz)", "mali-t860"),
        ("Mali-T628 4-core (cl1.2)", "mali-t628"),
        ("Mali-T628 2-core (cl1.2)", "mali-t628:mp2"),
        ("Jetson TX2 (GP10B; measured with CUDA backend)", "jetson-tx2"),
        ("Jetson Nano GM20B via PoCL 1.3", "jetson-nano"),
        ("Adreno 530 (Galaxy S7)", "adreno-530"),
        ("Adreno 330 (Nexus 5)", None),
        ("Jetson TX1 (GM20B)", None),
        ("Mali-T604", None),
    ],
)
def test_names_of_boards(name, device_id):
    assert device_id_of(name) == device_id


def test_two_views_of_one_gpu_are_two_devices():
    four, two = load_device("mali-t628"), load_device("mali-t628:mp2")
    assert is_device("Mali-T628 4-core (cl1.2)", four)
    assert not is_device("Mali-T628 4-core (cl1.2)", two)
    assert is_device("Mali-T628 2-core (cl1.2)", two)
    assert not is_device("Mali-T628 2-core (cl1.2)", four)


def test_json_of_params_may_hold_commas(tmp_path):
    params = json.dumps({"build": "-D A=1, -D B=2"}).replace('"', '""')
    (row,) = read_measured_rows(write(tmp_path, f'b,k,"{params}",,,t,1,s,'))
    assert row.params["build"] == "-D A=1, -D B=2"
