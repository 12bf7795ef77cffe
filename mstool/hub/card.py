"""The dataset's README on a hub: what it is, what its numbers mean, how it was made, how to load it.

The same dataset gives the same card, so that pushing again sends nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.files import CONTACT_SHEET_FILE
from mstool.dataset.info import Info
from mstool.dataset.record import Record
from mstool.hub.card_facts import VectorTable, drops, episode_log, ranges, simulators, sources, tasks, vectors
from mstool.markup import front_matter, markdown_code, markdown_text

# A README with this line is ours to write again; any other is its author's and goes up as it is.
MARK = "<!-- written by mstool push: edits are overwritten, remove this line to keep yours -->"
# What mstool made of ManiSkill's demos.
OWN_LICENSE = "apache-2.0"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class CardFacts:
    """What a card says beyond the dataset's own files."""

    repo_id: str
    license: str | None
    # The validation target, empty when there is no valid report.
    target: str
    has_sheet: bool


def write_card(root: Path, info: Info, facts: CardFacts) -> str:
    """Return the card of the dataset at `root` as Markdown with its YAML head."""
    from mstool.dataset.view import DatasetView

    own = DatasetView(root).record
    parts = [
        _head(info, own, facts),
        f"# {facts.repo_id.rpartition('/')[2]}",
        MARK,
        _summary(info, own, facts),
        _tasks(root, info),
        _features(info, own),
        _conventions(own),
        _statistics(root, info),
        _making(root, own),
        _loading(info, own, facts),
        _license(facts, own),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def is_ours(text: str) -> bool:
    """Tell whether a README was written by `write_card`."""
    return MARK in text


def _head(info: Info, own: Record, facts: CardFacts) -> str:
    frames = info.total_frames
    size = next((name for limit, name in _SIZES if frames < limit), "1M<n<10M")
    tags = ["LeRobot", "mstool", *(["ManiSkill", *own.env_ids] if own.env_ids else [])]
    license_ = _known_license(facts, own)
    head = {
        **({"license": license_} if license_ else {}),
        "task_categories": ["robotics"],
        "tags": tags,
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}],
    }
    return front_matter(head)


def _summary(info: Info, own: Record, facts: CardFacts) -> str:
    fps, frames = info.fps, info.total_frames
    lines = [
        f"{info.total_episodes} episodes, {frames} frames at {fps} Hz"
        + (f" ({frames / fps / 60:.1f} minutes)" if fps else "")
        + f", LeRobot {info.codebase_version}, robot {markdown_code(info.robot_type or 'unknown')}."
    ]
    if own.stated:
        envs = "".join(f" in ManiSkill3's {markdown_code(name)}" for name in own.env_ids)
        lines.append(
            f"Recorded{envs} with layout {markdown_code(own.layout)}, control mode "
            f"{markdown_code(own.control_mode)}, as its owner says."
        )
    elif own:
        envs = ", ".join(markdown_code(name) for name in own.env_ids)
        how = {"recorded": "with the images that they hold", "states": "their recorded states rendered"}.get(
            own.observations, "replayed and rendered"
        )
        lines.append(
            f"Demonstrations of ManiSkill3's {envs}, {how}; layout {markdown_code(own.layout)}, control mode "
            f"{markdown_code(own.control_mode)}."
        )
    if facts.target:
        lines.append(f"Valid for `{facts.target}` (`mstool validate`).")
    if facts.has_sheet:
        lines.append(f"\n![every camera at the start, the middle and the end of an episode]({CONTACT_SHEET_FILE})")
    return "\n".join(lines)


def _tasks(root: Path, info: Info) -> str:
    found = tasks(root, info)
    return "## Tasks\n\n" + "\n".join(f"- {markdown_text(task)}" for task in found) if found else ""


def _features(info: Info, own: Record) -> str:
    rows = []
    for name, feature in info.features.items():
        shape = " x ".join(str(n) for n in feature.shape)
        if feature.is_camera:
            means = f"camera {markdown_code(own.views[name])}" if name in own.views else "camera"
        else:
            names, own_units = feature.names, own.units.get(name, ())
            fitting = own_units if len(own_units) == len(names) else [""] * len(names)
            pairs = zip(names, fitting, strict=True)
            means = markdown_text(", ".join(f"{n} ({u})" if u else str(n) for n, u in pairs))
        rows.append((markdown_code(name), markdown_text(feature.dtype), shape, means))
    return "## Features\n\n" + _table(("feature", "dtype", "shape", "meaning"), rows)


