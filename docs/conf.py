# SPDX-License-Identifier: Apache-2.0
"""How the docs are built; `make docs` does it, with every warning an error and without network."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import airflow_dataops
import dag_factories
from airflow_dataops import __version__

# autodoc writes to the annotations of base classes, pydantic's too, and a model that is made after that does not build:
# so all are made before.
for package in (airflow_dataops, dag_factories):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
# Lazy names count as the module's own once they are there.
vars(dag_factories).update({name: getattr(dag_factories, name) for name in dag_factories.__all__})

project = "airflow-dataops"
author = "the airflow-dataops contributors"
project_copyright = "the airflow-dataops contributors; Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]  # so that GitHub draws them, too
suppress_warnings = [
    "myst.xref_missing",  # links to files outside of docs/; tests/house follows every relative link itself
    "ref.python",  # areas have types of one short name (Policy), and annotations that only type checkers import give no more of it
]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"airflow-dataops {version}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "source_repository": "https://github.com/airflow-dataops/airflow-dataops/",
    "source_branch": "main",
    "source_directory": "docs/",
}
