"""What an evaluation is shown as: tables beside the published figures, plots, and every value as parquet."""
