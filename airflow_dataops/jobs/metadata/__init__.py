# SPDX-License-Identifier: Apache-2.0
"""Work on metadata events: from the log into store and archive."""
