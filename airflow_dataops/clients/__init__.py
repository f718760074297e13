# SPDX-License-Identifier: Apache-2.0
"""All I/O with other systems, free of Airflow and of decisions."""
