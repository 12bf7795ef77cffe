import pytest
from hub_server.datasets import validate
from hub_server.fixtures import dataset, dataset_v21, hub_environment, pristine, pristine_v21  # noqa: F401
from support.records import drop_record

from mstool.dataset.files import VALIDATION_FILE
from mstool.dataset.fingerprint import content_hash
from mstool.dataset.info import read_info
from mstool.errors import DataError, UsageError
from mstool.hub.gate import check_validation


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


def test_without_a_report_the_target_is_the_one_that_fits(dataset_v21):  # noqa: F811
    (dataset_v21 / VALIDATION_FILE).unlink()
    assert refused(dataset_v21).fix == f"mstool validate {dataset_v21} --against pi05_libero"


def test_a_report_older_than_the_data(dataset):  # noqa: F811
    (dataset / "meta/stats.json").write_text("{}")
    error = refused(dataset)
    assert "has changed since it was validated on 20" in error.message
    assert error.fix == f"mstool validate {dataset} --against lerobot_pi05"


@pytest.mark.parametrize("valid", [True, False])
def test_a_report_for_another_target(dataset, valid):  # noqa: F811
    validate(dataset, valid=valid, target="pi05_libero")
    error = refused(dataset)
    assert "was validated for pi05_libero and is pushed as a dataset for lerobot_pi05" in error.message
    assert error.fix == f"mstool validate {dataset} --against lerobot_pi05"


def test_after_another_tool_has_dropped_the_record(dataset, dataset_v21):  # noqa: F811
    for root, target in ((dataset, "lerobot_pi05"), (dataset_v21, "pi05_libero")):
        drop_record(root)
        validate(root)
        assert check(root) == target


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
