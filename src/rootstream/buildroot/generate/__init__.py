"""What a description becomes for Buildroot: an external tree with tables, scripts and packages."""
