"""What Gradescope and Canvas export, recognised by its files."""