def _conventions(own: Record) -> str:
    if not own:
        return ""
    rows = [(markdown_text(key.replace("_", " ")), markdown_text(value)) for key, value in own.conventions.items()]
    rows += [("goal", f"{markdown_text(own.goal)} (markers that ManiSkill hides from cameras)")] if own.goal else []
    rows += [("frame t", "the observation before action t; the last observation is dropped")]
    rows += [("images", "RGB, upright, not mirrored")]
    return f"## Conventions of layout {markdown_code(own.layout)}\n\n" + _table(("what", "how"), rows)


def _statistics(root: Path, info: Info) -> str:
    blocks = []
    for vector in vectors(root, info):
        columns = ("dimension", *vector.columns)
        blocks.append(f"{markdown_code(vector.name)}\n\n" + _table(columns, _rows(vector)))
    return "## Statistics\n\n" + "\n\n".join(blocks) if blocks else ""


def _rows(vector: VectorTable) -> Iterable[tuple[str, ...]]:
    for i, dimension in enumerate(vector.dimensions):
        yield (markdown_text(dimension), *(f"{vector.columns[key][i]:.4g}" for key in vector.columns))


def _making(root: Path, own: Record) -> str:
    if not own:
        return ""
    log = episode_log(root)
    rows = [("tool", f"mstool {markdown_text(own.version)}")]
    rows += [(f"{markdown_text(env_id)} demos", words) for env_id, words in sources(own.demos).items()]
    rows += [(f"{markdown_text(env_id)} simulator", words) for env_id, words in simulators(own.demos).items()]
    rows += [("robot and floor", "simplified meshes (`--render-detail fast`)")] if own.render_detail == "fast" else []
    rows += (
        [("rewritten", f"from LeRobot {markdown_text(own.exported_from)} (`mstool export`)")]
        if own.exported_from
        else []
    )
    for env_id, entries in log.by_env.items():
        rows.append((f"{markdown_text(env_id)} seeds", ranges(entries)))
    rows += [("episodes' fingerprint", f"`{log.digest}` (recipe, demo content, tool version)")] if log.digest else []
    rows.append(("dropped", markdown_text(drops(own.dropped))))
    rows += [("note", markdown_text(text)) for text in own.warnings]
    if own.video_profile == "portable":
        rows.append(("videos", "H.264 4:2:0, which browsers play (`--video-profile portable`)"))
    if own.psnr_db:
        worst = ", ".join(f"{markdown_text(view)} {value} dB" for view, value in own.psnr_db.items())
        rows.append(("video against the rendered frames, worst PSNR", worst))
    return "## How it was made\n\n" + _table(("what", "how"), rows)


def _loading(info: Info, own: Record, facts: CardFacts) -> str:
    pull = f"mstool pull {facts.repo_id}"
    lerobot = (
        "```python\nfrom lerobot.datasets.lerobot_dataset import LeRobotDataset\n\n"
        f'dataset = LeRobotDataset("{facts.repo_id}")\n```'
    )
    from mstool.validators.targets import MANISKILL, fitting_target

    fitting = fitting_target(info.raw, own).target
    config = (
        "write a config of your own for it"
        if fitting == MANISKILL.name
        else f'set `repo_id="{facts.repo_id}"` in a copy of its `{fitting}` config'
    )
    openpi = f"openpi reads LeRobot v2.1, as this is: {config}, and use this repository's `norm_stats.json`."
    if info.is_v2:
        body = f"{openpi}\n\nLeRobot >= 0.4 reads v3.0 only: `mstool export --format v3.0` writes it from this dataset."
    else:
        body = (
            f"LeRobot >= 0.4:\n\n{lerobot}\n\nopenpi reads LeRobot v2.1: `mstool export --format v2.1` writes it from "
            "this dataset; `norm_stats.json` here is in openpi's format already."
        )
    return f"## How to load it\n\nFrom a hub or a mirror, verified file by file:\n\n```bash\n{pull}\n```\n\n{body}"


def _known_license(facts: CardFacts, own: Record) -> str | None:
    return facts.license or (OWN_LICENSE if own.demos else None)


def _license(facts: CardFacts, own: Record) -> str:
    license_ = _known_license(facts, own)
    if license_ is None:
        return ""
    text = f"## License\n\n{markdown_code(license_)}."
    if own:
        text += (
            " ManiSkill's assets, which these images show, are under licenses of their own (see ManiSkill's README)."
        )
    return text


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(columns)
    lines = [heads, ["---"] * len(heads), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
