"""Settings of the documentation site: `make docs` builds it, and needs no network."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

# Examples train on one thread, so that their results and times do not depend on the machine's cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "egbad"
author = "The egbad authors"
copyright = "the egbad authors, Apache-2.0"
version = release = version_of("egbad")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "catalogues",
    "command_pages",
    "html_repairs",
    "inline_drawings",
    "mathml",
    "own_members",
    "repository_pages",
    "service_pages",
]
exclude_patterns = ["_build", "_templates", "_extensions", "examples", "gallery/**/*.ipynb"]
templates_path = ["_templates"]
highlight_language = "none"
smartquotes_action = "q"  # no dashes: "--" begins the options of commands
default_role = "py:obj"

# -- Japanese: `make docs` builds the site twice, `make translations` updates the catalogues -----------------------------

locale_dirs = ["locale"]
gettext_compact = False  # a catalogue for each page
gettext_location = False
# The pages that are translated. The others are in English on the Japanese site, too.
TRANSLATED = ["index", "get_started/*", "guide/*", "methods/egbad", "reference/*"]
if tags.has("catalogues"):  # noqa: F821 - Sphinx defines it
    include_patterns = [f"{page}.md" for page in TRANSLATED]
    extensions.remove("sphinx_gallery.gen_gallery")

# -- Markdown ----------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# -- the reference -----------------------------------------------------------------------------------------------------

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings give types and shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
maximum_signature_line_length = 80
add_module_names = False

# -- the gallery -------------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "remove_config_comments": True,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 60,
    "write_computation_times": False,
    "plot_gallery": "True",
    "image_scrapers": ("matplotlib",),
}

# Pages without sidebars, which show code side by side.
WIDE = ("coming_from/anomalib", "coming_from/pyod", "coming_from/scikit_learn")

# -- HTML --------------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "egbad"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "navbar_persistent": ["search-button-field", "language-switch"],
    "secondary_sidebar_items": {"**": ["page-toc"], **dict.fromkeys(WIDE, ())},
}
if "EGBAD_DOCS_URL" in os.environ:  # a published site: `docs/publish.py` writes the list of versions
    html_theme_options |= {
        "switcher": {
            "json_url": os.environ["EGBAD_DOCS_URL"] + "/switcher.json",
            "version_match": os.environ["EGBAD_DOCS_VERSION"],
        },
        "check_switcher": False,
        "navbar_start": ["navbar-logo", "version-switcher"],
    }
html_sidebars = {"architecture": [], "changelog": [], "contributing": [], **dict.fromkeys(WIDE, ())}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
