"""The machine: builds notebooks, grades submissions, writes reports. See docs/architecture.md."""
