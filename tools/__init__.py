"""What keeps the repository in step: notebooks and the public address."""
