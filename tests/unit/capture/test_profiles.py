"""Reading a profile: what is given comes back, what is wrong is refused in one line."""

import pytest

from gpusim.capture.profile import PROFILES_DIR, list_profiles, load_profile
from gpusim.capture.profile_queries import QUERIES
from gpusim.errors import DeviceError

G72 = (PROFILES_DIR / "mali-g72.yaml").read_text(encoding="utf-8")


def _edited(tmp_path, old, new, text=G72):
    assert old in text
    path = tmp_path / "edited.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def _refusal(path):
    with pytest.raises(DeviceError) as caught:
        load_profile(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_profiles_are_named_by_device_id():
    assert list_profiles() == [
        "adreno-530",
        "mali-g52",
        "mali-g610",
        "mali-g71",
        "mali-g72",
        "mali-g76",
        "mali-t628",
        "mali-t860",
        "mali-t880-mp12",
    ]


def test_flat_is_what_the_shim_reads():
    flat = load_profile("mali-g72").flat()
    assert flat["CL_DEVICE_NAME"] == "Mali-G72"
    assert flat["CL_DEVICE_TYPE"] == "4"
    assert flat["CL_DEVICE_MAX_WORK_ITEM_SIZES"] == "384 384 384"
    assert flat["CL_DEVICE_LOCAL_MEM_TYPE"] == "2"
    assert flat["CL_DEVICE_SINGLE_FP_CONFIG"] == "63"
    assert flat["CL_DEVICE_HOST_UNIFIED_MEMORY"] == "1"
    assert "cl_khr_fp16=4194304" in flat["CL_DEVICE_EXTENSIONS_WITH_VERSION"].split(" ")
    assert flat["CL_DEVICE_OPENCL_C_ALL_VERSIONS"] == "4194304 4198400 4202496 8388608"
    assert all("\n" not in text for text in flat.values())


def test_own_file_overrides_shared_part():
    t628, t860 = load_profile("mali-t628"), load_profile("mali-t860")
    assert t628.answers["CL_DEVICE_MAX_WORK_GROUP_SIZE"].source == ("clinfo-t628",)
    assert t860.answers["CL_DEVICE_MAX_WORK_GROUP_SIZE"].source == ("clinfo-t860-r13",)


def test_a_users_own_file_is_loaded_by_path(tmp_path):
    path = _edited(tmp_path, "value: 12,", "value: 18,")
    assert load_profile(path).flat()["CL_DEVICE_MAX_COMPUTE_UNITS"] == "18"


def test_unknown_id_lists_the_known_ones():
    with pytest.raises(DeviceError, match=r"unknown \(expected adreno-530, .*found mali-g99"):
        load_profile("mali-g99")


@pytest.mark.parametrize("name", ["../mali-g72", "shared/mali-bifrost", "", "mali-g72.yml"])
def test_only_ids_and_existing_files_are_loaded(name):
    with pytest.raises(DeviceError):
        load_profile(name)


def test_shared_part_is_no_profile():
    path = PROFILES_DIR / "shared" / "mali-bifrost.yaml"
    assert "shared part" in _refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("board:", "bord:", "bord"),
        ("inherits: mali-bifrost", "inherits: mali-bifrst", "expected mali-bifrost, mali-midgard"),
        (
            "  CL_DEVICE_MAX_COMPUTE_UNITS: {value: 12, source: [radu], kind: assumed}\n",
            "",
            "answers: missing (expected CL_DEVICE_MAX_COMPUTE_UNITS)",
        ),
        ("version: 1", "version: 2", "version: wrong (expected 1, found 2)"),
        ("CL_DEVICE_NAME", "CL_DEVICE_NAM", "unknown query (expected CL_DEVICE_NAME)"),
        ("CL_DEVICE_NAME", "CL_DEVICE_ADDRESS_BITS", "cannot be impersonated"),
        ("CL_DEVICE_NAME", "CL_DEVICE_VENDOR_ID", "appears twice"),
        ("value: 12,", "value: twelve,", "expected a whole number, not negative, found 'twelve'"),
        ("value: 12,", "value: -12,", "found -12"),
        ("value: 12,", "value: true,", "found True"),
        ("value: 12,", "", "answers.CL_DEVICE_MAX_COMPUTE_UNITS.value"),
        ("[384, 384, 384]", "[384, 384]", "expected three positive whole numbers"),
        ("kind: assumed", "kind: guessed", "kind"),
        ("source: [radu]", "source: [radio]", "unknown source"),
        ("source: [radu]", "source: []", "CL_DEVICE_MAX_COMPUTE_UNITS.source"),
        ("- cl_khr_fp16", "- cl_khr_fp16 cl_khr_fp64", "a list of names without spaces"),
        ("OpenCL C 2.0", "2.0", "does not have the form"),
        ("OpenCL 2.0", "OpenCL 1.2", "CL_PLATFORM_VERSION: is below the device's version"),
        ("4294967296", "1024", "CL_DEVICE_MAX_MEM_ALLOC_SIZE: is above"),
    ],
)
def test_wrong_files_are_refused(tmp_path, old, new, expected):
    assert expected in _refusal(_edited(tmp_path, old, new))


def test_a_withheld_extension_may_not_be_claimed(tmp_path):
    head, _, tail = G72.rpartition("- cl_khr_icd")
    path = tmp_path / "claims.yaml"
    path.write_text(f"{head}- cl_arm_printf{tail}", encoding="utf-8")
    assert "claims cl_arm_printf" in _refusal(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\0", "a: &a [*a]", "- " * 5000 + "x"])
def test_what_is_no_profile_is_refused(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text, encoding="utf-8")
    _refusal(path)


def test_missing_file_is_refused(tmp_path):
    assert "cannot be read" in _refusal(tmp_path / "none.yaml")


@pytest.mark.parametrize("key", sorted(QUERIES))
def test_every_query_refuses_nonsense(key):
    query = QUERIES[key]
    assert not query.accepts(None)
    assert not query.accepts(1.5)
    assert not query.accepts({"a": 1})
    assert query.expected
