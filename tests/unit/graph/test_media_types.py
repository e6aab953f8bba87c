import pytest

from libs.graph.media_types import STATIC_STICKER, TYPES, largest, normalised, sniffed

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"RIFF....WEBPVP8X", "image/webp"),
        (b"#!AMR\n", "audio/amr"), (b"OggS", "audio/ogg"), (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"), (b"\0\0\0\x20ftypM4A ", "audio/mp4"), (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftyp3gp4", "video/3gpp"), (b"%PDF-1.4", "application/pdf"), (b"\n\n%PDF-1.4", "application/pdf"),
        (OLE, "application/msword"), (b"just text\n", "text/plain"), ("größer".encode(), "text/plain"),
        (b"\xff\xfeh\0i\0", "text/plain"), (b"GIF89a", "image/gif"), (b"MZ\x90\0", "application/x-msdownload"),
        (b"RIFF....WAVEfmt ", "audio/wav"), (b"RIFF....JUNK", "application/octet-stream"),
        (b"\0\1\2\3", "application/octet-stream"), (b"BMW makes cars", "text/plain"),
    ],
)  # fmt: skip
def test_the_first_bytes_tell_the_type(head: bytes, expected: str) -> None:
    assert sniffed(head)[0] == expected


def test_one_container_may_be_any_of_its_types() -> None:
    assert set(sniffed(b"\0\0\0\x18ftypisom")) == {"video/mp4", "audio/mp4", "video/3gpp"}
    assert {TYPES[mime].ending for mime in sniffed(OLE)} == {"doc", "xls", "ppt"}


@pytest.mark.parametrize(
    ("declared", "meant"),
    [("image/jpg", "image/jpeg"), ("Audio/OGG; codecs=opus", "audio/ogg"), ("audio/mp3", "audio/mpeg"), ("", "")],
)
def test_types_go_by_metas_names(declared: str, meant: str) -> None:
    assert normalised(declared) == meant


def test_a_sticker_that_stands_still_has_a_smaller_limit() -> None:
    moving = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0"
    still = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0"
    assert largest(TYPES["image/webp"], moving) == TYPES["image/webp"].largest == 500 * 1024
    assert largest(TYPES["image/webp"], still) == STATIC_STICKER
    assert largest(TYPES["image/png"], b"") == 5 * 1024 * 1024
