"""BuildStream plugins of Rootstream; they import nothing of it, only buildstream."""
