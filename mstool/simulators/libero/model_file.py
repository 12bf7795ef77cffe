"""The MuJoCo model that each official LIBERO demo holds, as XML: where its fixtures stand is nowhere else."""

import xml.etree.ElementTree as ET

import numpy as np

from mstool.contract import Array


def parsed(model: str) -> ET.Element | None:
    """Return a model's XML, None where it is none."""
    try:
        return ET.fromstring(model)  # noqa: S314 - expat expands no external entity
    except ET.ParseError:
        return None


def fixtures_of(model: str) -> dict[str, Array]:
    """Return where a demo's own model has its fixtures: (7,) m and quaternion wxyz; none where it has no model."""
    root = parsed(model)
    bodies = root.findall("worldbody/body") if root is not None else []
    return {
        str(body.get("name")).removesuffix("_main"): np.array(
            [
                float(number)
                for name, none in (("pos", "0 0 0"), ("quat", "1 0 0 0"))
                for number in body.get(name, none).split()
            ]
        )
        for body in bodies
        if str(body.get("name")).endswith("_main")
    }
