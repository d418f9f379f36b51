"""`Watch` as a handler of MONAI (extra `monai`), whose engines are those of Ignite.

Its StatsHandler, TensorBoardStatsHandler and MLFlowHandler tell what stands in
``engine.state.metrics``; attach this handler before them.
"""

from vestige.integrations.ignite import VestigeHandler

__all__ = ["VestigeHandler"]
