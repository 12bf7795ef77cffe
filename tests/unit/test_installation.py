"""A package that a command needs and the installation lacks: said before anything else, with the command for here."""

import subprocess
import sys
from pathlib import Path

import pytest

from mstool import installation
from mstool.errors import SetupError
from mstool.installation import data_command, install_command, require

HIDDEN = """
import sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
from mstool.cli.main import main
main()
"""


def without(packages, *words):
    """Run a command where these packages cannot be imported; returns its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, packages, *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        (("finetune", "DATASET"), "accelerate"),
        (("finetune", "DATASET", "--policy", "diffusion"), "diffusers"),
        (("finetune", "DATASET", "--policy", "pi05", "--lora", "--dry-run"), "transformers,peft"),
        (("finetune", "DATASET", "--policy", "act", "--wandb"), "wandb"),
        (("convert", "--env", "PickCube-v1", "--executor", "ray", "--ray-address", "localhost:1"), "ray"),
        (("stats", "DATASET", "--plot", "stats.png"), "matplotlib"),
        (("show", "DATASET", "--rerun", "--output", "OUTPUT"), "rerun"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_it_is_said_before_any_work(pickcube, tmp_path, words, packages):
    data = pickcube / "v3.0"
    before = sorted(path for path in data.rglob("*"))
    code, said = without(packages, *({"DATASET": data, "OUTPUT": tmp_path / "out"}.get(word, word) for word in words))
    assert code == 1, said
    assert "Traceback" not in said
    error, fix = said.strip().splitlines()[-2:]
    assert f"needs {packages.replace(',', ' and ')}, which " in error
    assert error.endswith("(extra train)") == (packages not in {"ray", "matplotlib", "rerun"})
    assert fix.startswith("fix: ")
    assert "validating" not in said
    assert not (tmp_path / "out").exists()
    assert sorted(path for path in data.rglob("*")) == before


@pytest.mark.parametrize("kind", ["diffusion", "act"])
def test_a_checkpoint_says_what_it_needs(tmp_path, kind):
    (tmp_path / "config.json").write_text(f'{{"type": "{kind}"}}')
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "mstool_conventions.json").write_text(
        '{"dataset": "d", "fps": 20, "features": {}, "mstool": {"views": {}}, "episodes": []}'
    )
    code, said = without("peft,diffusers", "serve", tmp_path)
    needed = "diffusers and peft" if kind == "diffusion" else "peft"
    assert (code, f"of type {kind} needs {needed}, which" in said) == (1, True), said


def test_the_command_is_for_this_installation(monkeypatch, tmp_path):
    monkeypatch.setattr(installation, "_source", lambda: "")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    pip = "python -m pip install"
    assert install_command(["train"]) == f"{pip} 'maniskill2lerobot[train]'"
    assert install_command([], ["rerun-sdk"]) == f"{pip} rerun-sdk"
    monkeypatch.setattr(installation, "_source", lambda: "git+https://host/project@abc")
    assert install_command(["ray"]) == f"{pip} 'maniskill2lerobot[ray] @ git+https://host/project@abc'"
    (tmp_path / "uv-receipt.toml").touch()
    assert install_command(["ray"]) == "uv tool install 'maniskill2lerobot[ray] @ git+https://host/project@abc'"
    (tmp_path / "uv-receipt.toml").unlink()
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "Makefile").touch()
    monkeypatch.setattr(installation, "_source", lambda: str(clone))
    assert install_command(["train"]) == f"{pip} '{clone}[train]'"
    monkeypatch.setattr(sys, "prefix", str(clone / ".venv"))
    assert install_command(["train"]) == f"make -C {clone} setup"
    assert data_command("libero", ["meshes"]) == f"make -C {clone} setup EXTRAS=libero"
    monkeypatch.chdir(clone)
    assert install_command(["libero"]) == "make setup EXTRAS=libero"
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install_command(["libero"]) == f"{pip} '.[libero]'"
    assert data_command("libero", ["meshes"]) == f"{pip} --no-deps meshes"
    monkeypatch.chdir(tmp_path)
    assert install_command(["libero"]) == f"{pip} './clone[libero]'"


def test_the_interpreter_is_named_as_it_is_typed(monkeypatch, tmp_path):
    """Environments share an interpreter, so the name on the path may be of another one."""
    ours, other = tmp_path / ".venv" / "bin", tmp_path / "other" / "bin"
    for folder in (ours, other):
        folder.mkdir(parents=True)
        (folder / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(ours / "python"))
    monkeypatch.setenv("PATH", f"{ours}:{other}")
    assert install_command([], ["rerun-sdk"]).startswith("python -m pip ")
    monkeypatch.setenv("PATH", f"{other}:{ours}")
    assert install_command([], ["rerun-sdk"]).startswith(f"{ours}/python -m pip ")
    monkeypatch.chdir(tmp_path)
    assert install_command([], ["rerun-sdk"]).startswith(".venv/bin/python -m pip ")


def test_what_is_here_is_not_asked_for():
    require("anything", ["numpy", "torch"])
    with pytest.raises(SetupError, match=r"--x needs a, b and c, which are not installed$"):
        require("--x", ["a", "b", "numpy", "c"])


def test_where_this_installation_came_from_is_read():
    source = installation._source()
    assert source == "" or Path(source).is_dir() or source.startswith("git+")
