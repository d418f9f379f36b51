"""Reading images, conforming them to one working size, and grouping them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vestige.images.duplicates import content_clusters, near_duplicate_groups
    from vestige.images.frame import Frame, Unreadable, Window
    from vestige.images.groups import Grouping, assign_groups
    from vestige.images.imageclef import open_imageclef
    from vestige.images.imageset import ImageSet, Record
    from vestige.images.listing import Source, list_files, peek_size
    from vestige.images.preprocess import to_working
    from vestige.images.readers import READERS, read_file
    from vestige.images.reading import read_images
    from vestige.images.shards import Shard, read_shard

__all__ = [
    "READERS",
    "Frame",
    "Grouping",
    "ImageSet",
    "Record",
    "Shard",
    "Source",
    "Unreadable",
    "Window",
    "assign_groups",
    "content_clusters",
    "list_files",
    "near_duplicate_groups",
    "open_imageclef",
    "peek_size",
    "read_file",
    "read_images",
    "read_shard",
    "to_working",
]

_HOMES = {
    "Frame": "frame",
    "Grouping": "groups",
    "ImageSet": "imageset",
    "READERS": "readers",
    "Record": "imageset",
    "Shard": "shards",
    "Source": "listing",
    "Unreadable": "frame",
    "Window": "frame",
    "assign_groups": "groups",
    "content_clusters": "duplicates",
    "list_files": "listing",
    "near_duplicate_groups": "duplicates",
    "open_imageclef": "imageclef",
    "peek_size": "listing",
    "read_file": "readers",
    "read_images": "reading",
    "read_shard": "shards",
    "to_working": "preprocess",
}
"""Where each name lives: a detector that is listed needs no reader of images."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vestige.images' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"vestige.images.{_HOMES[name]}"), name)
    return found
