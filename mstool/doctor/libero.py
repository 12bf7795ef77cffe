"""What LIBERO needs: its extra, its meshes and textures, a library to render with."""

from mstool.doctor.line import Line, Status
from mstool.doctor.rendering import ask_module
from mstool.installation import install_command, installed

PROBE_SECONDS = 60.0


def libero_line() -> Line:
    """Say whether its tasks can be run; one that nobody asked for is no fault."""
    version = installed("hf-libero")
    if not version:
        return Line("libero", "ok", f"not installed: {install_command(['libero'])} brings it")
    try:
        answer, problem = ask_module("mstool.simulators.libero.probe", PROBE_SECONDS)
    except TimeoutError as error:
        return Line("libero", "timed out", str(error), "mstool doctor")
    if problem := problem or answer.get("problem", ""):
        status: Status = "missing" if answer.get("status") == "missing" else "warning"
        return Line("libero", status, f"hf-libero {version}: {problem}", answer.get("fix", "mstool doctor"))
    return Line("libero", "ok", f"hf-libero {version}, {answer['tasks']} tasks, renders through {answer['gl']}")
