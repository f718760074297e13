# SPDX-License-Identifier: Apache-2.0
"""Pure decisions: no I/O, no clock, no random numbers, no Airflow, no SDK."""
