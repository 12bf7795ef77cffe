"""Words of strangers are read as they are in every page, card and plot that we write, and do nothing there."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.edited import DATA, EPISODES, GOLDEN, edit_info
from support.nasty import NASTY, read_html, read_markdown

from mstool.cli.output import table
from mstool.dataset.info import read_info
from mstool.dataset.record import read_record, write_record
from mstool.evaluation.markdown_report import REPORT, write_page
from mstool.evaluation.results import Results, TaskResult
from mstool.hub.card import CardFacts, write_card
from mstool.markup import (
    front_matter,
    html_text,
    markdown_block,
    markdown_code,
    markdown_text,
    one_line,
    plot_text,
)
from mstool.progress import plain
from mstool.validators import CheckResult, Issue, ValidationReport
from mstool.validators.html import write_html
from mstool.validators.report import Curve, Note, Picture
from mstool.validators.svg import plot

# As huggingface_hub finds the head of a card (`REGEX_YAML_BLOCK`).
HEAD = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
WORDS = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.sampled_from("-=+*_`#|<>&[]()!$~\\:.1ab \n"), max_size=30),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
)


@given(WORDS)
def test_html(words):
    tags, text = read_html(f"<p title='{html_text(words)}'>{html_text(words)}</p>")
    assert [tag for tag, _ in tags] == ["p"]
    assert text == plain(words)


FORMS = {
    "paragraph": "{}",
    "heading": "# {}",
    "bullet_list": "- {}",
    "blockquote": "> {}",
    "table": "| a | b |\n| --- | --- |\n| c | {} |",
}
KINDS = {*FORMS, "list_item", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("form", FORMS)
@given(WORDS)
def test_a_line_of_markdown(form, words):
    for write in (markdown_text, markdown_code):
        written = write(words)
        kinds, text = read_markdown(FORMS[form].format(written.replace("|", "\\|") if form == "table" else written))
        inside = {f"{kind}_{end}" for kind in KINDS for end in ("open", "close")}
        assert kinds.keys() <= {"text", "code_inline", "inline"} | inside, kinds
        # Of a table's cell the backslashes before a bar are not told apart.
        assert one_line(words).replace("\\", "") in text.replace("\\", "")


@given(WORDS)
def test_a_block_of_markdown(words):
    kinds, _ = read_markdown("\n".join(markdown_block(json.dumps({"a": words}, indent=1), "json")))
    assert kinds == {"fence": 1}


@given(st.lists(WORDS, max_size=4))
def test_the_head_of_a_card(words):
    head = {"license": "".join(words[:1]), "tags": words}
    page = f"{front_matter(head)}\n\n# title\n"
    found = HEAD.match(page)
    assert found
    assert yaml.safe_load(found[2]) == head
    assert page[found.end() :] == "\n# title\n"


@given(WORDS)
def test_plots_and_lines(words):
    from matplotlib.cbook import is_math_text

    assert not is_math_text(plot_text(words))
    assert len(plot_text(words)) < 250
    for line in (one_line(words), plot_text(words)):
        assert len(line.splitlines()) <= 1
        assert line == plain(line)


@pytest.mark.parametrize("words", NASTY)
def test_a_table_on_the_terminal_keeps_its_rows(words):
    assert len(table([{"a": words, "b": 1}], ["a", "b"]).splitlines()) == 3


def test_reports_of_validation(tmp_path):
    flat = np.arange(3.0)
    evidence = tuple(Picture(words, np.zeros((4, 4, 3), np.uint8)) for words in NASTY[:2])
    evidence += tuple(Curve(words, words, words, ((words, flat, flat),)) for words in NASTY[2:5])
    results = []
    for number, words in enumerate(NASTY):
        issue = Issue(words, feature=words, observed=words, expected=words, evidence=evidence)
        notes = (Note(words, evidence),)
        results += [
            CheckResult(f"MS{number}", words, words, words, words, status, (issue,), 1, notes, words)
            for status in ("failed", "warned", "passed", "skipped", "error")
        ]
    for words in NASTY:
        report = ValidationReport(words, words, {words: words}, tuple(results), coverage=words)
        write_html(replace(report, results=()), tmp_path / "small.html")
        read_html((tmp_path / "small.html").read_text())
    write_html(report, tmp_path / "report.html")
    _, text = read_html((tmp_path / "report.html").read_text())
    assert all(plain(words) in text for words in NASTY)


@pytest.mark.parametrize("words", NASTY)
def test_curves(words):
    tags, text = read_html(plot(Curve(words, words, words, ((words, np.arange(3.0), np.arange(3.0)),))))
    assert {tag for tag, _ in tags} == {"svg", "rect", "polyline", "text"}
    assert text.count(plain(words)) >= 3


def test_reports_of_evaluation(tmp_path):
    for words in NASTY:
        results = Results(
            policy=words,
            configuration={words: words},
            tasks=[TaskResult("PickCube-v1", words, 1, trained=True, outcomes=[])] * 2,
            timing={},
            notes=[words],
            diagnosis={"findings": [words]},
        )
        write_page(results, tmp_path)
        kinds, _ = read_markdown((tmp_path / REPORT).read_text())
        assert not kinds.keys() & {"html_inline", "html_block", "link_open", "image", "hr", "s_open", "em_open"}, words
        assert kinds["heading_open"] == 5
        assert kinds["fence"] == 1
        assert kinds["tr_open"] == 4


@pytest.fixture
def nasty(tmp_path) -> Path:
    """A dataset in which every word that a stranger may choose would do something."""
    root = Path(shutil.copytree(GOLDEN / "libero", tmp_path / "data"))
    many = [words for words in NASTY if words.strip()]
    record = read_record(root)
    write_record(
        root,
        replace(
            record,
            version=NASTY[0],
            control_mode=NASTY[1],
            conventions={words: words for words in many},
            env_ids=many,
            views={camera: many[i] for i, camera in enumerate(record.views)},
            units={column: [many[i] for i in range(len(each))] for column, each in record.units.items()},
            warnings=many,
            dropped=dict.fromkeys(many, 1),
            psnr_db=dict.fromkeys(many, 1.0),
            demos=[{"env_id": words, "origin": words, "env_kwargs": {words: words}} for words in many],
        ),
    )

    def change(info):
        info.pop("mstool", None)
        info["robot_type"] = NASTY[2]
        for at, column in enumerate(("observation.state", "action")):
            feature = info["features"][column]
            feature["names"] = [many[(at * 8 + i) % len(many)] for i in range(feature["shape"][0])]
        for words in many:
            info["features"][words] = {"dtype": "float32", "shape": [1], "names": [words]}
        info["total_tasks"] = len(many)

    edit_info(root, change)
    tasks = pa.table({"task_index": list(range(len(many))), "task": many})
    pq.write_table(tasks, root / "meta/tasks.parquet")
    rows = pq.read_table(root / DATA)
    for words in many:
        rows = rows.append_column(words, pa.array(np.zeros(len(rows), np.float32)))
    pq.write_table(rows, root / DATA)
    episodes = pq.read_table(root / EPISODES)
    every = pa.array([many] * len(episodes), episodes.schema.field("tasks").type)
    pq.write_table(episodes.set_column(episodes.column_names.index("tasks"), "tasks", every), root / EPISODES)
    stats = json.loads((root / "meta/stats.json").read_text())
    stats |= {words: {"min": [0.0], "mean": [0.0], "max": [0.0]} for words in many}
    (root / "meta/stats.json").write_text(json.dumps(stats))
    return root


def test_the_card(nasty):
    facts = CardFacts("me/cube", "apache-2.0", "lerobot_pi05", has_sheet=True)
    text = write_card(nasty, read_info(nasty), facts)
    found = HEAD.match(text)
    head = yaml.safe_load(found[2])
    assert set(read_record(nasty).env_ids) <= set(head["tags"])
    kinds, said = read_markdown(text[found.end() :])
    # Of HTML our own mark, of images the contact sheet.
    assert kinds["html_block"] == kinds["image"] == 1
    assert not kinds.keys() & {"html_inline", "link_open", "hr", "s_open", "em_open", "strong_open", "code_block"}
    assert kinds["heading_open"] == 8
    assert kinds["list_item_open"] == len([words for words in NASTY if words.strip()])
    for words in ("<script>alert(1)</script>", "[a](javascript:alert(1))", "a # heading - list ---", "=== "):
        assert words.strip() in said


def test_show_and_its_plots(nasty, tmp_path, mstool, capsys):
    assert mstool("show", nasty, "--output", tmp_path / "shown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("task ")]) == len([words for words in NASTY if words.strip()])
    assert not [line for line in lines if line.startswith(("#", "-  ", "license"))]
    assert all((tmp_path / "shown" / name).stat().st_size > 1000 for name in ("sheet.png", "state.png", "episode.mp4"))


def test_the_plot_of_statistics(nasty, tmp_path, mstool):
    assert mstool("stats", nasty, "--plot", tmp_path / "stats.svg", "--force", "--output", tmp_path / "stats") == 0
    assert "<script>" not in (tmp_path / "stats.svg").read_text()


def test_no_other_module_escapes():
    package = Path(__file__).parents[2] / "mstool"
    ways = ("html.escape", "xml.sax", "quoteattr", "yaml.dump", "yaml.safe_dump")
    found = [path.name for path in package.rglob("*.py") if any(way in path.read_text() for way in ways)]
    assert found == ["markup.py"]
