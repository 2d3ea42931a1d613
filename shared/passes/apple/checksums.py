"""CRC-32 of bytes that are not at hand, from the checksums of their parts."""

from functools import lru_cache
from typing import Final

# Bits are reflected, as ZIP has them: the highest bit is x to the power of 0.
_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31
_X: Final = 1 << 30


def combine_crc32(first: int, second: int, length: int) -> int:
    """Give the CRC-32 of two pieces in a row; `length` is that of the second."""
    return _multiply(first, _shift(length)) ^ second


@lru_cache(maxsize=4096)
def _shift(length: int) -> int:
    """Give what moves a checksum past so many bytes: x to the power of 8 times their number."""
    shift, power, bits = _ONE, _X, 8 * length
    while bits:
        if bits & 1:
            shift = _multiply(shift, power)
        power = _multiply(power, power)
        bits >>= 1
    return shift


def _multiply(left: int, right: int) -> int:
    """Multiply two polynomials modulo that of the checksum."""
    product, bit = 0, _ONE
    while bit:
        if left & bit:
            product ^= right
        right = (right >> 1) ^ _POLYNOMIAL if right & 1 else right >> 1
        bit >>= 1
    return product
