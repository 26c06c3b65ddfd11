"""Starting: seconds to the first prompt of a second start, and for `ask` from a cold process.

    make bench

The baseline is a Python that imports LanceDB and does nothing: no start can be faster than what it stands on.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
COMMAND = str(Path(sys.executable).with_name("oneulmwo"))


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ONEULMWO_HOME": home}
        subprocess.run([COMMAND, "index"], env=environment, check=True, capture_output=True)
        base = [_whole([sys.executable, "-c", "import lancedb"], environment) for _ in range(ROUNDS)]
        prompt = [_first_line([COMMAND, "chat"], environment) for _ in range(ROUNDS)]
        ask = [
            _whole([COMMAND, "ask", "비 오는 날 뜨끈한 국물", "--json"], environment) for _ in range(ROUNDS)
        ]
    middle = statistics.median(base)
    for name, taken in (
        ("import lancedb (baseline)", base),
        ("second start to the prompt", prompt),
        ("ask from cold", ask),
    ):
        print(
            f"{name:<28} median {statistics.median(taken):5.2f} s  worst {max(taken):5.2f} s  ratio {statistics.median(taken) / middle:4.1f}"
        )


def _whole(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def _first_line(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        taken = time.perf_counter() - began
        process.communicate(b"")
    return taken


if __name__ == "__main__":
    main()
