"""The documentation: made pages name everything there is, links lead somewhere, nothing is fetched from elsewhere."""

import io
import re
import subprocess
from pathlib import Path

import pytest
from generated_pages import IMAGES, PAGES, api, checks, commands, faults, notebook
from generated_pages.markdown import table, text
from PIL import Image

from mstool.layouts import LAYOUTS
from mstool.manifest import load_manifest
from mstool.simulators.benchmarks import known_environments
from mstool.validators.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def test_layouts_name_every_dimension_unit_and_camera():
    page = PAGES["layouts.md"]()
    for layout in LAYOUTS.values():
        section = page.split(f"\n## {layout.name}\n")[1].split("\n## ")[0]
        vectors = [layout.state, *(layout.action(mode) for mode in layout.control_modes)]
        assert all(f"`{name}`" in section for vector in vectors for name in vector.names)
        assert all(text(unit) in section for vector in vectors for unit in vector.units)
        assert all(f"`{camera.lerobot}`" in section for camera in layout.cameras)
        assert all(text(words) in section for words in layout.conventions.values())


def test_checks_name_every_code_with_its_meaning_and_fix():
    page = PAGES["checks.md"]()
    assert re.findall(r"^### (MS\d+)", page, re.MULTILINE) == [check.code for check in checks.every()]
    for check in checks.every():
        section = page.split(f"{{ #{check.code.lower()} }}\n")[1].split("\n### ")[0]
        assert text(check.meaning) in section
        assert text(check.fix) in section
        assert (faults.path(check.code) in section) == (check.code in faults.FAULTS)


def test_targets_name_every_source():
    page = PAGES["targets.md"]()
    for target in TARGETS.values():
        section = page.split(f"\n## {target.name}\n")[1].split("\n## ")[0]
        assert text(target.summary) in section
        assert text(target.chunk.source) in section


def test_environments_name_every_task_and_environment():
    page = PAGES["environments.md"]()
    tasks, every = page.split("## Every environment")
    assert all(f"| `{each.env_id}` | {text(each.instruction)}" in tasks for each in load_manifest().values())
    assert all(f"| `{each.env_id}` |" in every for each in known_environments())


def test_commands_name_every_option():
    page = PAGES["commands.md"]()
    for words, command in commands.every():
        section = page.split(f"\n## {' '.join(words)} {{")[1].split("\n## ")[0]
        names = [name for each in command.params if each.param_type_name == "option" for name in each.opts]
        assert all(re.search(rf"`[^`]*{name}\b", section) for name in names), words


def test_api_names_what_can_be_imported_once():
    page = PAGES["api.md"]()
    named = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(api.offered().values()) <= set(named)


def test_the_notebook_shows_every_cell_and_what_it_printed():
    page = PAGES["notebook.md"]()
    cells = notebook.cells()
    assert all(cell["source"] in page for cell in cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in code)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(notebook.text(each).rstrip() in page for each in outputs if "data" not in each)
    assert len(notebook.images()) == sum("data" in each for each in outputs) > 0
    for name, image in notebook.images().items():
        assert f"]({name})" in page
        with Image.open(io.BytesIO(image())) as picture:
            picture.verify()


@pytest.mark.parametrize("code", faults.FAULTS)
def test_a_fault_is_seen_in_its_picture(code):
    fault = faults.FAULTS[code]
    taken, changed = faults.frames(), fault.change(faults.frames())
    assert any((changed[view][i] != taken[view][i]).any() for view in fault.shown for i in fault.moments)
    with Image.open(io.BytesIO(IMAGES[faults.path(code)]())) as image:
        assert image.size == (2 * len(fault.moments) * faults.SIDE + faults.GAP, len(fault.shown) * faults.SIDE)


def test_a_cell_shows_what_it_is_given():
    assert text("as `a|b` says, 1 < 2 | *x*") == "as `a|b` says, 1 &#60; 2 &#124; &#42;x&#42;"
    assert text("one ` alone") == "one &#96; alone"
    assert table(["a"], [["b"]]) == "| a |\n| --- |\n| b |\n"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WRITTEN], ids=lambda path: path.name)
def test_links_lead_somewhere_on_a_code_host_too(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        name = target.partition("#")[0]
        if name and "://" not in name:
            assert (page.parent / name).exists(), target


def test_every_written_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    named = re.findall(r": ([\w/]+\.md)$", navigation, re.MULTILINE)
    assert sorted(each for each in named if "/" not in each) == sorted([*(p.name for p in WRITTEN), *PAGES])


def test_no_word_of_where_it_was_made():
    tracked = subprocess.run(
        ["git", "ls-files", "docs", "mkdocs.yml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.split():
        if Path(name).suffix in {".md", ".py", ".yml", ".css", ".ipynb"}:
            assert not re.search(r"/(?:work|tmp|root)/", (ROOT / name).read_text(encoding="utf-8")), name
