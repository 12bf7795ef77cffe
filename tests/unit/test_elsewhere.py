"""What is asked of datasets made elsewhere before they are exported or merged."""

import io
import json
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.edited import DATA, edit_info, edit_rows
from support.records import drop_record, read_record
from support.shards import make_dataset, make_episode

from mstool.dataset.files import RECORD_FILE, SOURCES_FILE
from mstool.dataset.formats.rows import INDEX
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.rewrite.elsewhere.image_stats import joined
from mstool.maniskill2lerobot.rewrite.merge_export import export, merge
from mstool.maniskill2lerobot.rewrite.stored import open_stored
from mstool.validators import validate


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A v3.0 dataset of ours, three episodes, without a simulator."""
    folder = tmp_path_factory.mktemp("ours")
    episodes = [make_episode(folder / "shards", seed=k, frames=5 + k, task=f"task {k % 2}") for k in range(3)]
    return make_dataset(folder / "data", folder / "work", {"v3.0": "video"}, episodes)


@pytest.fixture
def elsewhere(ours, tmp_path):
    """The same without the record: it could be anybody's."""
    root = shutil.copytree(ours, tmp_path / "elsewhere")
    drop_record(root)
    return root


def add_column(root, name):
    table = pq.read_table(root / DATA)
    pq.write_table(table.append_column(name, pa.array(np.arange(len(table), dtype=np.float32))), root / DATA)
    spec = {"dtype": "float32", "shape": [1], "names": None}
    edit_info(root, lambda info: info["features"].update({name: spec}))


def test_without_a_record_columns_keep_their_names(elsewhere, tmp_path):
    report = export(elsewhere, tmp_path / "old", version="v2.1")
    assert "columns keep their names (observation.images.image, " in report.notes[-1]
    export(tmp_path / "old", tmp_path / "new", version="v3.0")
    before, after = (pq.read_table(root / DATA) for root in (elsewhere, tmp_path / "new"))
    assert after.equals(before)
    assert not (tmp_path / "new" / RECORD_FILE).exists()


def test_a_column_that_somebody_added_to_ours_stays_and_so_does_the_record(ours, tmp_path):
    root = shutil.copytree(ours, tmp_path / "more")
    add_column(root, "torque")
    export(root, tmp_path / "old", version="v2.1")
    # It has openpi's names, which openpi and `open_stored` look for.
    assert list(json.loads((tmp_path / "old/meta/info.json").read_text())["features"]) == [
        *("image", "wrist_image", "state", "actions", *INDEX, "torque")
    ]
    assert open_stored(tmp_path / "old").added == ["torque"]
    assert set(read_record(tmp_path / "old")["units"]) == {"state", "actions"}
    assert not validate(tmp_path / "old", "pi05_libero").codes("failed") & {"MS701", "MS702"}
    export(tmp_path / "old", tmp_path / "back", version="v3.0")
    assert read_record(tmp_path / "back") == read_record(root)
    other = shutil.copytree(root, tmp_path / "other")
    merge([root, other], tmp_path / "both")
    assert read_record(tmp_path / "both")["layout"] == "libero"
    assert len((tmp_path / "both/meta/mstool/episodes.jsonl").read_text().splitlines()) == 6


def test_ours_and_one_made_elsewhere_lose_the_record_and_say_so(ours, elsewhere, tmp_path):
    report = merge([ours, elsewhere], tmp_path / "both")
    assert any("record of data is left out: nothing says that elsewhere means the same" in n for n in report.notes)
    assert any(n.endswith(f"until mstool describe {elsewhere} --from ORIGINAL") for n in report.notes)
    assert not (tmp_path / "both" / RECORD_FILE).exists()
    sources = json.loads((tmp_path / "both" / SOURCES_FILE).read_text())["sources"]
    assert [source["layout"] for source in sources] == ["libero", None]


def test_every_difference_is_named_with_the_command_that_drops_it(elsewhere, tmp_path):
    other = shutil.copytree(elsewhere, tmp_path / "other")
    add_column(other, "torque")
    add_column(elsewhere, "effort")
    with pytest.raises(DataError) as error:
        merge([elsewhere, other], tmp_path / "both")
    for text in ("other has no column effort", "elsewhere has no column torque"):
        assert text in error.value.message
    assert "--drop effort --drop torque" in error.value.fix
    merge([elsewhere, other], tmp_path / "both", drop=["effort", "torque"])
    merge([elsewhere, other], tmp_path / "named", rename={"effort": "torque"})
    assert "torque" in pq.read_schema(tmp_path / "named" / DATA).names


