"""The console script: says in one line what is missing where only the device's part is installed."""

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Run `iotsphere`. Ctrl-C while the modules load, which takes a moment, ends it without a word."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        from launcher.cli import main as run
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in sys.stdlib_module_names | {"launcher", "iotsphere"}:
            raise  # a defect of ours, not a missing extra
        sys.exit(f"iotsphere: only the device's part is installed ({error.name} is missing): install iotsphere[cloud,embedded]")
    run()
