"""What an instructor needs, built from one source each: `make teach`."""
