"""What the boot server keeps: builds, the state of machines and boots, and where that is."""
