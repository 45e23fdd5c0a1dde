"""How a process of ours starts another one."""

import sys
from collections.abc import Sequence


def ourselves() -> Sequence[str]:
    """The `iotsphere` command of this very installation; -P keeps the working directory off the module path."""
    return (sys.executable, "-P", "-m", "launcher")
