"""All settings, read once from the environment: `stage` the pipeline's, `thumbnails` the pictures'."""

from chalicelib.config.stage import Config

__all__ = ["Config"]
