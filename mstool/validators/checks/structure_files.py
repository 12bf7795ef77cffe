"""MS105 to MS109: the files, and the columns in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mstool.dataset.files import INFO_FILE, INFO_NAME
from mstool.dataset.links import links_outside, target
from mstool.dataset.parquet_files import open_parquet, read_footer
from mstool.dataset.unreadable import placeholder, unreadable_parquet
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.report import Issue
from mstool.validators.sampling import SampledView


def short(data: SampledView, path: Any) -> str:
    """Return a file's name within the dataset."""
    return str(path.relative_to(data.root))


@register
class DataFilesThere(Check):
    """MS105."""

    code, family = "MS105", "structure"
    title = "every data and video file that the episode table names is there"
    meaning = "training stops at the first episode whose file is missing, or silently trains on fewer"
    fix = "download the dataset or convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for each, and for links that lead elsewhere."""
        data = context.data
        for link in links_outside(data.root):
            yield Issue(
                "a link leads out of the dataset, to a folder or nowhere: what is there is not pushed",
                "warning",
                feature=short(data, link),
                observed=str(target(link)),
                fix="cp -rL DATASET DATASET-whole makes a copy without links",
            )
        for path in data.data_files:
            yield from self._there(data, path, "data")
        for path, episodes in data.filmed.items():
            yield from self._there(data, path, "video", episodes[0][0].index)

    @staticmethod
    def _there(data: SampledView, path: Path, what: str, episode: int | None = None) -> Iterator[Issue]:
        if not path.is_file():
            elsewhere = _elsewhere(data.root, path)
            rename = f"name the folder as {INFO_NAME} does, or change its path pattern to what is there"
            yield Issue(
                f"a {what} file is missing",
                feature=short(data, path),
                episode=episode,
                observed=f"there is {elsewhere}" if elsewhere else None,
                fix=rename if elsewhere else "",
            )
        elif found := placeholder(path):
            yield Issue(f"a {what} file is {found.what}", feature=short(data, path), episode=episode, fix=found.fix)


def _elsewhere(root: Path, path: Path) -> str:
    """Return where a missing file is instead, if a folder on its way has another name; "" where nowhere."""
    wanted = path.relative_to(root).parts
    for i, name in enumerate(wanted[:-1]):
        above = root.joinpath(*wanted[:i])
        if (above / name).is_dir() or not above.is_dir():
            continue
        others = sorted(other.name for other in above.iterdir() if other.is_dir())
        found = [other for other in others if above.joinpath(other, *wanted[i + 1 :]).is_file()]
        return "/".join([*wanted[:i], found[0], *wanted[i + 1 :]]) if found else ""
    return ""


@register
class DataFilesReadable(Check):
    """MS106."""

    code, family = "MS106", "structure"
    title = "every data file is a whole parquet file"
    meaning = "a file whose writer was not closed, or a broken download, has no footer and cannot be read"
    fix = "call LeRobotDataset.finalize() at the end of recording; download the dataset or convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Read every footer, and the first rows."""
        data = context.data
        files = [path for path in data.data_files if path.is_file() and placeholder(path) is None]
        if not files:
            raise Skip("there are no data files (MS105)")
        for path in data.some_files(files):
            try:
                with open_parquet(path) as file:
                    for _ in file.iter_batches(batch_size=1024, columns=file.schema_arrow.names[-1:]):
                        break
            except Exception as error:  # noqa: BLE001  # arrow raises many kinds
                reason = unreadable_parquet(path, error)
                yield Issue(reason.what, feature=short(data, path), fix=reason.fix)


