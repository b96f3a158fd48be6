"""What is said of an adapter: its ranks, what each loader applies, what to do next."""
