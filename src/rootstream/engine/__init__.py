"""BuildStream as the engine: driven as a process, configured by Rootstream, its messages as events."""

from rootstream.engine.bst import Engine
from rootstream.engine.elements import ElementState
from rootstream.engine.remotes import Remote, Signatures, Workers
from rootstream.engine.settings import Settings, settings_from

__all__ = ["ElementState", "Engine", "Remote", "Settings", "Signatures", "Workers", "settings_from"]
