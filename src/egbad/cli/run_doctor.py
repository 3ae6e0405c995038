"""The work of `egbad doctor`. Modules that may be missing or damaged are imported by name, so that it always ends."""

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import ModuleType
from typing import Any

from egbad.cli.output import print_json, stdout
from egbad.errors import escape_controls

# Environment variables that egbad reads, and those of its libraries that change speed, devices or processes.
VARIABLES = (
    *("EGBAD_CACHE", "EGBAD_DATA", "EGBAD_DEBUG", "EGBAD_TOKEN"),
    *("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"),
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"),
    *("CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "PYTORCH_CUDA_ALLOC_CONF"),
)
_SECRET = {"EGBAD_TOKEN"}
_DEVELOPMENT = {"dev", "docs"}  # extras for work on egbad itself
# Instruction sets that decide which kernels compute, as Linux names them.
_INSTRUCTION_SETS = (
    *("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16"),
    *("asimd", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)
_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?[^;]*(?:;(?P<marker>.*))?")


def print_installation(*, as_json: bool) -> None:
    """Print the installation, for people or as JSON.

    Parameters
    ----------
    as_json : bool
    """
    found = describe_installation()
    if as_json:
        print_json(found)
        return
    with stdout() as out:
        out.write("\n".join(_lines(found)) + "\n")


def describe_installation(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return versions, extras, devices, environment variables and problems.

    Parameters
    ----------
    environment : mapping of str to str

    Returns
    -------
    dict
        As JSON stores it.
    """
    torch, torch_problem = _import("torch")
    packages, extras = requirements()
    versions = {name: _version(name) for name in packages}
    problems = [f"The package {name} is not installed. Install egbad again." for name, v in versions.items() if not v]
    problems += [torch_problem] if torch_problem else []
    devices = _devices(torch)
    if torch is not None and torch.version.cuda is None and _NVIDIA_DRIVER.exists():
        problems.append("There is an NVIDIA driver, but the installed torch has no CUDA. See https://pytorch.org.")
    return {
        "versions": {
            "egbad": version("egbad"),
            "python": f"{platform.python_version()} ({platform.python_implementation()})",
            "platform": platform.platform(),
            **versions,
        },
        "extras": {name: {package: _version(package) for package in needed} for name, needed in extras.items()},
        "devices": devices,
        "environment": _variables(environment),
        "problems": problems,
    }


def requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Return the packages that egbad needs on this platform, and those of each extra.

    Returns
    -------
    packages : list of str
    extras : dict of str to list of str
        Without the extras for development.
    """
    packages: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in requires("egbad") or ():
        found = _REQUIREMENT.match(line)
        if found is None:
            continue
        marker = found["marker"] or ""
        if re.search(r"sys_platform != ['\"]win32", marker) and sys.platform == "win32":
            continue
        extra = re.search(r"extra == ['\"]([\w-]+)", marker)
        if extra is None:
            packages.append(found["name"])
        elif extra[1] not in _DEVELOPMENT:
            extras.setdefault(extra[1], []).append(found["name"])
    return packages, dict(sorted(extras.items()))


def cpu_model(text: str) -> tuple[str | None, list[str]]:
    r"""Return the name of the processor and its instruction sets, from the text of /proc/cpuinfo.

    Parameters
    ----------
    text : str

    Returns
    -------
    name : str or None
    instruction_sets : list of str
        Those that matter for speed and for the last bits of results.

    Examples
    --------
    >>> cpu_model("model name\t: AMD EPYC 7B12\nflags\t\t: fpu avx2 fma sse4_2\n")
    ('AMD EPYC 7B12', ['sse4_2', 'avx2', 'fma'])
    """
    name = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return name[1].strip() if name else None, [one for one in _INSTRUCTION_SETS if one in known]


def _devices(torch: ModuleType | None) -> dict[str, Any]:
    """Return processor, memory, threads and GPUs."""
    name, instruction_sets = cpu_model(_CPU_INFO.read_text(encoding="utf-8") if _CPU_INFO.exists() else "")
    found: dict[str, Any] = {
        "cpu": name or platform.processor() or platform.machine(),
        "instruction_sets": instruction_sets,
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
    }
    if torch is None:
        return found
    cuda = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if cuda else []
    return found | {
        "torch_threads": torch.get_num_threads(),
        "torch_instruction_sets": torch.backends.cpu.get_cpu_capability(),
        "torch_cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "gpus": [
            f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, compute capability {gpu.major}.{gpu.minor}"
            for gpu in gpus
        ],
    }


def _memory_gib() -> float | None:
    """Return the memory of the machine, where the system tells it."""
    if not hasattr(os, "sysconf") or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set, without secrets and the path of the home folder."""
    home = str(Path.home())
    return {
        name: "(set, not shown)" if name in _SECRET else _without_home(environment[name], home)
        for name in VARIABLES
        if name in environment
    }


def _without_home(value: str, home: str) -> str:
    """Return a path with "~" in place of the home folder at its beginning."""
    inside = value.removeprefix(home)
    return f"~{inside}" if inside != value and inside[:1] in ("", os.sep) and home != os.sep else value


def _import(name: str) -> tuple[ModuleType | None, str | None]:
    """Import a module. Return None and a problem where that fails: a library may be damaged or built for another machine."""
    try:
        return import_module(name), None
    except (ImportError, OSError) as error:
        return None, f"{name} cannot be imported: {type(error).__name__}: {str(error).splitlines()[0]}"


def _version(package: str) -> str | None:
    """Return the version of an installed distribution, None if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines for people: plain text, which a bug report takes as it is."""
    extras = {name: _describe_extra(packages) for name, packages in found["extras"].items()}
    for title in ("versions", "extras", "devices", "environment"):
        values: Mapping[str, Any] = extras if title == "extras" else found[title]
        yield title
        yield from _rows({name.replace("_", " "): v for name, v in values.items()} if title == "devices" else values)
    yield "problems"
    yield from (f"  {escape_controls(text)}" for text in found["problems"] or ["none found"])


def _rows(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each value, names in one column."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        shown = "-" if text is None or text == "" else str(text)
        yield f"  {name:<{width}}  {escape_controls(shown)}"
    if not values:
        yield "  none"


def _describe_extra(packages: Mapping[str, str | None]) -> str:
    """Return whether an extra is installed, with the versions of its packages or the names of those that are missing."""
    missing = [name for name, found in packages.items() if found is None]
    if missing:
        return f"missing: {', '.join(missing)}"
    versions = [f"{name} {found}" for name, found in packages.items()]
    return f"installed: {', '.join(versions)}"
