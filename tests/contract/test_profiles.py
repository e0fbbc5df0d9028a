"""What every impersonation profile must keep, so that no library meets an impossible device."""

import re

import pytest
import yaml

from gpusim.capture.profile import PROFILES_DIR, list_profiles, load_profile
from gpusim.capture.profile_queries import QUERIES, VECTOR_TYPES
from gpusim.device.loader import list_devices, load_device
from gpusim.device.quantity import Kind
from tests.conftest import shared_dir

# What the libraries that we know read from CL_DEVICE_NAME: the part after "Mali-".
NAMES = {
    "mali-t628": "Mali-T628",
    "mali-t860": "Mali-T860",
    "mali-t880-mp12": "Mali-T880",
    "mali-g71": "Mali-G71",
    "mali-g72": "Mali-G72",
    "mali-g52": "Mali-G52",
    "mali-g76": "Mali-G76",
    "mali-g610": "Mali-G610 r0p0",
    "adreno-530": "QUALCOMM Adreno(TM)",
}

# Extensions that a library or OpenCL's own core asks for and PoCL can honour or whose absence
# would send a library down another path than the board's.
NEEDED = {
    "cl_khr_global_int32_base_atomics",
    "cl_khr_global_int32_extended_atomics",
    "cl_khr_local_int32_base_atomics",
    "cl_khr_local_int32_extended_atomics",
    "cl_khr_byte_addressable_store",
    "cl_khr_3d_image_writes",
    "cl_khr_int64_base_atomics",
    "cl_khr_int64_extended_atomics",
    "cl_khr_fp16",
    "cl_khr_fp64",
    "cl_khr_icd",
    "cl_arm_non_uniform_work_group_size",
    "cl_arm_integer_dot_product_int8",
    "cl_arm_integer_dot_product_accumulate_int8",
}

# devices.yaml of the shared reference: device -> profile, figure -> query and its factor.
REFERENCE_DEVICES = {
    "mali_t628_mp4": "mali-t628",
    "mali_t860_mp4_rk3399": "mali-t860",
    "mali_t880_mp12_8890": "mali-t880-mp12",
    "mali_g72_mp12_kirin970": "mali-g72",
    "mali_g610_mp4_rk3588_optional": "mali-g610",
    "mali_g52_optional": "mali-g52",
    "adreno_530_sd820": "adreno-530",
}
REFERENCE_FIGURES = {
    "shader_cores": ("CL_DEVICE_MAX_COMPUTE_UNITS", 1),
    "clock": ("CL_DEVICE_MAX_CLOCK_FREQUENCY", 1),
    "max_workgroup_size": ("CL_DEVICE_MAX_WORK_GROUP_SIZE", 1),
    "preferred_wg_multiple": ("CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE", 1),
    "warp_width": ("CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE", 1),
    "l2_size": ("CL_DEVICE_GLOBAL_MEM_CACHE_SIZE", 1024),
    "line": ("CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE", 1),
}

pytestmark = pytest.mark.parametrize("profile_id", list_profiles())


@pytest.fixture
def profile(profile_id):
    return load_profile(profile_id)


def test_identity(profile_id, profile):
    assert profile.id == profile_id
    assert profile.name == NAMES[profile_id]
    vendor = "QUALCOMM" if profile_id.startswith("adreno") else "ARM"
    flat = profile.flat()
    assert flat["CL_DEVICE_VENDOR"] == flat["CL_PLATFORM_VENDOR"] == vendor
    assert flat["CL_DEVICE_TYPE"] == "4"


def test_every_answer_has_evidence(profile):
    assert set(profile.answers) == set(QUERIES)
    for answer in profile.answers.values():
        assert answer.source
        assert isinstance(answer.kind, Kind)
    used = {source for answer in profile.answers.values() for source in answer.source}
    assert used <= set(profile.sources)


def test_numeric_versions_match_strings(profile):
    flat = profile.flat()
    for text_key, number_key in (
        ("CL_PLATFORM_VERSION", "CL_PLATFORM_NUMERIC_VERSION"),
        ("CL_DEVICE_VERSION", "CL_DEVICE_NUMERIC_VERSION"),
        ("CL_DEVICE_OPENCL_C_VERSION", "CL_DEVICE_OPENCL_C_NUMERIC_VERSION_KHR"),
    ):
        major, minor = re.match(r"OpenCL (?:C )?(\d)\.(\d) \S", flat[text_key]).groups()
        number = int(flat[number_key])
        assert (number >> 22, (number >> 12) & 0x3FF, number & 0xFFF) == (int(major), int(minor), 0)
    languages = [int(item) for item in flat["CL_DEVICE_OPENCL_C_ALL_VERSIONS"].split()]
    assert languages == sorted(set(languages))
    assert languages[-1] == int(flat["CL_DEVICE_OPENCL_C_NUMERIC_VERSION_KHR"])
    for scope in ("PLATFORM", "DEVICE"):
        versioned = flat[f"CL_{scope}_EXTENSIONS_WITH_VERSION"].split()
        assert [item.split("=")[0] for item in versioned] == flat[f"CL_{scope}_EXTENSIONS"].split()


