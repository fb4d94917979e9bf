"""H.264 as mp4 and Matroska carry it: in what order its pictures are shown, and which of them no other is made from.

Only headers are read, and only of plain streams: whatever is unusual makes the functions say so by ``None``.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_SLICE, _IDR_SLICE, _SEI, _SEQUENCE, _DELIMITER, _FILLER = 1, 5, 6, 7, 9, 12  # types of NAL units
_WITH_CHROMA_FORMAT = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244}  # profiles
_HEADER_BYTES = 32  # of a slice, more than its first fields need


@dataclass(frozen=True)
class PlainSequence:
    """What the headers of a stream say, where it has whole frames only, no gaps and one set of parameters.

    Attributes:
        length_bytes: size of the number before each NAL unit.
        frame_number_bits: width of the frame number in a slice header.
        order_bits: width of the picture order count there.
    """

    length_bytes: int
    frame_number_bits: int
    order_bits: int


@dataclass(frozen=True)
class Picture:
    """One coded frame.

    Attributes:
        is_reference: others may be predicted from it.
        is_idr: nothing after it is predicted from anything before it.
        number: low bits of its frame number.
        order: low bits of its picture order count.
        has_message: beside it stand settings (SEI) that may hold on, film grain for one.
    """

    is_reference: bool
    is_idr: bool
    number: int
    order: int
    has_message: bool = False


@dataclass(frozen=True)
class PlainStream:
    """A whole stream, picture by picture in coding order.

    Attributes:
        ranks: each picture's place in display order.
        droppable: whether no other picture can depend on it, nor on anything that comes with it.
        reorder_depth: most pictures that are coded before another and shown after it.
    """

    ranks: tuple[int, ...]
    droppable: tuple[bool, ...]
    reorder_depth: int


def read_stream(extradata: bytes, packets: Sequence[bytes], times: Sequence[int]) -> PlainStream | None:
    """Order and dependence of all pictures; ``None`` unless headers and times agree on both beyond doubt.

    Args:
        extradata: of the stream, as in mp4 (``avcC``).
        packets: one picture each, in coding order.
        times: when each is shown, in any unit.
    """
    sequence = _read_sequence(extradata)
    if sequence is None or not packets:
        return None
    pictures = []
    for packet in packets:
        picture = _read_picture(packet, sequence)
        if picture is None:
            return None
        pictures.append(picture)
    if not _has_all_references(pictures, sequence):
        return None
    order = _display_order(pictures, sequence)
    shown = sorted(range(len(order)), key=order.__getitem__)
    if any(order[a] == order[b] or times[a] >= times[b] for a, b in pairwise(shown)):
        return None
    ranks = [0] * len(order)
    for rank, index in enumerate(shown):
        ranks[index] = rank
    droppable = tuple(not picture.is_reference and not picture.has_message for picture in pictures)
    return PlainStream(tuple(ranks), droppable, _reorder_depth(ranks))


def _read_sequence(extradata: bytes) -> PlainSequence | None:
    """The one sequence parameter set of ``avcC`` extradata (ISO/IEC 14496-15), if it is plain."""
    if len(extradata) < 9 or extradata[0] != 1 or extradata[5] & 31 != 1:
        return None
    end = 8 + int.from_bytes(extradata[6:8])
    if end > len(extradata) or extradata[8] & 31 != _SEQUENCE:
        return None
    try:
        frame_number_bits, order_bits = _plain_widths(_Bits(extradata[9:end]))
    except ValueError:
        return None
    return PlainSequence((extradata[4] & 3) + 1, frame_number_bits, order_bits)


def _plain_widths(bits: "_Bits") -> tuple[int, int]:
    """Widths of frame number and picture order count (ITU-T H.264, 7.3.2.1.1); ``ValueError`` if not plain."""
    profile = bits.read(8)
    bits.read(16)  # constraints, level
    bits.number()  # of this set
    if profile in _WITH_CHROMA_FORMAT:
        if bits.number() == 3 and bits.read(1):
            raise ValueError("colour planes apart")
        bits.number()  # bits of luma
        bits.number()  # bits of chroma
        bits.read(1)
        if bits.read(1):
            raise ValueError("scaling lists")
    frame_number_bits = bits.number() + 4
    if bits.number():
        raise ValueError("no picture order count in slice headers")
    order_bits = bits.number() + 4
    bits.number()  # of reference frames
    if bits.read(1):
        raise ValueError("frame numbers with gaps")
    bits.number()  # width
    bits.number()  # height
    if not bits.read(1):
        raise ValueError("fields")
    return frame_number_bits, order_bits


def _read_picture(packet: bytes, sequence: PlainSequence) -> Picture | None:
    """The one picture of a packet; ``None`` where there is anything but its slices, messages and filling."""
    picture, kind, has_message, position = None, 0, False, 0
    while position < len(packet):
        start = position + sequence.length_bytes
        position = start + int.from_bytes(packet[position:start])
        if start >= position or position > len(packet):
            return None
        header = packet[start]
        if header & 31 in (_SEI, _DELIMITER, _FILLER):
            has_message |= header & 31 == _SEI
            continue
        is_first_slice = (
            start + 1 < position and packet[start + 1] >= 128
        )  # macroblock 0 is written as one bit
        if header & 31 not in (_SLICE, _IDR_SLICE) or is_first_slice != (picture is None):
            return None
        if picture is None:
            kind = header
            picture = _read_slice(packet[start : min(position, start + _HEADER_BYTES)], sequence)
            if picture is None:
                return None
        elif header != kind:
            return None
    return replace(picture, has_message=True) if picture and has_message else picture


def _read_slice(unit: bytes, sequence: PlainSequence) -> Picture | None:
    """The first fields of a slice header (ITU-T H.264, 7.3.3)."""
    kind, reference = unit[0] & 31, bool(unit[0] >> 5 & 3)
    bits = _Bits(unit[1:])
    try:
        for _ in range(3):  # first macroblock, type, parameter set
            bits.number()
        number = bits.read(sequence.frame_number_bits)
        if kind == _IDR_SLICE:
            bits.number()
        order = bits.read(sequence.order_bits)
    except ValueError:
        return None
    return Picture(reference, kind == _IDR_SLICE, number, order)


def _has_all_references(pictures: Sequence[Picture], sequence: PlainSequence) -> bool:
    """Whether frame numbers run from an IDR picture on without a gap: they count the references (7.4.3)."""
    number = None
    for picture in pictures:
        if picture.is_idr:
            number = 0
        if picture.number != number:
            return False
        if picture.is_reference:
            number = (number + 1) % (1 << sequence.frame_number_bits)
    return True


def _display_order(pictures: Sequence[Picture], sequence: PlainSequence) -> list[tuple[int, int]]:
    """What sorts pictures for display: IDR periods, and in each the picture order count (ITU-T H.264, 8.2.1.1)."""
    period, high, low, span = 0, 0, 0, 1 << sequence.order_bits
    order = []
    for picture in pictures:
        if picture.is_idr:
            period, high, low = period + 1, 0, 0
        count = high + picture.order
        if picture.order < low and low - picture.order >= span // 2:
            count += span
        elif picture.order > low and picture.order - low > span // 2:
            count -= span
        order.append((period, count))
        if picture.is_reference:
            high, low = count - picture.order, picture.order
    return order


def _reorder_depth(ranks: Sequence[int]) -> int:
    depth, seen = 0, list[int]()
    for rank in ranks:
        depth = max(depth, len(seen) - bisect_left(seen, rank))
        insort(seen, rank)
    return depth


class _Bits:
    """A bit reader for one NAL unit's payload; ``ValueError`` at its end."""

    def __init__(self, payload: bytes) -> None:
        payload = payload.replace(b"\0\0\3", b"\0\0")  # the 3 is there against false start codes
        self._value, self._left = int.from_bytes(payload), 8 * len(payload)

    def read(self, count: int) -> int:
        """The next ``count`` bits."""
        if count > self._left:
            raise ValueError("the unit ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def number(self) -> int:
        """The next Exp-Golomb number."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)
