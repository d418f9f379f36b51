"""Options that train a generator in a second."""

from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "vae": {"steps": 6, "batch": 4, "width": 8, "latent": 4},
    "gan": {"steps": 6, "batch": 4, "width": 2, "latent": 4},
    "diffusion": {"steps": 6, "batch": 4, "width": 8, "sampling_steps": 3},
}
