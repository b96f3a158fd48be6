"""The static site and the browser edition."""
