"""Headers written bit by bit, so that the reader is not checked against itself."""

import pytest

from pipeline.decode.h264 import PlainStream, read_stream

NUMBER_BITS, ORDER_BITS = 4, 4


def golomb(value: int) -> str:
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def packed(header: int, bits: str) -> bytes:
    """A NAL unit of a header byte and bits, with the bytes that keep start codes from arising."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8)
    for value in range(4):
        payload = payload.replace(bytes([0, 0, value]), bytes([0, 0, 3, value]))
    return bytes([header]) + payload


def extradata(
    order_kind: int = 0, gaps: str = "0", whole_frames: str = "1", profile: int = 77, sets: int = 1
) -> bytes:
    high = golomb(1) + golomb(0) + golomb(0) + "0" + "0" if profile == 100 else ""
    order = {0: golomb(ORDER_BITS - 4), 1: "", 2: ""}[order_kind]
    bits = (
        f"{profile:08b}" + "0" * 16 + golomb(0) + high + golomb(NUMBER_BITS - 4) + golomb(order_kind) + order
    )
    bits += golomb(4) + gaps + golomb(5) + golomb(4) + whole_frames
    unit = packed(0x67, bits)
    return bytes([1, profile, 0, 30, 0xFF, 0xE0 | sets]) + len(unit).to_bytes(2) + unit


def picture(number: int, order: int, reference: bool = True, idr: bool = False, first: int = 0) -> bytes:
    bits = golomb(first) + golomb(5) + golomb(0) + f"{number:0{NUMBER_BITS}b}"
    bits += (golomb(0) if idr else "") + f"{order % 16:0{ORDER_BITS}b}" + "0101" * 20
    return unit((0x60 if reference else 0) | (5 if idr else 1), bits)


def unit(header: int, bits: str) -> bytes:
    content = packed(header, bits)
    return len(content).to_bytes(4) + content


def bipredictive(count: int) -> tuple[list[bytes], list[int]]:
    """I P b P b ..., each b shown before the P that is coded before it; and when each is shown."""
    packets, times = [picture(0, 0, idr=True)], [0]
    for index in range(count):
        number, order = (index + 1) % 16, 4 * (index + 1)
        packets += [picture(number, order), picture((number + 1) % 16, order - 2, reference=False)]
        times += [20 * (index + 1), 20 * (index + 1) - 10]
    return packets, times


@pytest.mark.parametrize("profile", [77, 100])
@pytest.mark.parametrize("count", [1, 3, 40])  # both counters start again
def test_order_and_dependence(count: int, profile: int) -> None:
    packets, times = bipredictive(count)
    stream = read_stream(extradata(profile=profile), packets, times)
    ranks = tuple(sorted(times).index(time) for time in times)
    assert stream == PlainStream(ranks, (False,) + (False, True) * count, 1)


def test_a_new_start_in_the_middle() -> None:
    packets, times = bipredictive(3)
    twice = read_stream(extradata(), packets * 2, times + [time + 1000 for time in times])
    assert twice is not None
    assert twice.ranks[7:] == tuple(rank + 7 for rank in twice.ranks[:7])


def test_a_message_may_hold_on() -> None:
    packets, times = bipredictive(2)
    packets[2] = unit(0x06, "0" * 16) + packets[2]
    stream = read_stream(extradata(), packets, times)
    assert stream is not None
    assert stream.droppable == (False, False, False, False, True)


def test_slices_of_one_picture() -> None:
    packets, times = bipredictive(2)
    packets[2] += picture(2, 2, reference=False, first=9)
    stream = read_stream(extradata(), packets, times)
    assert stream is not None
    assert sum(stream.droppable) == 2


@pytest.mark.parametrize(
    "headers",
    [
        extradata(order_kind=1),
        extradata(order_kind=2),
        extradata(gaps="1"),
        extradata(whole_frames="0"),
        extradata(sets=2),
        extradata()[:9],
        b"",
        b"\0\0\0\1" + extradata()[8:],
    ],
)
def test_streams_that_are_not_plain(headers: bytes) -> None:
    assert read_stream(headers, *bipredictive(3)) is None


def test_times_have_to_agree() -> None:
    packets, times = bipredictive(3)
    assert read_stream(extradata(), packets, [*times[:-2], times[-1], times[-2]]) is None
    assert read_stream(extradata(), packets, [*times[:-1], times[-2]]) is None


def test_pictures_have_to_be_whole_and_alone() -> None:
    packets, times = bipredictive(3)
    for index, content in {
        0: picture(0, 0),  # no IDR picture at the start
        1: picture(2, 4),  # a reference is missing
        2: packets[2] + packets[2],  # two pictures
        3: packets[3] + picture(2, 8, reference=False, first=9),  # slices that disagree
        4: packets[4][:-3],  # cut short
        5: unit(0x67, "1" * 40) + packets[5],  # other parameters
        6: b"",
    }.items():
        assert read_stream(extradata(), [*packets[:index], content, *packets[index + 1 :]], times) is None, (
            index
        )
    assert read_stream(extradata(), [], []) is None
