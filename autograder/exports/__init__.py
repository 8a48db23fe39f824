"""What other systems export, recognised by its files: each module is a `submission.export.Export`."""
