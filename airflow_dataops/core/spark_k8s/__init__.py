# SPDX-License-Identifier: Apache-2.0
"""Spark on Kubernetes: what is created, how it is followed to its end, and why it failed. Pure: observation in, decision out."""
