"""What each command does, from a project to its results."""
