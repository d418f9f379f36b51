"""Pictures inside the page."""

from base64 import b64encode

_PNG = b"\x89PNG\r\n\x1a\n"


def data_uri(png: bytes) -> str:
    """PNG bytes as a data URI; "" for anything else."""
    if not png.startswith(_PNG):
        return ""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
