# SPDX-License-Identifier: Apache-2.0
"""spec + target -> Plan: one pure function a kind."""
