"""`push` and `finetune` read a kept verdict alike."""

import json

import pytest

from mstool.dataset.files import VALIDATION_FILE
from mstool.validators.record import KeptVerdict, read_verdict

WRITTEN = {"valid": True, "target": "lerobot", "created": "2026-01-02", "content_hash": "ab", "summary": {}}


def written(root, text):
    (root / VALIDATION_FILE).parent.mkdir(parents=True)
    (root / VALIDATION_FILE).write_text(text)
    return root


def test_what_was_written(tmp_path):
    found = read_verdict(written(tmp_path, json.dumps(WRITTEN)))
    assert found == KeptVerdict(valid=True, target="lerobot", created="2026-01-02", content_hash="ab")


def test_a_verdict_alone_is_about_no_content(tmp_path):
    assert read_verdict(written(tmp_path, '{"valid": true}')).content_hash == ""


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"valid": "yes"}', '{"valid": 1}', "[" * 100_000, "\x00"])
def test_something_else(tmp_path, text):
    with pytest.raises(ValueError, match=r"."):
        read_verdict(written(tmp_path, text))


def test_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_verdict(tmp_path)
