"""What `mstool validate` keeps in a dataset is what `mstool push` demands."""

import json

import pytest

from mstool.dataset.fingerprint import content_hash
from mstool.dataset.info import read_info
from mstool.errors import MstoolError
from mstool.hub.gate import check_validation


def test_a_verdict_is_kept_and_accepted_until_the_data_changes(mstool, pickcube, tmp_path):
    import shutil

    root = shutil.copytree(pickcube / "v3.0", tmp_path / "data")
    with pytest.raises(MstoolError, match="validation"):
        check_validation(root, read_info(root), content_hash(root))

    assert mstool("validate", root, "--against", "pi05_libero", "--select", "MS1") in {0, 1}
    assert not (root / "meta/mstool/validation.json").exists()  # some checks are no verdict

    assert mstool("validate", root, "--against", "lerobot_pi05") == 0
    verdict = json.loads((root / "meta/mstool/validation.json").read_text())
    assert verdict["valid"]
    assert verdict["target"] == "lerobot_pi05"
    assert check_validation(root, read_info(root), content_hash(root)) == "lerobot_pi05"

    tasks = root / "meta" / "mstool" / "episodes.jsonl"
    tasks.write_text(tasks.read_text() + "\n")
    with pytest.raises(MstoolError):
        check_validation(root, read_info(root), content_hash(root))
