import json

import pytest
from hub_server.datasets import validate
from hub_server.fixtures import dataset, hub_environment, pristine  # noqa: F401

from mstool.errors import DataError, UsageError
from mstool.fingerprint import VALIDATION_FILE, content_hash
from mstool.hub.gate import check_validation, read_info


def check(root):
    return check_validation(root, read_info(root), content_hash(root))


def refused(root):
    with pytest.raises(DataError) as error:
        check(root)
    return error.value


def test_a_good_report_names_its_target(dataset):  # noqa: F811
    assert check(dataset) == "lerobot_pi05"


def test_a_missing_report(dataset):  # noqa: F811
    (dataset / VALIDATION_FILE).unlink()
    error = refused(dataset)
    assert "never validated" in error.message
    assert error.fix == f"mstool validate {dataset} --against lerobot_pi05"


@pytest.mark.parametrize(
    ("version", "layout", "target"),
    [("v2.1", "libero", "pi05_libero"), ("v2.1", "droid", "pi05_droid"), ("v3.0", "droid", "lerobot_pi05")],
)
def test_without_a_report_the_target_is_guessed(dataset, version, layout, target):  # noqa: F811
    (dataset / VALIDATION_FILE).unlink()
    info = read_info(dataset)
    info["codebase_version"], info["mstool"]["layout"] = version, layout
    (dataset / "meta/info.json").write_text(json.dumps(info))
    assert refused(dataset).fix.endswith(f"--against {target}")


def test_a_report_older_than_the_data(dataset):  # noqa: F811
    validate(dataset, target="pi05_libero")
    (dataset / "meta/stats.json").write_text("{}")
    error = refused(dataset)
    assert "has changed since it was validated on 2025-01-02" in error.message
    assert error.fix == f"mstool validate {dataset} --against pi05_libero"


def test_an_invalid_dataset(dataset):  # noqa: F811
    validate(dataset, valid=False)
    assert "is not valid for lerobot_pi05" in refused(dataset).message


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"valid": "yes"}', "\x00", '{"valid": 1}'])
def test_a_file_that_is_no_report(dataset, text):  # noqa: F811
    (dataset / VALIDATION_FILE).write_text(text)
    error = refused(dataset)
    assert "validation" in error.message
    assert error.fix.startswith("mstool validate")


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"codebase_version": "v3.0"}', '{"features": {}}'])
def test_a_folder_that_is_no_dataset(tmp_path, text):
    if text is not None:
        (tmp_path / "meta").mkdir()
        (tmp_path / "meta/info.json").write_text(text)
    with pytest.raises((UsageError, DataError), match=r"info\.json"):
        read_info(tmp_path)