def test_address_bits_stay_the_hosts(profile):
    assert "CL_DEVICE_ADDRESS_BITS" not in profile.flat()


def test_no_extension_without_need(profile):
    assert set(profile.extensions) <= NEEDED
    assert "cl_arm_printf" not in profile.flat()["CL_DEVICE_EXTENSIONS"]
    assert "cl_arm_printf" not in profile.flat()["CL_PLATFORM_EXTENSIONS"]
    assert all(profile.withheld.values())


def test_extensions_are_the_boards(profile_id, profile):
    extensions = set(profile.extensions)
    assert "cl_khr_fp16" in extensions
    assert ("cl_khr_fp64" in extensions) == profile_id.startswith("mali-t")
    is_mali = profile_id.startswith("mali")
    # ACL builds no program without it or OpenCL 2.
    assert ("cl_arm_non_uniform_work_group_size" in extensions) == is_mali
    assert profile.flat()["CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT"] == "1"
    has_dot = profile_id in ("mali-g76", "mali-g610")
    assert ("cl_arm_integer_dot_product_int8" in extensions) == has_dot


def test_vector_widths(profile_id, profile):
    for name in VECTOR_TYPES:
        preferred = profile.answers[f"CL_DEVICE_PREFERRED_VECTOR_WIDTH_{name}"].value
        native = profile.answers[f"CL_DEVICE_NATIVE_VECTOR_WIDTH_{name}"].value
        assert preferred in (0, 1, 2, 4, 8, 16)
        assert native in (0, 1, 2, 4, 8, 16)
    if profile_id.startswith("mali"):
        assert profile.answers["CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT"].value == 4


def test_limits_are_the_specifications_or_more(profile):
    """Minima of OpenCL 3.0, table of device queries, full profile."""
    value = {key: answer.value for key, answer in profile.answers.items()}
    assert value["CL_DEVICE_LOCAL_MEM_SIZE"] >= 32768
    assert value["CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE"] >= 65536
    assert value["CL_DEVICE_MAX_CONSTANT_ARGS"] >= 8
    assert value["CL_DEVICE_MAX_PARAMETER_SIZE"] >= 1024
    quarter = min(2**30, value["CL_DEVICE_GLOBAL_MEM_SIZE"] // 4)
    assert value["CL_DEVICE_MAX_MEM_ALLOC_SIZE"] >= max(quarter, 32 * 2**20)
    assert value["CL_DEVICE_IMAGE2D_MAX_WIDTH"] >= 16384 or profile.opencl_version < (2, 0)
    assert value["CL_DEVICE_IMAGE_MAX_BUFFER_SIZE"] >= 65536
    assert value["CL_DEVICE_MAX_READ_IMAGE_ARGS"] >= 128
    assert value["CL_DEVICE_MAX_SAMPLERS"] >= 16
    assert value["CL_DEVICE_MAX_WORK_GROUP_SIZE"] >= 1
    if profile.opencl_version >= (2, 0):
        assert "COARSE_GRAIN_BUFFER" in value["CL_DEVICE_SVM_CAPABILITIES"]


def test_local_memory_is_where_the_device_has_it(profile_id, profile):
    expected = "LOCAL" if profile_id.startswith("adreno") else "GLOBAL"
    assert profile.answers["CL_DEVICE_LOCAL_MEM_TYPE"].value == expected
    assert profile.answers["CL_DEVICE_LOCAL_MEM_SIZE"].value == 32768


@pytest.mark.shared
def test_figures_agree_with_the_reference(profile_id, profile):
    path = shared_dir() / "reference" / "devices.yaml"
    devices = yaml.safe_load(path.read_text(encoding="utf-8"))["devices"]
    names = [name for name, own in REFERENCE_DEVICES.items() if own == profile_id]
    checked = 0
    for name in names:
        for figure, (query, factor) in REFERENCE_FIGURES.items():
            node = devices[name].get(figure)
            if node is None or not isinstance(node["value"], int):
                continue
            assert profile.answers[query].value == node["value"] * factor, (figure, query)
            checked += 1
    assert checked or not names


def test_device_model_has_the_same_limits(profile_id, profile):
    """What a captured program may launch, the model of the same id must accept, and no more."""
    if profile_id not in list_devices():
        assert profile_id in ("mali-g71", "mali-g76"), "only library targets have no model"
        return
    device = load_device(profile_id)
    value = {key: answer.value for key, answer in profile.answers.items()}
    assert value["CL_DEVICE_MAX_WORK_GROUP_SIZE"] == device.limits.max_work_group_size.value
    assert value["CL_DEVICE_GLOBAL_MEM_SIZE"] <= device.limits.global_memory_bytes.value
    assert value["CL_DEVICE_MAX_MEM_ALLOC_SIZE"] <= device.limits.max_allocation_bytes.value
    assert value["CL_DEVICE_GLOBAL_MEM_CACHE_SIZE"] == device.l2.size_bytes.value
    assert value["CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE"] == device.l2.line_bytes.value


def test_a_profile_file_per_id(profile_id):
    assert (PROFILES_DIR / f"{profile_id}.yaml").is_file()
