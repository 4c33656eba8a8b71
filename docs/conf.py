"""The site that `make docs` builds from the Markdown pages, with Sphinx.

Its source folder is the whole repository, so that a link in a page means the same here as on a Git forge: to a
page it is a link to that page, to any other file (`../examples/...`, `../src/...`) a link to a copy of that file.
What is not there fails the build.
"""

project = "Rootstream"
html_title = project
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "examples/*/README.md"]
exclude_patterns = [".*", "build", "src", "tests", "examples/*/.*", "examples/*/out"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_use_index = False
html_extra_path = ["site"]  # its index leads to the README
html_css_files = ["wide.css"]
