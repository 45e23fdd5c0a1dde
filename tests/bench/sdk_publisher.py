"""A device that publishes numbers until it is killed: `python -m tests.bench.sdk_publisher DIRECTORY ID FIRST`.

Each number is said on stdout once publish() has taken it. With FIRST 0 it publishes nothing, and ends when its outbox is empty.
"""

import sys
import time
from itertools import count

from device_sdk import Device

MEASUREMENT = "n"
PAUSE_S = 0.001


def main(directory: str, device: str, first: int) -> None:
    """Until the end."""
    made = Device.from_directory(directory, device, undeclared=True, first_retry_s=0.2, longest_retry_s=1.0)
    made.connect(0.0)
    if not first:
        while made.backlog:
            time.sleep(0.01)
        made.close()
        return
    for number in count(first):
        made.publish({MEASUREMENT: number})
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
