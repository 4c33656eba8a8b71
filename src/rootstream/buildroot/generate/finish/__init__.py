"""Programs that Buildroot runs at the end of a build, as its post-build and post-fakeroot scripts.

They run with the standard library alone: `python3 PROGRAM DATA.json TARGET`.
"""
