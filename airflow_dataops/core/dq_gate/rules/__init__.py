# SPDX-License-Identifier: Apache-2.0
"""The names of all rules. A rule's module is imported when the rule is first asked for: most tables need few of them."""

from __future__ import annotations

MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "aggregates": {
        "mean": ("expect_column_mean_to_be_between",),
        "sum": ("expect_column_sum_to_be_between",),
        "stdev": ("expect_column_stdev_to_be_between",),
        "median": ("expect_column_median_to_be_between",),
        "min": ("expect_column_min_to_be_between",),
        "max": ("expect_column_max_to_be_between",),
        "quantile": ("expect_column_quantile_values_to_be_between",),
    },
    "condition": {"condition": ()},
    "nulls": {
        "not_null": ("expect_column_values_to_not_be_null",),
        "is_null": ("expect_column_values_to_be_null",),
    },
    "numbers": {
        "between": ("expect_column_values_to_be_between",),
        "column_a_greater_than_b": ("expect_column_pair_values_a_to_be_greater_than_b",),
    },
    "sets": {
        "in_set": ("expect_column_values_to_be_in_set",),
        "not_in_set": ("expect_column_values_to_not_be_in_set",),
    },
    "tables": {
        "row_count": ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"),
        "column_exists": ("expect_column_to_exist",),
        "columns_match_set": ("expect_table_columns_to_match_set",),
        "columns_in_order": ("expect_table_columns_to_match_ordered_list",),
        "column_type": ("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"),
    },
    "text": {
        "regex": ("expect_column_values_to_match_regex",),
        "not_regex": ("expect_column_values_to_not_match_regex",),
        "length_between": ("expect_column_value_lengths_to_be_between", "expect_column_value_lengths_to_equal"),
    },
    "time": {"freshness": ()},
    "unique": {
        "unique": ("expect_column_values_to_be_unique",),
        "compound_unique": ("expect_compound_columns_to_be_unique",),
        "distinct_count": ("expect_column_unique_value_count_to_be_between",),
    },
}
"""Module of this package -> short name of a rule -> names of the Great Expectations' expectations that it stands for."""
