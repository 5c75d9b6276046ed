"""One frame for all: what any client reads as the message that it is."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from realm.web.shared_frames import frame


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_it_is_read_as_it_was_written(length: int) -> None:
    reader = StreamReader()
    text = "ä" * (length // 2) + "x" * (length % 2)
    reader.feed_data(frame(text))
    parse = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as ended:
        next(parse)
    read: Frame = ended.value.value
    assert (read.opcode, read.fin, bytes(read.data).decode()) == (Opcode.TEXT, True, text)
