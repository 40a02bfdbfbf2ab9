"""What an evaluation is shown as: `results`, tables, plots and every value as parquet; `page`, all on one page."""
