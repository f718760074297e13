# SPDX-License-Identifier: Apache-2.0
"""The contract test of an S3 endpoint: what pipelines need of it, tried in a folder of its own; see :mod:`.run`."""
