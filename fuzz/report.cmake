conopa_fuzz(run_records report)
