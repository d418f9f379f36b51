"""A trained Siamese network with other synthetic images than those it was trained with."""

from dataclasses import replace

import torch

from vestige.nets.gallery import Gallery, batches, half
from vestige.nets.pair_model import PairModel
from vestige.nets.training import find_device, find_precision
from vestige.types import Images


@torch.no_grad()
def with_generated(model: PairModel, generated: Images) -> PairModel:
    """The same network; every real image now meets each of these, float32 [m, h, w]."""
    device = find_device()
    precision = find_precision(device, model.plan.precision)
    net = model.net.to(device).eval()
    gallery = Gallery(generated, net.extract, model.plan.size, device, precision, cached=False)
    encoded = [
        half(net.encode(tuple(part.to(device) for part in gallery.extracted(rows))))
        for rows in batches(len(generated))
    ]
    return replace(model, plan=replace(model.plan, pairing="random"), encoded=torch.cat(encoded))
