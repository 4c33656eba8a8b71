"""One build of a Buildroot system: what is stale and why, make, and the images that it left."""
