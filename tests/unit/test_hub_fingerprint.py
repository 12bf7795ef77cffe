import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mstool.dataset.fingerprint import ABOUT, FileHash, combine, content_hash, dataset_files, hash_file


def make(root, files):
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def test_the_hash_is_the_documented_one(tmp_path):
    make(tmp_path, {"b.txt": b"two", "a/c.bin": b""})
    sha = {data: hashlib.sha256(data).hexdigest() for data in (b"", b"two")}
    expected = hashlib.sha256(f"a/c.bin\x000\x00{sha[b'']}\nb.txt\x003\x00{sha[b'two']}\n".encode()).hexdigest()
    assert content_hash(tmp_path) == expected


def test_files_about_the_data_and_hidden_ones_do_not_count(tmp_path):
    before = content_hash(make(tmp_path, {"data/a.parquet": b"x"}))
    make(tmp_path, dict.fromkeys([*ABOUT, ".gitattributes", ".cache/huggingface/x", "data/.tmp"], b"y"))
    assert content_hash(tmp_path) == before
    assert dataset_files(tmp_path) == sorted([*ABOUT, "data/a.parquet"])


def test_content_name_and_presence_count(tmp_path):
    hashes = {content_hash(make(tmp_path, {"data/a.parquet": b"x"}))}
    hashes.add(content_hash(make(tmp_path, {"data/a.parquet": b"y"})))
    (tmp_path / "data/a.parquet").rename(tmp_path / "data/b.parquet")
    hashes.add(content_hash(tmp_path))
    hashes.add(content_hash(make(tmp_path, {"data/c.parquet": b""})))
    assert len(hashes) == 4


def test_progress_hears_every_byte(tmp_path):
    heard = []
    (tmp_path / "f").write_bytes(b"z" * 2_500_000)
    assert hash_file(tmp_path / "f", heard.append).size == sum(heard) == 2_500_000
    assert len(heard) == 3


names = st.text("ab/\n\0", min_size=1, max_size=4)
tables = st.dictionaries(
    names, st.builds(FileHash, st.integers(0, 9), st.sampled_from(["0" * 64, "1" * 64])), max_size=3
)


@given(tables, tables)
def test_different_tables_have_different_hashes(one, two):
    clean = all("\0" not in name and "\n" not in name for name in (*one, *two))
    if clean:
        assert (combine(one) == combine(two)) == (one == two)
