"""HTTP to our own processes on this machine, past any proxy that the environment names."""

import urllib.request
from urllib.error import HTTPError

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, timeout: float) -> bytes:
    """The body of a good answer.

    Raises:
        urllib.error.HTTPError: another status than 2xx.
        OSError: no answer.
    """
    with _OPENER.open(url, timeout=timeout) as answer:
        body: bytes = answer.read()
        return body


def get_whatever(url: str, timeout: float) -> bytes:
    """The body of any answer: health says what is wrong together with a 503.

    Raises:
        OSError: no answer.
    """
    try:
        return get(url, timeout)
    except HTTPError as answer:
        return answer.read()
