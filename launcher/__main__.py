"""`python -m launcher` is `iotsphere`."""

from launcher.entry import main

main()
