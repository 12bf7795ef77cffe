"""What differs between Pi0 and Pi0.5 in openpi, for a person who switches between the two.

Read in openpi at commit 15a9616: `models/pi0_config.py` (Pi0Config), `models/pi0.py` (embed_suffix),
`models/tokenizer.py` (PaligemmaTokenizer) and `training/config.py` (create_base_config, _CONFIGS).
"""

from dataclasses import dataclass

WEIGHTS = {
    "pi0": "gs://openpi-assets/checkpoints/pi0_base/params",
    "pi05": "gs://openpi-assets/checkpoints/pi05_base/params",
}
MAX_TOKEN_LEN = {"pi0": 48, "pi05": 200}


@dataclass(frozen=True)
class RecipeDifference:
    """One line of the table."""

    what: str
    pi0: str
    pi05: str


DIFFERENCES = (
    RecipeDifference("Pi0Config.pi05", "False", "True"),
    RecipeDifference("max_token_len", str(MAX_TOKEN_LEN["pi0"]), str(MAX_TOKEN_LEN["pi05"])),
    RecipeDifference("discrete_state_input", "False", "True (openpi's pi05_libero: False)"),
    RecipeDifference(
        "the state enters as", "one token of the action expert", "text in the prompt, 256 bins; False: not at all"
    ),
    RecipeDifference("flow time enters through", "an MLP over [action, time]", "adaRMSNorm of the action expert"),
    RecipeDifference("action expert's norm", "RMSNorm", "adaRMSNorm"),
    RecipeDifference("normalisation", "z-score: mean, std", "quantiles: q01, q99 to [-1, 1]"),
    RecipeDifference("weights", "pi0_base", "pi05_base"),
    RecipeDifference(
        "openpi's LIBERO config", "horizon 50, state subtracted from actions", "horizon 10, actions as they are"
    ),
)


def rows() -> list[dict[str, object]]:
    """Return the table's rows, for `mstool.cli.output.table`."""
    return [{"": line.what, "Pi0": line.pi0, "Pi0.5": line.pi05} for line in DIFFERENCES]
