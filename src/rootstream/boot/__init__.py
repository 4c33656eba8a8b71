"""Boots exported images in QEMU and checks what they show; knows nothing of how they were built."""
