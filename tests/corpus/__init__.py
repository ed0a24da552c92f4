"""A thousand odd and hostile images from the source distributions of Pillow and thumbor; see run.py."""
