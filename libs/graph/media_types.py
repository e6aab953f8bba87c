"""The media that Meta takes: types, kinds, largest sizes, and what a file's first bytes say of its type.

Source: Meta's table of supported media (Cloud API). Pure.
"""

from dataclasses import dataclass

KB, MB = 1024, 1024 * 1024
HEAD = 1024  # bytes from a file's beginning that are looked at; a PDF's mark may come as late as that
LARGEST = 100 * MB  # bytes of any file


@dataclass(frozen=True, slots=True)
class MediaType:
    """One type with its kind, its largest size in bytes, and the ending of its files."""

    mime: str
    kind: str
    largest: int
    ending: str


_OFFICE = "application/vnd.openxmlformats-officedocument."
_OFFICE_NEW = (f"{_OFFICE}wordprocessingml.document", f"{_OFFICE}spreadsheetml.sheet",
               f"{_OFFICE}presentationml.presentation")  # fmt: skip
_OFFICE_OLD = ("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint")
_CONTAINER = ("video/mp4", "audio/mp4", "video/3gpp")  # one container for all three

TYPES: dict[str, MediaType] = {
    mime: MediaType(mime, kind, largest, ending)
    for kind, largest, endings in (
        ("image", 5 * MB, {"image/jpeg": "jpg", "image/png": "png"}),
        ("audio", 16 * MB, {"audio/aac": "aac", "audio/amr": "amr", "audio/mpeg": "mp3", "audio/mp4": "m4a",
                            "audio/ogg": "ogg"}),
        ("video", 16 * MB, {"video/mp4": "mp4", "video/3gpp": "3gp"}),
        ("sticker", 500 * KB, {"image/webp": "webp"}),
        ("document", LARGEST, {"text/plain": "txt", "application/pdf": "pdf",
                               **dict(zip(_OFFICE_OLD, ("doc", "xls", "ppt"), strict=True)),
                               **dict(zip(_OFFICE_NEW, ("docx", "xlsx", "pptx"), strict=True))}),
    )
    for mime, ending in endings.items()
}  # fmt: skip
STATIC_STICKER = 100 * KB  # bytes; an animated one may have 500 KB

# What programs call some of these types.
_ALIASES = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4", "audio/x-aac": "audio/aac", "application/ogg": "audio/ogg", "audio/opus": "audio/ogg",
    "video/3gp": "video/3gpp",
}  # fmt: skip

# A beginning -> the types that begin so; those that Meta does not take stand here for their name.
_MARKS: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\xff\xd8\xff", ("image/jpeg",)),
    (b"\x89PNG\r\n\x1a\n", ("image/png",)),
    (b"#!AMR", ("audio/amr",)),
    (b"OggS", ("audio/ogg",)),
    (b"ID3", ("audio/mpeg", "audio/aac")),
    (b"%PDF-", ("application/pdf",)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE_OLD),
    (b"PK\x03\x04", (*_OFFICE_NEW, "application/zip")),
    (b"GIF8", ("image/gif",)),
    (b"BM", ("image/bmp",)),
    (b"MZ", ("application/x-msdownload",)),
    (b"\x7fELF", ("application/x-executable",)),
    (b"\x1f\x8b", ("application/gzip",)),
    (b"\x1aE\xdf\xa3", ("video/webm",)),
)
UNKNOWN = "application/octet-stream"


def normalised(declared: str) -> str:
    """Return a declared type without its parameters, by the name that Meta uses."""
    plain = declared.split(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def sniffed(head: bytes) -> tuple[str, ...]:
    """Return the types that a file with this beginning may have, the likeliest first; never empty."""
    if head[:4] == b"RIFF":
        return {b"WEBP": ("image/webp",), b"WAVE": ("audio/wav",), b"AVI ": ("video/avi",)}.get(head[8:12], (UNKNOWN,))
    if head[4:8] == b"ftyp":
        first = "video/3gpp" if head[8:10] == b"3g" else "audio/mp4" if head[8:11] == b"M4A" else "video/mp4"
        return (first, *(mime for mime in _CONTAINER if mime != first))
    if head[:1] == b"\xff" and len(head) > 1 and (found := _audio_frame(head[1])):
        return (found,)
    for mark, types in _MARKS:
        if head.startswith(mark) and (mark != b"BM" or b"\x00" in head[:32]):
            return types
    if b"%PDF-" in head:
        return ("application/pdf",)
    return ("text/plain",) if _is_text(head) else (UNKNOWN,)


def _audio_frame(second: int) -> str | None:
    """Read the second byte of an MPEG or AAC (ADTS) frame: eleven or twelve bits of sync, then the layer."""
    if second & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if second & 0xE0 == 0xE0 and second & 0x06 and second not in (0xFE, 0xFF) else None


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 says so itself
        return True
    return not any(byte < 0x09 or 0x0E <= byte < 0x1B for byte in head)


def largest(media_type: MediaType, head: bytes) -> int:
    """Return the most bytes that a file of this type and beginning may have."""
    if media_type.kind == "sticker" and not (head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 0x02):
        return STATIC_STICKER
    return media_type.largest
