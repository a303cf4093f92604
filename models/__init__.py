"""Which weights, where they come from, verified before use."""

from models.catalog import HubSource, Model, ModelFile, WheelSource, find, known_models
from models.fetch import fetch_named, pull
from models.local import fingerprint, locate, verify

__all__ = [
    "HubSource",
    "Model",
    "ModelFile",
    "WheelSource",
    "fetch_named",
    "find",
    "fingerprint",
    "known_models",
    "locate",
    "pull",
    "verify",
]
