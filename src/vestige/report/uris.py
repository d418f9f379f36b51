"""Pictures inside the page."""

from base64 import b64encode

_FORMS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


def data_uri(picture: bytes) -> str:
    """PNG or JPEG bytes as a data URI; "" for anything else."""
    for start, form in _FORMS.items():
        if picture.startswith(start):
            return f"data:image/{form};base64,{b64encode(picture).decode('ascii')}"
    return ""