@register
class ColumnsAsDeclared(Check):
    """MS107."""

    code, family = "MS107", "structure"
    title = f"the columns of the data files are those of {INFO_NAME}, in dtype and shape"
    meaning = f"readers cast what they find to what {INFO_NAME} says: they fail, or fill with something else"
    fix = f"convert the demos again, or correct the feature in {INFO_FILE}"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare schemas, then values that a schema does not show."""
        data = context.data
        wanted = {name: f for name, f in data.features.items() if f["dtype"] != "video"}
        files = [path for path in data.some_files(data.data_files) if path in data.row_counts]
        if not files:
            raise Skip("no data file can be read")
        odd: set[str] = set()
        for path in files:
            schema = read_footer(path).schema.to_arrow_schema()
            for name, feature in wanted.items():
                if name in odd:
                    continue
                problem = _problem(schema, name, feature)
                if problem:
                    odd.add(name)
                    yield Issue(problem[0], feature=name, observed=problem[1], expected=problem[2])
            for name in schema.names:
                if name not in data.info["features"] and name not in odd and name != "__index_level_0__":
                    odd.add(name)
                    yield Issue(
                        f"a column that {INFO_NAME} does not declare",
                        "warning",
                        feature=name,
                        observed=short(data, path),
                    )
        for name, why in data.unreadable_columns.items():
            if name not in odd:
                yield Issue(why.split(": ", 1)[-1], feature=name)


def _problem(schema: pa.Schema, name: str, feature: dict[str, Any]) -> tuple[str, str | None, str | None] | None:
    if name not in schema.names:
        return f"{INFO_NAME} declares a column that the data lacks", None, f"{feature['dtype']} {feature['shape']}"
    kind = schema.field(name).type
    if isinstance(kind, pa.BaseExtensionType):  # of `datasets`' matrices, where that library is loaded
        kind = kind.storage_type
    if feature["dtype"] == "image":
        if not (pa.types.is_struct(kind) and {field.name for field in kind} >= {"bytes", "path"}):
            return "images must be a struct of bytes and path", str(kind), "struct<bytes, path>"
        return None
    size = None
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        size = kind.list_size if pa.types.is_fixed_size_list(kind) and size is None else size
        kind = kind.value_type
    expected = {"string": "string", "float32": "float", "float64": "double"}.get(feature["dtype"], feature["dtype"])
    if str(kind) not in {expected, f"large_{expected}"}:
        return "another dtype than declared", str(kind), feature["dtype"]
    if size is not None and [size] != feature["shape"]:
        return "another length than declared", str(size), str(feature["shape"])
    return None


@register
class Totals(Check):
    """MS108."""

    code, family = "MS108", "structure"
    title = f"{INFO_NAME}'s totals are those of the files"
    meaning = "an index built from the totals runs past the end, or leaves frames out"
    fix = f"convert the demos again; a count alone can be corrected in {INFO_FILE}"

    def run(self, context: Context) -> Iterator[Issue]:
        """Count rows by the footers, episodes and tasks by their tables."""
        data = context.data
        counted = {"total_episodes": len(data.episodes), "total_tasks": len(data.tasks)}
        if set(data.row_counts) == set(data.data_files):
            counted["total_frames"] = sum(data.row_counts.values())
            # Readers load the rows of a file that the episode table does not name, too: that is MS110's.
            everything = counted["total_frames"] + sum(data.unnamed_row_counts.values())
            if data.info.get("total_frames") == everything:
                counted["total_frames"] = everything
        for name, number in counted.items():
            if data.info.get(name) != number:
                yield Issue(f"{name} is wrong", feature=name, observed=repr(data.info.get(name)), expected=str(number))


@register
class ListMetadata(Check):
    """MS109."""

    code, family = "MS109", "structure"
    title = "the parquet schema names types that the reader's `datasets` knows"
    meaning = "openpi pins datasets 3.6, which does not know `List` (since 4.0): it refuses the file"
    fix = "mstool convert --format v2.1 writes `Sequence`; or rewrite the files with datasets < 4"

    def run(self, context: Context) -> Iterator[Issue]:
        """Read the `huggingface` metadata of a few files."""
        data = context.data
        if not data.version.startswith("v2"):
            raise Skip("LeRobot v3.0 is read with datasets >= 4")
        for path in data.data_files[:3]:
            if path in data.row_counts:
                metadata = read_footer(path).schema.to_arrow_schema().metadata or {}
                if b'"List"' in metadata.get(b"huggingface", b""):
                    yield Issue(
                        "the type `List` is unknown to datasets 3.6",
                        feature=short(data, path),
                        observed="List",
                        expected="Sequence",
                    )
                    return
