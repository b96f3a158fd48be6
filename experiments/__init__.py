"""How helpers/data was made. Needs PyTorch; nothing that the notebooks need imports it."""
