"""The syllabus site: what mkdocs builds the pages from, beside the Markdown of docs/."""
