from pipeline.files import read_parquet, write_parquet  # noqa