def test_what_cannot_be_dropped_is_no_advice(elsewhere, tmp_path):
    other = shutil.copytree(elsewhere, tmp_path / "other")

    def change(info):
        info.update(fps=30, robot_type="so101")
        info["features"]["action"]["names"][0] = "x"

    edit_info(other, change)
    with pytest.raises(DataError) as error:
        merge([elsewhere, other], tmp_path / "both")
    for text in ("20 and 30 fps", "robot panda and so101", "column action is names"):
        assert text in error.value.message
    assert "--drop action" not in error.value.fix


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"drop": ["actoin"]}, "has a column 'actoin'"),
        ({"drop": ["timestamp"]}, "every dataset has timestamp"),
        ({"rename": {"action": "observation.state"}}, "two columns observation.state"),
    ],
)
def test_words_that_cannot_be(elsewhere, tmp_path, more, text):
    other = shutil.copytree(elsewhere, tmp_path / "other")
    with pytest.raises(UsageError, match=text):
        merge([elsewhere, other], tmp_path / "both", **more)
    assert not list(tmp_path.glob("*both*"))


def test_renames_on_the_command_line(elsewhere, tmp_path, mstool, capsys):
    assert mstool("merge", elsewhere, elsewhere.parent / "x", "-o", tmp_path / "o", "--rename", "action") == 2
    assert "--rename 'action' is not OLD=NEW" in capsys.readouterr().err


def test_nothing_to_change(elsewhere, tmp_path):
    for storage, more in ((None, ""), ("video", " with RGB images stored as video")):
        with pytest.raises(UsageError, match=rf"is v3\.0{more} already") as refused:
            export(elsewhere, tmp_path / "new", storage=storage)
        assert refused.value.fix == f"mstool export {elsewhere} --format v2.1 --output {tmp_path / 'new'}"
    with pytest.raises(UsageError, match="lies in"):
        export(elsewhere, elsewhere / "new", version="v2.1")


def test_a_dataset_that_holds_what_is_read_is_not_replaced(ours, elsewhere, tmp_path):
    inner = shutil.copytree(ours, elsewhere / "inner")
    with pytest.raises(UsageError, match=r"holds .*inner, which is read"):
        merge([inner, ours], elsewhere, overwrite=True)
    assert inner.is_dir()


def test_the_record_follows_a_camera_to_its_new_name(ours, tmp_path):
    other = shutil.copytree(ours, tmp_path / "other")
    merge([ours, other], tmp_path / "both", rename={"observation.images.image2": "observation.images.hand"})
    views = read_record(ours)["views"]
    hand = views.pop("observation.images.image2")
    assert read_record(tmp_path / "both")["views"] == {**views, "observation.images.hand": hand}
    report = merge([ours, other], tmp_path / "state", rename={"observation.state": "observation.pose"})
    assert "columns have other names now" in report.notes[-1]
    assert not (tmp_path / "state" / RECORD_FILE).exists()


def test_a_task_of_several_lines_is_one_line_of_the_report(elsewhere, tmp_path):
    report = export(elsewhere, tmp_path / "old", version="v2.1")
    text = replace(report, instructions=("stack\n\x1b[31mit",)).text()
    assert len(text.splitlines()) == 5 + len(report.notes) - 1
    assert "\x1b" not in text


def test_a_rate_that_is_not_the_videos(elsewhere, tmp_path):
    edit_info(elsewhere, lambda info: info.update(fps=29.97))
    with pytest.raises(DataError, match="its episode has"):  # its videos are at 20 Hz
        export(elsewhere, tmp_path / "old", version="v2.1")
    assert not list(tmp_path.glob("*old*"))


