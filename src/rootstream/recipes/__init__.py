"""Data that Rootstream brings along: kernel and BusyBox fragments, and the scripts of a BusyBox root."""
