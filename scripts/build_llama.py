"""Build the wheel of llama-cpp-python, which pip compiles from source, and show how far the compiler is.

    python scripts/build_llama.py FOLDER

The wheel and build.log, which is all that pip said, go to FOLDER. The terminal sees one line for each tenth of the way,
and the log's end if it fails. Nothing is installed.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
STEP = re.compile(r"\[(\d+)/(\d+)\]|\[ *(\d+)%\]")
"""How ninja and make count what they compile."""


def main() -> int:
    """Run pip, follow it, and return its exit code."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    started = time.monotonic()
    with log.open("w") as file:
        code = follow(file, folder, started)
    seconds = time.monotonic() - started
    if code:
        print(*log.read_text(errors="replace").splitlines()[-30:], sep="\n", file=sys.stderr)
        print(
            f"llama-cpp-python could not be built after {seconds:.0f} s (all of it: {log}). It needs a C and a C++ compiler "
            "(Debian: apt-get install build-essential). Or name another model: OPENAI_API_KEY or MEMGPT_MODEL.",
            file=sys.stderr,
        )
    return code


def follow(log: TextIO, folder: Path, started: float) -> int:
    """Run pip with its output in `log`, and print each tenth of the compilation."""
    target = ["--no-deps", "--wheel-dir", str(folder.resolve()), "-c", "requirements.lock", "llama-cpp-python"]
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--disable-pip-version-check", *target]
    told = 0
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as pip:  # fmt: skip
        for line in pip.stdout or ():
            log.write(line)
            tenths = int(10 * share(line))
            if tenths > told:
                told = tenths
                print(f"    llama.cpp {tenths * 10:3d} % compiled, {time.monotonic() - started:.0f} s", flush=True)
    return pip.returncode


def environment() -> dict[str, str]:
    """Compile on every core, and without the picture models, which nobody here calls."""
    jobs = str(os.cpu_count() or 1)
    return {"CMAKE_BUILD_PARALLEL_LEVEL": jobs, "CMAKE_ARGS": "-DLLAVA_BUILD=OFF", **os.environ}


def share(line: str) -> float:
    """Return the share of the compilation that a line of pip's output speaks of, 0 if it speaks of none."""
    found = STEP.search(line)
    if not found:
        return 0.0
    done, total, percent = found.groups()
    return int(percent) / 100 if percent else int(done) / max(int(total), 1)


if __name__ == "__main__":
    sys.exit(main())
