"""Large matrix products: by numpy, or on the device that an engine names."""