def test_joined_statistics_are_those_of_all_pictures():
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (3, 8, 9, 3)).astype(np.uint8), random.integers(99, 130, (7, 8, 9, 3))]
    parts = []
    for each in pictures:
        histogram = ImageHistogram()
        for image in each:
            histogram.add(image.astype(np.uint8))
        parts.append(histogram.stats())
    whole, pixels = joined(parts), np.concatenate(pictures) / 255
    np.testing.assert_allclose(np.ravel(whole["std"]), pixels.std(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(np.ravel(whole["mean"]), pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert whole["count"].tolist() == [10]
    assert "q01" not in whole


def test_values_that_are_not_what_is_declared(elsewhere, tmp_path):
    add_column(elsewhere, "torque")
    edit_info(elsewhere, lambda info: info["features"]["torque"].update(shape=[2]))
    with pytest.raises(DataError, match=r"not of the dtype and shape"):
        export(elsewhere, tmp_path / "old", version="v2.1")
    assert not list(tmp_path.glob("*old*"))


def test_a_column_of_a_name_that_leads_out(elsewhere, tmp_path):
    def rename(info):
        info["video_path"] = info["video_path"].replace("{video_key}", "observation.images.image")
        info["features"]["../../x"] = info["features"].pop("observation.images.image")

    edit_info(elsewhere, rename)
    with pytest.raises(DataError, match=r"no column of the name '\.\./"):
        export(elsewhere, tmp_path / "old", version="v2.1")


def test_what_episode_tables_say_beside_is_kept_where_it_is_alike(elsewhere, tmp_path):
    export(elsewhere, tmp_path / "old", version="v2.1")
    path = tmp_path / "old/meta/episodes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for k, line in enumerate(lines):
        line |= {"success": k > 0, "who": ["a", 1, {}][k]}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = export(tmp_path / "old", tmp_path / "new", version="v3.0")
    assert any("under who is of several kinds" in note for note in report.notes)
    table = pq.read_table(next((tmp_path / "new/meta/episodes").rglob("*.parquet")))
    assert table["success"].to_pylist() == [False, True, True]
    export(tmp_path / "new", tmp_path / "again", version="v2.1")
    assert json.loads((tmp_path / "again/meta/episodes.jsonl").read_text().splitlines()[1])["success"] is True


def test_a_column_that_only_lerobot_can_write_is_left_out_by_the_command_that_is_advised(elsewhere, tmp_path, mstool):
    edit_info(elsewhere, lambda info: info["features"].update({"says": {"dtype": "language", "shape": [1]}}))
    with pytest.raises(DataError, match=r"columns of a kind that only .*: says \(language\)") as refused:
        export(elsewhere, tmp_path / "old", version="v2.1")
    less = elsewhere.with_name("elsewhere-less")
    assert refused.value.fix == f"mstool export {elsewhere} --drop says --output {less}"
    assert mstool(*shlex.split(refused.value.fix)[1:]) == 0
    assert "says" not in json.loads((less / "meta/info.json").read_text())["features"]


def test_repeated_episodes_are_told_whatever_is_dropped(elsewhere, tmp_path):
    add_column(elsewhere, "torque")
    other = shutil.copytree(elsewhere, tmp_path / "other")
    note = "3 episodes are in more than one of the datasets: they weigh more in training (MS210)"
    assert note in merge([elsewhere, other], tmp_path / "both", drop=["torque"]).notes
    edit_rows(other, lambda columns: columns["action"].__iadd__(0.01))
    assert note not in merge([elsewhere, other], tmp_path / "apart", rename={"torque": "effort"}).notes


def test_export_drops_and_renames(elsewhere, tmp_path, mstool, capsys):
    add_column(elsewhere, "torque")
    words = ("--drop", "torque", "--rename", "observation.images.image=observation.images.front")
    assert mstool("export", elsewhere, *words, "--output", tmp_path / "new") == 0
    features = json.loads((tmp_path / "new/meta/info.json").read_text())["features"]
    assert "torque" not in features
    assert next(iter(features)) == "observation.images.front"
    assert pq.read_table(tmp_path / "new" / DATA).equals(pq.read_table(elsewhere / DATA).drop_columns("torque"))
    (part,) = json.loads((tmp_path / "new" / SOURCES_FILE).read_text())["sources"]
    assert (part["left_out"], list(part["renamed"].values())) == (["torque"], ["observation.images.front"])
    capsys.readouterr()
    assert mstool("export", elsewhere, "--drop", "torqe", "--output", tmp_path / "no") == 2
    assert "did you mean torque?" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_pictures_change_their_storage_and_statistics_are_of_every_one(elsewhere, tmp_path, version):
    """What the PNGs hold is what the videos show; encoded again, they look the same."""
    report = export(elsewhere, tmp_path / "png", version=version, storage="image")
    assert any("PNGs of what their videos show" in note for note in report.notes)
    pictures, stats = shown(tmp_path / "png"), whole_stats(tmp_path / "png", "observation.images.image")
    histogram = ImageHistogram()
    for picture in pictures:
        histogram.add(np.ascontiguousarray(picture))
    expected = histogram.stats()
    # Quantiles of episodes, which v2.1 has alone, give none of the whole.
    assert stats.keys() >= {"min", "max", "mean", "std"} | ({"q01", "q99"} if version == "v3.0" else set())
    for name in stats.keys() & expected.keys():
        np.testing.assert_allclose(np.ravel(stats[name]), np.ravel(expected[name]), atol=1e-6, err_msg=name)
    assert not validate(tmp_path / "png", "lerobot").codes("failed") & {"MS301", "MS303", "MS601", "MS602", "MS607"}

    report = export(tmp_path / "png", tmp_path / "video", version="v3.0", storage="video")
    assert any("encoded as H.264, at worst" in note for note in report.notes)
    info = json.loads((tmp_path / "video/meta/info.json").read_text())["features"]["observation.images.image"]
    assert (info["dtype"], info["info"]["video.codec"]) == ("video", "h264")
    again = shown(export(tmp_path / "video", tmp_path / "last", storage="image").root)
    assert np.abs(again.astype(int) - pictures).mean() < 3


def shown(root):
    """Every picture of the first camera of a dataset that stores PNGs, uint8 (N, H, W, 3)."""
    files = sorted((root / "data").rglob("*.parquet"))
    cells = [cell for file in files for cell in pq.read_table(file)["observation.images.image"].to_pylist()]
    return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in cells])


def whole_stats(root, column):
    """A column's statistics over the whole dataset; v2.1 has those of episodes alone."""
    if (root / "meta/stats.json").is_file():
        return json.loads((root / "meta/stats.json").read_text())[column]
    return json.loads((export(root, root.with_name("whole"), version="v3.0").root / "meta/stats.json").read_text())[
        column
    ]
