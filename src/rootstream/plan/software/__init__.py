"""Software of the project as elements: packages, Rust, Python."""
