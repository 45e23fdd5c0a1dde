"""Memory that is free goes back to the operating system."""

import ctypes


def give_back() -> bool:
    """Return the free pages of the C library's heap, wherever they lie; False where the library cannot.

    It does so by itself only at the heap's end. What uvloop takes for one TLS connection is 256 KiB, of which a few are touched:
    in pages that others have used before, all of it would count as resident.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # a C library other than glibc
        return False
    trim(0)
    return True
