"""Free memory between pieces that are in use goes back to the system."""

import ctypes

import psutil

from iotsphere.infra.memory import give_back

MIB = 1 << 20


def test_what_is_free_between_what_is_in_use_is_given_back() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    resident = psutil.Process().memory_info
    pieces = [libc.malloc(64 * 1024) for _ in range(1000)]  # too small for the library to take each from the system
    for piece in pieces:
        ctypes.memset(piece, 1, 64 * 1024)
    for number, piece in enumerate(pieces):
        if number % 8:
            libc.free(piece)
    before = resident().rss
    assert give_back()
    assert before - resident().rss > 40 * MIB
    for piece in pieces[::8]:
        libc.free(piece)
