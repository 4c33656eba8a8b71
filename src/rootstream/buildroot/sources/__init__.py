"""Where Buildroot and everything it downloads come from: trees, Git, mirrors, files by hash."""
