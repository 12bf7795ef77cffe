import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mstool.errors import DataError, UsageError
from mstool.hub.write_back import check_writable, find_entry, write_back
from mstool.manifest import load_manifest

TEXT = """\
# a comment at the top
version: 1
tasks:
  # about cubes
  PickCube-v1:   # the first
    instruction: pick up the red cube   # said so
    horizon: 150
    revision: old # what was

  # about spheres
  PlaceSphere-v1:
    instruction: place the sphere
    horizon: 250
"""


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(TEXT)
    return path


def test_fields_are_set_and_all_else_stays(manifest):
    write_back(manifest, "PickCube-v1", {"repo_id": "me/cube", "revision": "abc123"})
    expected = TEXT.replace("    revision: old # what was\n", "    revision: abc123 # what was\n    repo_id: me/cube\n")
    assert manifest.read_text() == expected
    assert load_manifest(manifest)["PickCube-v1"].repo_id == "me/cube"


def test_the_last_entry_without_a_newline(manifest):
    manifest.write_text(TEXT.rstrip("\n"))
    write_back(manifest, "PlaceSphere-v1", {"endpoint": "https://m.example"})
    assert manifest.read_text() == TEXT + "    endpoint: https://m.example\n"


def test_what_was_read_before_is_forgotten(manifest):
    assert load_manifest(manifest)["PickCube-v1"].revision == "old"
    write_back(manifest, "PickCube-v1", {"revision": "new"})
    assert load_manifest(manifest)["PickCube-v1"].revision == "new"


@given(st.sampled_from(["0123456789" * 4, "1e10", "0x1f", "deadbeef", "1234567", "null", "yes", "12:30", "me/a"]))
def test_text_stays_text(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("m") / "m.yaml"
    path.write_text(TEXT)
    write_back(path, "PickCube-v1", {"revision": value})
    write_back(path, "PickCube-v1", {"revision": value})
    assert yaml.safe_load(path.read_text())["tasks"]["PickCube-v1"]["revision"] == value
    assert load_manifest(path)["PickCube-v1"].revision == value


def test_an_entry_in_braces_is_left_alone(manifest):
    text = "tasks:\n  A-v1: {instruction: go, horizon: 3}\n"
    manifest.write_text(text)
    with pytest.raises(DataError, match="one field per line") as error:
        write_back(manifest, "A-v1", {"revision": "abc"})
    assert "revision: abc" in error.value.fix
    assert manifest.read_text() == text


def test_what_cannot_be_written_is_refused_first(manifest, tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        check_writable(tmp_path / "none.yaml", "PickCube-v1")
    with pytest.raises(UsageError, match="no entry for 'Other-v1'"):
        check_writable(manifest, "Other-v1")
    check_writable(manifest, "PickCube-v1")


def test_entries_are_found_by_environment_and_by_name(manifest):
    write_back(manifest, "PlaceSphere-v1", {"repo_id": "me/sphere"})
    assert find_entry(manifest, env_id="PickCube-v1").env_id == "PickCube-v1"
    assert find_entry(manifest, repo_id="me/sphere").env_id == "PlaceSphere-v1"
    assert find_entry(manifest, env_id="Other-v1", repo_id="me/other") is None


def test_a_revision_that_yaml_reads_as_a_number_is_named(manifest):
    manifest.write_text(TEXT.replace("revision: old", "revision: 1234567"))
    with pytest.raises(DataError, match="revision must be text"):
        load_manifest(manifest)
