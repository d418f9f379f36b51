"""Reading images, conforming them to one working size, and grouping them."""

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
