"""What a dataset carried over says of itself: features, statistics of its cameras, entries that no format knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from mstool.contract import Array, Version, VideoProfile
from mstool.dataset.formats import FORMATS
from mstool.dataset.formats.base import Features
from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.rewrite.elsewhere.image_stats import joined, usable
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source
from mstool.maniskill2lerobot.rewrite.elsewhere.videos import Videos
from mstool.maniskill2lerobot.writers.features import video_info


def feature_table(
    sources: Sequence[Source], videos: Sequence[Videos], version: Version, profile: VideoProfile
) -> tuple[Features, list[str]]:
    """Return the feature table of all: of a video's encoding, what all say, and `profile` of those encoded again."""
    features, notes = sources[0].features, []
    is_depth = FORMATS[version].is_depth
    for name, spec in features.items():
        if spec["dtype"] != "video":
            continue
        said = []
        for source, found in zip(sources, videos, strict=True):
            own = source.features[name]
            entries = dict(own.get("info") or own.get("video_info") or {})
            if name in found.again:
                height, width = own["shape"][:2]
                entries = video_info(height, width, version, sources[0].info.fps, PROFILES[profile])
            for key in ("is_depth_map", "video.is_depth_map"):
                if key in entries:
                    entries[is_depth] = entries.pop(key)
            said.append(entries)
        spec["info"] = {key: value for key, value in said[0].items() if all(e.get(key) == value for e in said)}
        spec.pop("video_info", None)
        codecs = list(dict.fromkeys(str(entries.get("video.codec")) for entries in said))
        if len(codecs) > 1:
            notes.append(f"{name}: videos of {' and '.join(codecs)} stay in files of their own")
    return features, notes


def statistics_of_whole(sources: Sequence[Source], name: str, each: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return a camera's statistics over the whole: those of the only dataset, else its episodes' joined."""
    if len(sources) == 1:
        kept = usable(sources[0].stats.get(sources[0].columns[name]) or {}, sources[0].features[name])
        if kept:
            return kept
    return joined(each)


def other_entries(sources: Sequence[Source], episodes: int) -> tuple[dict[str, Any], list[str]]:
    """Return what the descriptions say beyond the formats, and what of it the parts do not agree about."""
    first = sources[0]
    if len(sources) == 1:
        splits = first.info.splits
        return {**first.more, **({"splits": dict(splits)} if splits else {})}, []
    more = {key: value for key, value in first.more.items() if all(s.more.get(key) == value for s in sources)}
    left = sorted({key for source in sources for key in source.more} - set(more))
    notes = [f"the descriptions differ in {', '.join(left)}: left out"] if left else []
    if any(set(source.info.splits) - {"train"} for source in sources):
        notes.append(f"all {episodes} episodes are in the split `train`: the parts had others too")
    return more, notes
