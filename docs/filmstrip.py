"""Put docs/demo_to_policy.jpg together from what was really recorded: `python docs/filmstrip.py`.

Left four moments of a converted demo (contact_sheet.png), in the middle the training that
benchmarks/results/flow_six_tasks.json tells of, right an unseen seed that the policy solved (flow_policy.jpg).
"""

import json
import re
from pathlib import Path

import numpy as np
from generated_pages.faults import frames
from PIL import Image, ImageDraw, ImageFont

DOCS = Path(__file__).resolve().parent
SIDE, EDGE, MIDDLE = 128, 28, 250
# In flow_policy.jpg PickCube comes first: eight moments, base above wrist; these four of them.
MOMENTS = (0, 2, 4, 7)
INK, PAPER = (40, 40, 40), (255, 255, 255)


def strip(views: list[np.ndarray]) -> Image.Image:
    """Lay moments beside each other, one view above the other."""
    rows = [np.concatenate([np.asarray(Image.fromarray(f).resize((SIDE, SIDE))) for f in view], 1) for view in views]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    """Write the picture."""
    demo = strip([frames()["base"], frames()["wrist"]])
    with Image.open(DOCS / "flow_policy.jpg") as image:
        sheet = np.asarray(image.convert("RGB"))
    solved = strip([np.stack([sheet[y : y + SIDE, i * SIDE : (i + 1) * SIDE] for i in MOMENTS]) for y in (0, SIDE)])
    group = json.loads((DOCS.parent / "benchmarks/results/flow_six_tasks.json").read_text())[0]
    told = (DOCS.parent / "benchmarks/results/flow_six_tasks.md").read_text()
    rate = re.search(r"PickCube-v1 +[\d.]+ % +(\d+)/(\d+)", told)
    trained = re.search(r"(\d+) episodes, \d+ frames, .*?; trained (\d+) steps .*? in (\d+) s, loss ([\d.]+)\.", told)
    assert rate
    assert trained
    assert "PickCube-v1" in group["convert"]["command"]
    lines = [
        f"{trained[1]} episodes of two tasks",
        f"{int(trained[2]):,} steps in {int(trained[3]) // 60} minutes",
        f"loss {trained[4]}",
        f"solved {rate[1]} of {rate[2]} unseen seeds",
    ]
    picture = Image.new("RGB", (demo.width + MIDDLE + solved.width, demo.height + EDGE), PAPER)
    picture.paste(demo, (0, EDGE))
    picture.paste(solved, (demo.width + MIDDLE, EDGE))
    draw = ImageDraw.Draw(picture)
    head, small = ImageFont.load_default(18), ImageFont.load_default(17)
    titles = ((demo.width / 2, "mstool convert"), (demo.width + MIDDLE / 2, "mstool finetune"))
    for x, words in (*titles, (picture.width - solved.width / 2, "mstool eval")):
        draw.text((x, EDGE / 2), words, fill=INK, font=head, anchor="mm")
    for i, words in enumerate(lines):
        draw.text((demo.width + MIDDLE / 2, EDGE + 70 + 34 * i), words, fill=INK, font=small, anchor="mm")
    picture.save(DOCS / "demo_to_policy.jpg", quality=86)


if __name__ == "__main__":
    main()
