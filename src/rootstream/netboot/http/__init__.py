"""The HTTP side of the boot server: scripts and files, the API, connections and their bounds."""
