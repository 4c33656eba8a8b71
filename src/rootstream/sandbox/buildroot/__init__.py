"""What runs in the sandboxes of Buildroot's packages."""
