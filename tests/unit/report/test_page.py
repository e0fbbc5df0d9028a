import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from gpusim.errors import OutputError
from gpusim.pipeline import replay
from gpusim.report import page_html, write_html
from gpusim.report.page.groups import SHOWN_ONE_BY_ONE, Group, launch_groups, shown_groups
from gpusim.report.page.markup import Markup, join, number, short, tag, text
from gpusim.resources import traces_dir
from gpusim.timing import FIDELITIES
from tests.traces import saxpy_trace

HOSTILE = "</title></style></script><script>alert(1)</script>\"' onload=x &amp;\u202e\x00]]>"
VOID = {"meta", "br", "col"}


@pytest.fixture(scope="module")
def report():
    return replay(saxpy_trace(n=1003, kernels=("saxpy", "out_of_bounds", "saxpy")), "mali-g72")


class Page(HTMLParser):
    """What a browser makes of a page: elements, attributes, text; nesting checked."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.texts = []
        self.open = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, element, attributes):
        self.elements.append((element, dict(attributes)))
        if element not in VOID:
            self.open.append(element)

    def handle_endtag(self, element):
        assert self.open.pop() == element

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def named(self, element):
        return [attributes for name, attributes in self.elements if name == element]


def renamed(report, words):
    """The report of a trace whose every text is `words`."""
    names = tuple(name.replace("saxpy", words) for name in report.timeline.names)
    return replace(
        report,
        trace=words,
        launches=tuple(replace(row, kernel=words) for row in report.launches),
        failures=tuple(replace(f, kernel=words, reason=words) for f in report.failures),
        counters={words: 1},
        pipeline=words,
        timeline=replace(report.timeline, names=names, notes=(words,)),
    )


def test_page_is_well_formed_and_says_what_matters(report):
    page = Page(page_html(report))
    assert "saxpy.gptrace on mali-g72" in page.text
    assert "1003x1x1 in 64x1x1" in page.text
    assert "960x1x1 in 64x1x1" in page.text
    assert "1 launch could not be replayed" in page.text
    assert report.failures[0].reason in page.text
    for name in report.counters:
        assert name in page.text
    for path in report.fitted_and_assumed:
        assert path in page.text
    for heading in ("Launches", "Timeline", "Where the time goes", "Roofline", "Counters"):
        assert heading in page.text


def test_hostile_texts_stay_text(report):
    source = page_html(renamed(report, HOSTILE))
    page, plain = Page(source), Page(page_html(renamed(report, "harmless")))
    # Not one element or attribute more than with harmless names.
    assert [e for e, _ in page.elements] == [e for e, _ in plain.elements]
    assert [sorted(a) for _, a in page.elements] == [sorted(a) for _, a in plain.elements]
    assert "alert(1)" in page.text
    assert len(page.named("script")) == 1
    assert not re.search("[\x00-\x08\u202a-\u202e]", source)


def test_nothing_is_loaded_from_anywhere(report):
    source = page_html(report)
    page = Page(source)
    for element, attributes in page.elements:
        assert element not in ("link", "img", "iframe", "object", "base", "form")
        assert not {"src", "style", "srcset", "data", "action"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            assert attributes["href"].startswith("#")
    assert "http" not in source.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in source
    assert "@import" not in source


def test_policy_allows_our_style_and_script_only(report):
    source = page_html(report)
    (policy,) = (m["content"] for m in Page(source).named("meta") if "http-equiv" in m)
    for element in ("style", "script"):
        body = re.search(f"<{element}>(.*?)</{element}>", source, re.S).group(1)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_every_class_has_a_style(report):
    source = page_html(report)
    style = re.search("<style>(.*?)</style>", source, re.S).group(1)
    used = {c for _, a in Page(source).elements for c in (a.get("class") or "").split()}
    hooks = {"axis", "zoomed", "half", "zoomable"}
    for name in used - hooks:
        assert re.search(rf"\.{re.escape(name)}\b", style), name
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    variables = set(re.findall(r"(--[\w]+):", light)) - {"--paper"}
    assert variables <= set(re.findall(r"(--[\w]+):", dark))
    assert set(re.findall(r"var\((--[\w]+)\)", style)) <= variables | {"--paper"}


def test_coordinates_are_finite_and_inside(report):
    for _, attributes in Page(page_html(report)).elements:
        for name in ("x", "y", "width", "height", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d"):
            value = attributes.get(name) or ""
            assert "nan" not in value
            assert "inf" not in value
            if name in ("width", "height", "r"):
                assert not value.startswith("-")


def test_stack_of_a_launch_is_its_time():
    result = replay(traces_dir() / "reduction.gptrace", "mali-g72")
    for row in result.launches:
        group = Group(launches=(row,))
        assert sum(group.parts_ps().values()) == group.predicted_ps


def test_stack_adds_up_with_gaps_between_jobs(report):
    for row in report.launches:
        assert len(row.jobs) == 2
        assert sum(Group(launches=(row,)).parts_ps().values()) == row.predicted_ps


def test_joined_regions_are_not_counted_twice():
    """A Jetson runs the uneven launch as one job; both regions show its time."""
    result = replay(saxpy_trace(n=1003), "jetson-tx2")
    (row,) = result.launches
    assert len(row.jobs) == 2
    assert sum(Group(launches=(row,)).parts_ps().values()) == row.predicted_ps


def test_few_launches_one_by_one_many_in_groups(report):
    groups, left_out = shown_groups(report)
    assert [len(group.launches) for group in groups] == [1, 1]
    row = report.launches[0]
    other = replace(row, global_size=(7, 1, 1))
    many = replace(report, launches=(row, other) * SHOWN_ONE_BY_ONE)
    groups, left_out = shown_groups(many)
    assert [len(group.launches) for group in groups] == [SHOWN_ONE_BY_ONE] * 2
    assert left_out == []
    assert len(launch_groups(many.launches)) == 2


def test_very_many_different_launches_are_summed_up(report):
    row = report.launches[0]
    rows = tuple(replace(row, global_size=(n, 1, 1)) for n in range(1, 1001))
    groups, left_out = shown_groups(replace(report, launches=rows))
    assert len(groups) + len(left_out) == 1000
    source = page_html(replace(report, launches=rows))
    assert f"{len(left_out)} other launches" in Page(source).text
    assert len(source) < 2_000_000


def test_5000_launches_fit_in_two_megabytes():
    result = replay(saxpy_trace(n=1003, kernels=("saxpy",) * 5000), "mali-g72")
    source = page_html(result)
    Page(source)
    assert len(result.timeline.spans) > 50_000
    assert len(source) < 2_000_000


def test_ragged_timelines_stay_small(report):
    """Spans that no grid merges well: as many bars as the page is willing to hold."""
    rng = np.random.default_rng(5)
    spans = np.repeat(report.timeline.spans, 4000)
    spans["start_ps"] = np.sort(rng.integers(0, report.total_ps - 1000, len(spans)))
    spans["end_ps"] = spans["start_ps"] + 1
    changed = replace(report, timeline=replace(report.timeline, spans=spans))
    assert len(page_html(changed)) < 2_000_000


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("name", ["mali-t860", "jetson-nano", "adreno-530"])
def test_every_family_has_a_page(name, fidelity):
    page = Page(page_html(replay(traces_dir() / "reduction.gptrace", name, fidelity=fidelity)))
    assert f"Simulated with the {fidelity} model, not measured" in page.text


def test_nothing_replayed_is_said():
    result = replay(saxpy_trace(kernels=("out_of_bounds",)), "mali-g72")
    page = Page(page_html(result))
    assert "No launch was replayed." in page.text
    assert "out of bounds" in page.text


def test_equal_replays_give_equal_bytes(tmp_path):
    sources = set()
    for name in ("a.html", "b.html"):
        write_html(replay(saxpy_trace(n=1003), "mali-g72"), tmp_path / name)
        sources.add((tmp_path / name).read_bytes())
    assert len(sources) == 1


def test_unwritable_path_is_one_line(report, tmp_path):
    with pytest.raises(OutputError, match=r"r\.html"):
        write_html(report, tmp_path / "missing" / "r.html")


def test_markup_escapes_all_but_markup():
    assert text("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"
    assert join("<", Markup("<b>")) == "&lt;<b>"
    assert tag("p", "<", class_='"', data_x=None) == '<p class="&quot;">&lt;</p>'
    assert tag("br") == "<br>"
    assert text("\ud800") == "?"


def test_numbers_and_names_are_cut():
    assert [number(v) for v in (0.0, 1.0, 1.25, 1.2345, -0.5)] == ["0", "1", "1.25", "1.23", "-0.5"]
    assert short("gemm_mm") == "gemm_mm"
    assert len(short("x" * 500, 40)) == 40
