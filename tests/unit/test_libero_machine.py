"""What LIBERO needs of a machine: renderer, meshes and textures; what is said where they are missing."""

import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from support.libero import needs_libero, write_demos

from mstool.doctor import libero as doctor
from mstool.driver.shell import SetupError as StepError
from mstool.errors import DataError, SetupError, UsageError
from mstool.maniskill2lerobot.demos import open_demos
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.libero import gl, library
from mstool.simulators.libero.probe import probe

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from setup_steps import opengl

GPU, SOFTWARE = "EGL_NV_device_cuda EGL_EXT_device_drm", "EGL_MESA_device_software EGL_EXT_device_drm_render_node"


@pytest.fixture
def machine(monkeypatch):
    """Say which libraries and devices there are."""

    def there(*libraries, devices=(), asked=""):
        monkeypatch.setenv("MUJOCO_GL", asked)
        monkeypatch.setattr("ctypes.util.find_library", lambda name: f"lib{name}.so" if name in libraries else None)
        monkeypatch.setattr(gl, "egl_devices", lambda: devices)
        monkeypatch.setattr("ctypes.CDLL", no_such_file)

    def no_such_file(name):
        raise OSError(name)

    return there


@pytest.mark.parametrize(
    ("libraries", "devices", "asked", "chosen", "on"),
    [
        (("EGL", "OSMesa"), (GPU, SOFTWARE), "", "egl", "gpu"),
        (("EGL", "OSMesa"), (SOFTWARE,), "", "egl", "cpu"),
        # The library without a driver.
        (("EGL", "OSMesa"), (), "", "osmesa", "cpu"),
        (("OSMesa",), (), "", "osmesa", "cpu"),
        (("EGL", "OSMesa"), (GPU,), "osmesa", "osmesa", "cpu"),
    ],
)
def test_it_renders_on_a_gpu_where_there_is_one(machine, libraries, devices, asked, chosen, on):
    machine(*libraries, devices=devices, asked=asked)
    assert (gl.choose_gl(), gl.render_backend()) == (chosen, on)


