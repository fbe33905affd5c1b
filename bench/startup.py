"""How long `striate --help` takes, beside `python -c pass`; and `striate nets` and `import striate`, without torch either.

Each is a fresh process; they take turns, and the median of all turns counts.
"""

import subprocess
import sys
import time
from statistics import median

TURNS = 15
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "import striate": ("-c", "import striate"),
    "striate --help": ("-m", "striate", "--help"),
    "striate nets": ("-m", "striate", "nets"),
}


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(TURNS):
        for name, arguments in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - begun)
    empty = median(times["python -c pass"])
    for name, taken in times.items():
        print(f"{name:16} {1e3 * median(taken):6.0f} ms   {median(taken) / empty:5.1f} times python -c pass")


if __name__ == "__main__":
    main()
