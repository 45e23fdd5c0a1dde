"""TCP ports: a taken one is named with the setting that changes it."""

import socket

from iotsphere.errors import PortTaken


def claim(host: str, port: int, setting: str) -> int:
    """The port to listen on: the given one, or a free one for 0.

    Raises:
        PortTaken: another program listens there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(port, setting) from error
        return int(probe.getsockname()[1])
