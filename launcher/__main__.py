"""`python -m launcher` is `iotsphere`."""

from launcher.cli import main

main()
