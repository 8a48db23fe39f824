"""What a demo shows, drawn: pictures, sliders, strips, all of which live without a kernel. Engine."""
