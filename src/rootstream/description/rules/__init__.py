"""Rules of a description that go across words: each alone is right, together they are not."""
