# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver: cleaning, dedup, masking, and the plan of a publish."""
