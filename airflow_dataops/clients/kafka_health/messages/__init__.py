# SPDX-License-Identifier: Apache-2.0
"""Messages of Kafka's protocol that kafka-python does not know yet: KIP-848's description of a group."""
