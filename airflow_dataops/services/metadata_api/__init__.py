# SPDX-License-Identifier: Apache-2.0
"""The HTTP API that takes metadata events: validated, normalised, and in Kafka when it says 202."""
