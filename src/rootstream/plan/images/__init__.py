"""Images as elements, each made from the one tar of the finished root."""