@pytest.mark.parametrize(
    ("devices", "visible", "mujocos", "drawn_with"),
    [
        ((GPU, GPU, SOFTWARE), None, None, [0, 1, 0, 1]),
        ((GPU, GPU, GPU, GPU), "1,3", None, [1, 3, 1, 3]),
        # Robosuite's own choice.
        ((GPU, GPU), "1", None, [-1] * 4),
        ((GPU, GPU), None, "1", [-1] * 4),
        ((GPU, SOFTWARE), None, None, [-1] * 4),
        ((SOFTWARE,), None, None, [-1] * 4),
    ],
)
def test_workers_share_the_gpus_in_turn(machine, monkeypatch, devices, visible, mujocos, drawn_with):
    machine("EGL", devices=devices)
    for name, value in (("CUDA_VISIBLE_DEVICES", visible), ("MUJOCO_EGL_DEVICE_ID", mujocos)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    found = []
    for number in range(1, 5):
        process = SimpleNamespace(name=f"ForkServerProcess-{number}")
        monkeypatch.setattr("multiprocessing.current_process", lambda process=process: process)
        found.append(gl.render_device())
    assert found == drawn_with


@pytest.mark.parametrize(("libraries", "why"), [((), "is not on this machine"), (("EGL",), "has no device to draw on")])
def test_a_machine_that_cannot_render_is_told_what_to_install(machine, monkeypatch, libraries, why):
    machine(*libraries)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    with pytest.raises(SetupError, match=why) as caught:
        gl.choose_gl()
    assert caught.value.fix.endswith("apt-get install -y libegl1 libegl-mesa0 libgl1")


@pytest.mark.parametrize(
    ("libraries", "devices", "asked", "said", "fix"),
    [
        (("EGL",), (SOFTWARE,), "osmesa", "MUJOCO_GL=osmesa: OSMesa is not on this machine; without it, egl", ""),
        (("EGL", "OSMesa"), (), "egl", "MUJOCO_GL=egl: EGL has no device to draw on; without it, osmesa", ""),
        (("EGL",), (SOFTWARE,), "foo", "MUJOCO_GL=foo: LIBERO renders through egl or osmesa; without it, egl", ""),
        # MuJoCo's own word for a screen.
        (("OSMesa",), (), "glfw", "MUJOCO_GL=glfw: LIBERO renders through egl or osmesa; without it, osmesa", ""),
        ((), (), " OSMesa", "MUJOCO_GL=osmesa: OSMesa is not on this machine$", " && apt-get install -y libegl1"),
    ],
)
def test_a_word_of_the_user_is_looked_for_like_one_found(machine, monkeypatch, libraries, devices, asked, said, fix):
    machine(*libraries, devices=devices, asked=asked)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for ask in (gl.choose_gl, gl.render_backend):
        with pytest.raises(SetupError, match=said) as caught:
            ask()
        assert caught.value.fix.startswith(f"unset MUJOCO_GL{fix}")


def test_a_library_that_no_linker_knows_is_loaded_by_its_name(machine, monkeypatch):
    machine(asked="osmesa")
    monkeypatch.setattr("ctypes.CDLL", lambda name: name)
    assert gl.choose_gl() == "osmesa"


def test_without_a_library_there_are_no_devices(monkeypatch):
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    assert gl.egl_devices.__wrapped__() == ()
    monkeypatch.setattr("ctypes.util.find_library", lambda name: "libNoSuchThing.so.9")
    assert gl.egl_devices.__wrapped__() == ()


def test_the_set_up_installs_a_library_only_where_there_is_none(monkeypatch):
    ran = []
    monkeypatch.setattr(opengl, "run", lambda words: ran.append(words) or 0)
    monkeypatch.setattr(opengl, "root_prefix", list)
    monkeypatch.setattr(opengl.ctypes.util, "find_library", lambda name: "lib.so" if name == "OSMesa" else None)
    opengl.ensure_opengl()
    assert not ran
    monkeypatch.setattr(opengl.ctypes.util, "find_library", lambda name: None)
    opengl.ensure_opengl()
    assert [words[2:4] for words in ran] == [["apt-get", "update"], ["apt-get", "install"]]
    assert "libegl1" in ran[1]
    monkeypatch.setattr(opengl, "run", lambda words: 100)
    with pytest.raises(StepError, match="could not be installed"):
        opengl.ensure_opengl()
    monkeypatch.setattr(opengl, "root_prefix", lambda: None)
    with pytest.raises(StepError, match="needs root") as caught:
        opengl.ensure_opengl()
    assert "sudo apt-get install -y" in str(caught.value)


def test_doctor_says_what_is_missing_and_what_brings_it(monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda name: "")
    assert doctor.libero_line().status == "ok"
    assert "libero" in doctor.libero_line().found
    monkeypatch.setattr(doctor, "installed", lambda name: "0.1.4")
    monkeypatch.setattr(doctor, "ask_module", lambda *_: ({"problem": "no meshes", "fix": "pip install them"}, ""))
    assert (doctor.libero_line().status, doctor.libero_line().fix) == ("warning", "pip install them")
    gone = {"status": "missing", "problem": "MUJOCO_GL=osmesa: OSMesa is not there", "fix": "unset MUJOCO_GL"}
    monkeypatch.setattr(doctor, "ask_module", lambda *_: (gone, ""))
    assert doctor.libero_line().as_dict() == {
        "name": "libero",
        "status": "missing",
        "found": f"hf-libero 0.1.4: {gone['problem']}",
        "fix": "unset MUJOCO_GL",
    }
    monkeypatch.setattr(doctor, "ask_module", lambda *_: ({"tasks": "130", "gl": "egl (gpu)"}, ""))
    assert doctor.libero_line().found == "hf-libero 0.1.4, 130 tasks, renders through egl (gpu)"


@needs_libero
def test_missing_meshes_are_told_with_what_brings_them(monkeypatch, tmp_path):
    monkeypatch.setenv(library.ASSETS_VARIABLE, str(tmp_path / "none"))
    assert library.find_assets() is None
    with pytest.raises(SetupError, match="none is no folder: ") as caught:
        library.load_libero.__wrapped__()
    # The variable goes first: what brings them to the usual places would not be looked at.
    assert caught.value.fix == f"unset {library.ASSETS_VARIABLE}"
    assert probe() == {"status": "missing", "problem": caught.value.message, "fix": caught.value.fix}
    (tmp_path / "none" / "scenes").mkdir(parents=True)
    with pytest.raises(SetupError, match="none lacks articulated_objects, stable_hope_objects, "):
        library.load_libero.__wrapped__()
    monkeypatch.delenv(library.ASSETS_VARIABLE)
    monkeypatch.setattr(library, "find_assets", lambda: None)
    monkeypatch.setattr("mstool.simulators.libero.probe.find_assets", lambda: None)
    assert (probe()["status"], probe()["problem"]) == ("warning", "no meshes and textures")

    def unreachable(*_, **__):
        raise ConnectionError

    monkeypatch.setattr(library, "hub_refusal", lambda: "")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(SetupError, match=r"the hub gave none \(ConnectionError\)") as caught:
        library.load_libero.__wrapped__()
    assert f"{library.ASSETS_VARIABLE}=FOLDER" in caught.value.fix


@needs_libero
@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (AttributeError("'NoneType' object has no attribute 'glGetError'"), "install libEGL with Mesa's drivers"),
        (ImportError("Cannot use EGL: PYOPENGL_PLATFORM is set to 'osmesa'"), "unset PYOPENGL_PLATFORM"),
    ],
)
def test_what_opengl_lacks_is_told_with_what_brings_it(machine, monkeypatch, tmp_path, error, fix):
    class Broken:
        @staticmethod
        def find_spec(name, *_):
            if name.startswith("libero."):
                raise error

    machine("EGL", devices=(SOFTWARE,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LIBERO_CONFIG_PATH", "")
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(library, "find_assets", lambda: tmp_path)
    for name in [name for name in sys.modules if name.startswith("libero")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    with pytest.raises(SetupError, match="MuJoCo cannot render through egl: ") as caught:
        library.load_libero.__wrapped__()
    assert caught.value.fix == fix


@needs_libero
def test_demos_of_another_suite_are_refused_with_their_own_name(tmp_path):
    path = write_demos(tmp_path / "libero_spatial" / "any_demo.hdf5")
    with pytest.raises(DataError, match=r"holds demos of libero_spatial/3, not of libero_object/0") as caught:
        open_demos("libero_object/0", str(path), episodes=None, notify=print)
    assert caught.value.fix == f"mstool convert --env libero_spatial/3 --demos {path}"


@needs_libero
def test_there_is_no_expert_for_every_suite(tmp_path):
    with pytest.raises(UsageError, match="there is no scripted expert for libero_goal/0") as caught:
        benchmark_of("libero_goal/0").generate("libero_goal/0", episodes=1, seed=1000, out_dir=tmp_path / "out")
    assert "--demos hub" in caught.value.fix


@needs_libero
def test_demos_of_what_policies_are_evaluated_on_are_told_as_that(monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr("mstool.simulators.libero.generate.notify", lambda: said.append)
    monkeypatch.setattr("mstool.simulators.libero.generate._make", lambda *_: "made")
    for seed in (3, 1000):
        out = tmp_path / str(seed)
        made = benchmark_of("libero_spatial/0").generate("libero_spatial/0", episodes=1, seed=seed, out_dir=out)
        assert made == "made"
    assert len(said) == 1
    assert said[0].startswith("--seed 3: LIBERO's initial states below 1000 are what policies are evaluated on")


@needs_libero
@pytest.mark.parametrize(("env_id", "generated"), [("libero_goal/0", False), ("libero_spatial/0", True)])
def test_no_hub_is_told_at_once_with_what_else_there_is(monkeypatch, tmp_path, caplog, env_id, generated):
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"it is tried again in {seconds} s"))
    with pytest.raises(DataError, match=rf"gave no demos of {env_id}: http://127.0.0.1:9 cannot be reached") as caught:
        benchmark_of(env_id).download(env_id, tmp_path)
    again = f"mstool convert --env {env_id} --demos hub  # or --demos FOLDER of LIBERO's own files"
    made = f"mstool convert --env {env_id} --demos generate"
    assert caught.value.fix == (made if generated else f"HF_ENDPOINT=https://MIRROR {again}")
    assert caught.value.change == ({"--demos": "generate"} if generated else None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="HF_HUB_OFFLINE forbids") as caught:
        benchmark_of(env_id).download(env_id, tmp_path)
    assert caught.value.fix == (made if generated else f"HF_HUB_OFFLINE=0 {again}")
    assert not caplog.records


@needs_libero
def test_what_a_hub_says_of_demos_is_told_in_one_line(monkeypatch, tmp_path):
    def refused(*_, **__):
        raise OSError("status 500\nand a page of HTML")

    monkeypatch.setattr("mstool.simulators.libero.benchmark.hub_refusal", lambda: "")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refused)
    with pytest.raises(DataError, match=r"gave no demos of libero_goal/0: OSError: status 500$"):
        benchmark_of("libero_goal/0").download("libero_goal/0", tmp_path)
