# SPDX-License-Identifier: Apache-2.0
"""A package with a file of its own: a folder without one would give way to any library that installs a package called tests."""
